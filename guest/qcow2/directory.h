/* SPDX-License-Identifier: MIT */
/* The bitmap directory ("Bitmap directory" of the qcow2 specification). */
#ifndef INSTAR_GUEST_QCOW2_DIRECTORY_H
#define INSTAR_GUEST_QCOW2_DIRECTORY_H

#include "guest/qcow2/header.h"

/* One entry, in host byte order. */
struct directory_entry {
        uint64_t position; /* bytes from the directory's start; a multiple of 8 */
        uint32_t length;   /* with extra data, name and padding */
        uint64_t table_offset;
        uint32_t table_entries;
        uint32_t flags;
        uint8_t type;
        uint8_t granularity_bits;
        uint16_t name_length;
        uint32_t extra_length;
        const uint8_t *name;
};

/* The whole directory as it was read; `bytes` is NULL when there are no bitmaps. */
struct directory {
        uint64_t offset; /* in the file */
        uint64_t size;   /* bytes in use */
        uint32_t count;
        uint8_t *bytes;    /* whole clusters: the slack behind `size` too */
        uint64_t capacity; /* bytes of `bytes` */
};

/* A name as the caller gives it: bytes, no terminator. */
struct bitmap_name {
        const uint8_t *bytes;
        uint32_t length;
};

/*
 * Queue the read of the directory that `header` names, slack included (one
 * read_flush() fills it).  ABI_OK or ABI_TOO_LARGE.
 */
enum abi_code directory_queue_read(const struct header *header,
                                   struct directory *directory);

/* The same, whether or not any bitmaps are announced. */
enum abi_code directory_queue_bytes(const struct header *header,
                                    struct directory *directory);

/*
 * Told of every entry in order, and of what is wrong: `entry` is NULL where nothing can
 * be read at `position` (bytes from the directory's start), `fault` 0 where nothing is
 * wrong.  False ends the walk.
 */
typedef bool directory_visitor(void *context, const struct directory_entry *entry,
                               uint64_t position, uint32_t index,
                               enum abi_directory_fault fault);

/* Walk all entries, those too that the header does not announce, but no more than an
 * image can have.  ABI_OK or ABI_TOO_LARGE. */
enum abi_code directory_visit(const struct header *header,
                              const struct directory *directory, directory_visitor *visit,
                              void *context);

/* Check every entry as QEMU does (extra data and names that are the same up to a NUL,
 * which QEMU refuses and the format allows, are accepted), the count, and that names are
 * unique. ABI_OK, ABI_BAD_DIRECTORY, ABI_TOO_LARGE. */
enum abi_code directory_check(const struct header *header,
                              const struct directory *directory);

/* What is wrong with an entry, its name's uniqueness and its extra data aside; or 0. */
enum abi_directory_fault directory_entry_fault(const struct header *header,
                                               const struct directory_entry *entry);

/* The entry at `position` of a checked directory; false behind the last one. */
bool directory_entry_at(const struct directory *directory, uint64_t position,
                        struct directory_entry *entry);

/* Find a name in a checked directory. */
bool directory_find(const struct directory *directory, struct bitmap_name name,
                    struct directory_entry *entry);

/* Bytes of an entry with such a name and no extra data. */
uint32_t directory_entry_length(uint32_t name_length);

/* What a new entry says. */
struct directory_new_entry {
        struct bitmap_name name;
        uint64_t table_offset;
        uint32_t table_entries;
        uint32_t flags;
        uint8_t granularity_bits;
};

/* Store an entry of directory_entry_length() bytes at `bytes` (zeroed before). */
void directory_store_entry(uint8_t *bytes, const struct directory_new_entry *entry);

#endif
