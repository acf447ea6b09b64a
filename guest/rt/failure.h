/* SPDX-License-Identifier: MIT */
/*
 * Where a refusal leaves its numbers.  Functions return a plain enum abi_code; the
 * one that finds the fault says where it is, and the program's end carries both to
 * the host, which has the texts.
 */
#ifndef INSTAR_GUEST_RT_FAILURE_H
#define INSTAR_GUEST_RT_FAILURE_H

#include "guest/abi.h"

/* Remember the numbers that abi.h lists for `code`, and return `code`. */
enum abi_code fail(enum abi_code code, uint64_t first, uint64_t second, uint64_t third,
                   uint64_t fourth);

/* Copy the numbers of the last fail() to `detail`. */
void failure_details(uint64_t detail[4]);

#endif
