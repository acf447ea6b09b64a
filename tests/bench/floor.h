/* SPDX-License-Identifier: MIT */
/* What the files floor*.c share. */
#ifndef INSTAR_TESTS_BENCH_FLOOR_H
#define INSTAR_TESTS_BENCH_FLOOR_H

#include <stdint.h>

/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);

/* Print "NAME NANOSECONDS" for what began at `begin` and ends now. */
void report(const char *name, uint64_t begin);

/* `what`, errno, and the end. */
_Noreturn void fail(const char *what);

/* A virtual machine with a guest of two instructions (floor_kvm.c). */
void floor_kvm(void);

/* An edit's writes and syncs, in files that it makes in `directory` (floor_disk.c). */
void floor_disk(const char *directory);

#endif
