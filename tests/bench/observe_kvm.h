/* SPDX-License-Identifier: MIT */
/* What observe(1) sees of a program's virtual machine. */
#ifndef INSTAR_TESTS_BENCH_OBSERVE_KVM_H
#define INSTAR_TESTS_BENCH_OBSERVE_KVM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A thread that is stopped at a system call's entry remembers the call here. */
struct task {
        pid_t pid; /* 0: free */
        bool inside;
        uint64_t call;
        uint64_t arguments[6];
};

struct kvm_counts {
        uint64_t exits;    /* returns of KVM_RUN */
        uint64_t resident; /* pages of guest memory that are there */
        int64_t faults;    /* pages that the guest touched; -1: not known */
};

/* A thread of process `program` is stopped behind an ioctl(2) that has returned `result`.
 */
void kvm_note_ioctl(pid_t program, const struct task *task, int64_t result,
                    struct kvm_counts *counts);

/* Prints what failed and errno, ends the program. */
_Noreturn void observe_fail(const char *what);

#endif
