/* SPDX-License-Identifier: MIT */
/* What every harness is: one function, as libFuzzer has it. */
#ifndef INSTAR_FUZZ_HARNESS_HARNESS_H
#define INSTAR_FUZZ_HARNESS_HARNESS_H

#include <stddef.h>
#include <stdint.h>

/* 0, or -1 for an input that is none.  Aborts on a finding. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
