/* SPDX-License-Identifier: MIT */
/*
 * The header cluster: fixed header, header extensions, backing file name.
 */
#ifndef INSTAR_GUEST_QCOW2_HEADER_H
#define INSTAR_GUEST_QCOW2_HEADER_H

#include <stdbool.h>

#include "guest/qcow2/format.h"

/* Everything parsed from the header cluster, in host byte order.  Offsets are
 * file offsets in bytes. */
struct header {
        uint32_t version;
        uint32_t cluster_bits;
        uint64_t cluster_size;
        uint64_t size; /* virtual size */
        uint32_t crypt_method;
        uint64_t backing_offset; /* 0: no backing file */
        uint32_t backing_size;
        uint64_t l1_offset;
        uint32_t l1_size; /* entries */
        uint64_t refcount_table_offset;
        uint32_t refcount_table_clusters;
        uint64_t snapshots_offset;
        uint32_t snapshot_count;
        uint64_t incompatible;
        uint64_t compatible;
        uint64_t autoclear;
        uint32_t refcount_order;
        uint32_t header_length;
        uint8_t compression_type; /* 0: zlib, 1: zstd */

        /* The extension area: [header_length, extensions_limit).  The limit is
         * the backing file name's offset, or the cluster's end. */
        uint32_t extensions_end; /* offset of the END record; == limit if there is none */
        uint32_t extensions_limit;

        bool has_bitmaps;
        uint32_t bitmaps_record; /* offset of the record's type field */
        uint32_t bitmap_count;
        uint64_t directory_size; /* bytes */
        uint64_t directory_offset;

        bool has_crypto;
        uint64_t crypto_offset;
        uint64_t crypto_length;
};

/*
 * The header cluster's bytes as far as they were read: `bytes` holds
 * [0, length), length <= cluster size.  Bytes behind the end of the file are
 * zeros.
 */
struct header_bytes {
        uint8_t *bytes;
        uint32_t length;
        uint32_t capacity; /* header_need() moves to a larger buffer beyond this */
};

/*
 * Read the fixed part of the header of a file of `file_size` bytes ("Header"), version 2
 * too, and check no more than that there is a geometry.  ABI_OK, ABI_NOT_QCOW2,
 * ABI_BAD_HEADER or ABI_TOO_LARGE.
 */
enum abi_code header_load(uint64_t file_size, struct header *header,
                          struct header_bytes *bytes);

/* ---- header_checks.c: what a header may say; each tells its first fault ---- */

/* The length of the header, no unknown incompatible feature, a possible refcount width.
 * ABI_OK, ABI_BAD_HEADER or ABI_UNKNOWN_INCOMPATIBLE. */
enum abi_code header_check_features(const struct header *header);

/* QEMU takes such a length: header_check_features() wants a multiple of 8, too. */
bool header_length_fits(const struct header *header);

/* Compression, subclusters, encryption and data file are such as QEMU knows, and do not
 * contradict each other: it opens no image otherwise.  Where the bitmaps are does not
 * depend on them.  ABI_OK or ABI_BAD_HEADER. */
enum abi_code header_check_methods(const struct header *header);

/* After the extensions were read: where the method is LUKS, one says where its header
 * is.  ABI_OK or ABI_BAD_HEADER. */
enum abi_code header_check_encryption(const struct header *header);

/* Refcount table, L1 table and snapshot table are aligned, not too large, and where a
 * file can be: QEMU opens no image otherwise.  ABI_OK or ABI_BAD_HEADER. */
enum abi_code header_check_limits(const struct header *header);

/* There is a refcount table, and each of the three lies inside the file and not in the
 * header: QEMU reads what comes behind the end as zeros.  ABI_OK or ABI_BAD_HEADER. */
enum abi_code header_check_places(const struct header *header, uint64_t file_size);

/* Both of them. */
enum abi_code header_check_tables(const struct header *header, uint64_t file_size);

/* The backing file's name lies inside the header cluster, behind the header.  Sets
 * extensions_limit in either case.  ABI_OK or ABI_BAD_HEADER. */
enum abi_code header_check_backing(struct header *header);

/* QEMU takes such a name, whatever it lies in. */
bool header_backing_fits(const struct header *header);

/* Entries of the L1 table that the virtual size needs. */
uint64_t header_l1_entries(const struct header *header);

/* ---- header.c ---- */

/*
 * Read as much as one has to know to find the bitmaps of an image that is not going to
 * be written: of version 2, dirty, corrupt, or of any refcount width.  ABI_OK, or what
 * header_load(), header_check_features(), header_check_backing() and extensions_read()
 * say.
 */
enum abi_code header_look(uint64_t file_size, struct header *header,
                          struct header_bytes *bytes);

/*
 * Read and parse the header cluster of a file of `file_size` bytes: fixed header
 * ("Header"), extensions as far as END ("Header extensions"), body of the bitmaps
 * extension ("Bitmaps extension").  Checks what QEMU checks when it opens an
 * image, and that the tables lie inside the file.
 *
 * ABI_OK, or the code that says why this image is not edited (details set).
 */
enum abi_code header_read(uint64_t file_size, struct header *header,
                          struct header_bytes *bytes);

/* The same, but version 2 is no reason to refuse: for edits that have nothing to do with
 * bitmaps. */
enum abi_code header_read_any(uint64_t file_size, struct header *header,
                              struct header_bytes *bytes);

/* Make sure that bytes->bytes holds at least [0, end), end <= cluster size. */
enum abi_code header_need(const struct header *header, struct header_bytes *bytes,
                          uint32_t end);

/* The file's size rounded up to whole clusters: what a table that lies in the
 * last, partial cluster may reach up to.  The missing rest reads as zeros. */
uint64_t header_file_end(const struct header *header, uint64_t file_size);

/* True if the list exists but the autoclear bit says that it is stale. */
bool header_is_stale(const struct header *header);

/* Bytes of the virtual disk: whole sectors, as QEMU counts, whatever the field says. */
uint64_t header_disk_size(const struct header *header);

#endif
