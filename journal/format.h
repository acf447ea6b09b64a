/* SPDX-License-Identifier: MIT */
/*
 * The journal file, to the byte.  docs/journal-format.md says the same in prose.
 *
 * The file is an array of 512-byte sectors:
 *
 *     sector 0    header
 *     sector 1    ending record; all zeros until the transaction ends or is recovered
 *     sector 2..  batches of records, each batch starting in a fresh sector
 *
 * Every sector that was written ends with a crc32c over its other bytes and its own
 * number, so each sector of the file is one of three things: valid, absent (zeros, or
 * behind the end of the file: a write that never arrived) or damaged.  A
 * power loss leaves valid and absent sectors only; that is how a torn last batch,
 * which does not count, is told from a damaged one, which must not be trusted.
 *
 * A sector of a batch carries 496 bytes of payload.  The payloads of a batch's
 * sectors, one after the other, are its records; a record may cross sectors.
 *
 * All numbers are little-endian, and exist only behind load_le*() and store_le*().
 */
#ifndef INSTAR_JOURNAL_FORMAT_H
#define INSTAR_JOURNAL_FORMAT_H

#include <stdint.h>

#define JOURNAL_FORMAT_VERSION 1u

/* "instarUJ", the bytes in this order. */
#define JOURNAL_MAGIC        "instarUJ"
#define JOURNAL_ENDING_MAGIC "instarUE"
#define JOURNAL_MAGIC_SIZE   8u

#define JOURNAL_ID_SIZE      16u
#define JOURNAL_BOOT_ID_SIZE 16u

/* In every sector, of every version: */
#define SECTOR_CRC 508u

/* In a sector of a batch: */
#define SECTOR_PAYLOAD_SIZE 496u
#define SECTOR_TAG          496u /* u64: the transaction's first 8 bytes */
#define SECTOR_BATCH        504u /* u32: the batch's number, from 1 */

/* Sector 0 */
#define HEADER_MAGIC           0u
#define HEADER_VERSION         8u  /* u32 */
#define HEADER_FLAGS           12u /* u32: 0 */
#define HEADER_TRANSACTION     16u
#define HEADER_BOOT            32u
#define HEADER_OLD_SIZE        48u  /* u64 */
#define HEADER_FINAL_SIZE      56u  /* u64 */
#define HEADER_TIME            64u  /* u64: ns since the epoch */
#define HEADER_IDENTITY_KIND   72u  /* u32 */
#define HEADER_IDENTITY_LENGTH 76u  /* u32 */
#define HEADER_IDENTITY        80u  /* 160 bytes, zeros behind the length */
#define HEADER_RESERVED        240u /* zeros up to SECTOR_CRC */

/* Sector 1 */
#define ENDING_MAGIC       0u
#define ENDING_KIND        8u  /* u32: enum journal_end, or ENDING_RECOVERING */
#define ENDING_RESERVED_1  12u /* u32: 0 */
#define ENDING_TRANSACTION 16u
#define ENDING_TIME        32u /* u64: ns since the epoch */
#define ENDING_BOOT        40u /* ENDING_RECOVERING: of the recovering system; else zeros */
#define ENDING_RESERVED    56u /* zeros up to SECTOR_CRC */

/* No end: another process has begun to undo the transaction, and writes to the image. */
#define ENDING_RECOVERING 3u

#define JOURNAL_ENDING_OFFSET  512u
#define JOURNAL_RECORDS_OFFSET 1024u

/* Every record; records begin at multiples of 8 in the payload. */
#define RECORD_KIND     0u  /* u32: enum journal_record_kind */
#define RECORD_FLAGS    4u  /* u32 */
#define RECORD_SEQUENCE 8u  /* u64: 0, 1, 2, ... through the whole file */
#define RECORD_PREVIOUS 16u /* u64: file offset of the record before it; 0: none */
#define RECORD_COMMON   24u

enum journal_record_kind {
        JOURNAL_RECORD_ASKED = 1,
        JOURNAL_RECORD_CHANGE = 2,
        JOURNAL_RECORD_CLOSE = 3,
        JOURNAL_RECORD_CLAIM = 4,
};

/* RECORD_ASKED: the first record of the file, and nowhere else. */
#define ASKED_LENGTH 24u /* u32: bytes of text */
#define ASKED_PATH   28u /* u32: bytes of the image's path; 0: not known */
#define ASKED_TEXT   32u /* the text, then the path, then zeros to a multiple of 8 */

#define JOURNAL_ASKED_MAX 16384u
#define JOURNAL_PATH_MAX  4096u

/* RECORD_CHANGE */
#define CHANGE_FLAG_SWITCH 1u  /* in RECORD_FLAGS */
#define CHANGE_OFFSET      24u /* u64: in the image, a multiple of 512 */
#define CHANGE_SECTORS     32u /* u32 */
#define CHANGE_STEP        36u /* u32 */
#define CHANGE_OLD         40u /* u32: enum journal_old */
#define CHANGE_RESERVED    44u /* u32: 0 */
#define CHANGE_HASHES      48u /* u64 per sector; then the old bytes, if any */

enum journal_old {
        JOURNAL_OLD_BYTES = 1, /* 512 per sector follow the hashes */
        JOURNAL_OLD_ZEROS = 2,
        JOURNAL_OLD_BEHIND_END = 3,
};

/* Sectors of one record; a larger change is split. */
#define CHANGE_MAX_SECTORS_BYTES 64u   /* with old bytes */
#define CHANGE_MAX_SECTORS       1024u /* without */

/* RECORD_CLAIM */
#define CLAIM_OFFSET 24u /* u64: in the image */
#define CLAIM_LENGTH 32u /* u64: not 0 */
#define CLAIM_SIZE   40u

/* RECORD_CLOSE; what is left of its last sector's payload is zeros. */
#define CLOSE_BATCH      24u /* u32 */
#define CLOSE_RESERVED_1 28u /* u32: 0 */
#define CLOSE_COUNT      32u /* u64: records of this batch but this one */
#define CLOSE_TIME       40u /* u64: ns since the epoch */
#define CLOSE_CRC        48u /* u32: of the batch's payload up to here */
#define CLOSE_RESERVED_2 52u /* u32: 0 */
#define CLOSE_SIZE       56u

/* The largest record: 64 sectors with their hashes and old bytes. */
#define RECORD_MAX_SIZE (CHANGE_HASHES + CHANGE_MAX_SECTORS_BYTES * (8u + 512u))

/* journal_identity.kind */
enum journal_identity_kind {
        JOURNAL_IDENTITY_HANDLE = 1, /* u32 handle type, then the handle's bytes */
        JOURNAL_IDENTITY_INODE = 2,  /* u64 inode, u64 birth seconds, u32 nanoseconds */
        JOURNAL_IDENTITY_DEVICE = 3, /* u64 size in bytes, then the identifier's text */
};

#endif
