/* SPDX-License-Identifier: MIT */
/* Numbers as text, for those who print a hundred million of them. */
#ifndef INSTAR_HOST_CLI_DIGITS_H
#define INSTAR_HOST_CLI_DIGITS_H

#include <stdint.h>

/* Bytes that must be writable at `to`, whatever the number: those behind what is returned
 * may be overwritten, too. */
#define DIGITS_ROOM 20u

/* Without leading zeros, and without a NUL.  Return the end. */
char *digits_decimal(char *to, uint64_t number);
char *digits_hex(char *to, uint64_t number);

#endif
