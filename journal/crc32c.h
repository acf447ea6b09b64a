/* SPDX-License-Identifier: MIT */
/* CRC-32C (Castagnoli), as in RFC 3720, appendix B.4. */
#ifndef INSTAR_JOURNAL_CRC32C_H
#define INSTAR_JOURNAL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what was summed up in `crc` (0 for nothing) and `length` more bytes. */
uint32_t crc32c(uint32_t crc, const void *data, size_t length);

/* The same without the CPU's instruction; for CPUs without it, and for the tests. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t length);

#endif
