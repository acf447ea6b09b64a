/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_SIZE_H
#define INSTAR_HOST_CLI_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A size in bytes: a whole number, decimal or (after 0x) hexadecimal, and at most one of
 * the suffixes b k M G T P E in either case, powers of 1024.  In a hexadecimal
 * number b and e are digits.  False, and *size untouched, if anything else is there or if
 * the size does not fit in 64 bits: it is never cut (qemu-img takes 4294967808 for 512).
 */
bool size_parse(const char *text, uint64_t *size);

/*
 * The same as QEMU's own sizes are: before a suffix other than b a decimal number may
 * have a fraction (1.5G), of which what is no whole byte is dropped.
 */
bool size_parse_fraction(const char *text, uint64_t *size);

#endif
