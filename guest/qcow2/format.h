/* SPDX-License-Identifier: MIT */
/*
 * Numbers of the qcow2 format (docs/interop/qcow2.txt of QEMU): "Header",
 * "Header extensions", "Bitmaps extension", "Bitmap directory", "Bitmap table".
 */
#ifndef INSTAR_GUEST_QCOW2_FORMAT_H
#define INSTAR_GUEST_QCOW2_FORMAT_H

#include "guest/abi.h"

#define QCOW2_MAGIC 0x514649fbu

#define QCOW2_MIN_CLUSTER_BITS             9u
#define QCOW2_MIN_EXTENDED_L2_CLUSTER_BITS 14u /* 32 subclusters of 512 bytes */
#define QCOW2_MAX_CLUSTER_BITS             21u

/* Field offsets of the header. */
#define QCOW2_BACKING_OFFSET        8u
#define QCOW2_SIZE_FIELD            24u
#define QCOW2_REFCOUNT_TABLE_FIELDS 48u /* offset u64, clusters u32: 12 bytes */
#define QCOW2_L1_FIELDS             36u /* entries u32, offset u64 */
#define QCOW2_SNAPSHOT_FIELDS       60u /* count u32, offset u64 */
#define QCOW2_INCOMPATIBLE_FIELD    72u
#define QCOW2_AUTOCLEAR_FIELD       88u
#define QCOW2_REFCOUNT_ORDER_FIELD  96u
#define QCOW2_HEADER_LENGTH_FIELD   100u
#define QCOW2_COMPRESSION_TYPE      104u
#define QCOW2_HEADER_V2_LENGTH      72u
#define QCOW2_HEADER_V3_LENGTH      104u

#define QCOW2_INCOMPATIBLE_DIRTY       1u
#define QCOW2_INCOMPATIBLE_CORRUPT     2u
#define QCOW2_INCOMPATIBLE_DATA_FILE   4u
#define QCOW2_INCOMPATIBLE_COMPRESSION 8u
#define QCOW2_INCOMPATIBLE_EXTENDED_L2 16u
#define QCOW2_INCOMPATIBLE_KNOWN       31u

#define QCOW2_AUTOCLEAR_BITMAPS  1u
#define QCOW2_AUTOCLEAR_RAW_DATA 2u
#define QCOW2_AUTOCLEAR_KNOWN    3u

#define QCOW2_COMPATIBLE_LAZY_REFCOUNTS 1u

#define QCOW2_EXTENSION_END            0u
#define QCOW2_EXTENSION_BITMAPS        0x23852875u
#define QCOW2_EXTENSION_CRYPTO         0x0537be77u
#define QCOW2_EXTENSION_BACKING_FORMAT 0xe2792acau
#define QCOW2_EXTENSION_DATA_FILE      0x44415441u
#define QCOW2_EXTENSION_FEATURE_NAMES  0x6803f857u

/* A record of a type nobody knows, which instar writes where a record has to be
 * passed over: readers skip it (docs/interop/qcow2.txt, "Header extensions"). */
#define QCOW2_EXTENSION_PADDING 0x696e7374u /* "inst" */

#define QCOW2_EXTENSION_HEADER 8u /* type u32, length u32 */
#define QCOW2_BITMAPS_BODY     24u
#define QCOW2_CRYPTO_BODY      16u
#define QCOW2_BITMAPS_RECORD   32u

#define QCOW2_CRYPT_LUKS      2u /* the last of the methods; 0: none, 1: AES */
#define QCOW2_COMPRESSION_MAX 1u /* the last of the types: zstd; 0: zlib */

#define QCOW2_MAX_BACKING_NAME 1023u
#define QCOW2_MAX_FORMAT       15u /* bytes of a backing file's format */

#define QCOW2_OFFSET_MASK 0x00fffffffffffe00ull /* bits 9..55 */

/* Entries of L1 and L2 tables ("L1 table entry", "L2 table entry", "Standard Cluster
 * Descriptor"). */
#define QCOW2_COPIED        (1ull << 63)
#define QCOW2_L1_RESERVED   0x7f000000000001ffull
#define QCOW2_L2_COMPRESSED (1ull << 62)
#define QCOW2_L2_ZERO       1ull
#define QCOW2_L2_RESERVED   0x3f000000000001feull
#define QCOW2_SUBCLUSTERS   32u /* of a cluster, with extended L2 entries */

/* Bitmap directory entry. */
#define QCOW2_ENTRY_FIXED             24u
#define QCOW2_ENTRY_TABLE_SIZE        8u
#define QCOW2_ENTRY_FLAGS             12u /* offset of the flags inside an entry */
#define QCOW2_BITMAP_IN_USE           1u
#define QCOW2_BITMAP_AUTO             2u
#define QCOW2_BITMAP_EXTRA_COMPATIBLE 4u
#define QCOW2_BITMAP_KNOWN_FLAGS      7u
#define QCOW2_BITMAP_TYPE_DIRTY       1u

/* Bitmap table entry with no data cluster: bit 0 says "all ones". */
#define QCOW2_TABLE_ALL_ONES 1ull

/* Limits, QEMU's and so ours. */
#define QCOW2_MAX_BITMAPS              65535u
#define QCOW2_MAX_DIRECTORY_SIZE       67107840u
#define QCOW2_MAX_NAME                 1023u
#define QCOW2_MIN_GRANULARITY_BITS     9u
#define QCOW2_MAX_GRANULARITY_BITS     31u
#define QCOW2_MAX_TABLE_ENTRIES        0x8000000u
#define QCOW2_MAX_BITMAP_BYTES         0x20000000ull
#define QCOW2_MAX_REFCOUNT_TABLE_BYTES (8ull << 20)
#define QCOW2_MAX_L1_BYTES             (32ull << 20)
#define QCOW2_MAX_SNAPSHOTS            65536u
#define QCOW2_MAX_SNAPSHOT_EXTRA       1024u
#define QCOW2_MAX_OFFSET               0x7fffffffc0000000ull /* QEMU reads no further */

#endif
