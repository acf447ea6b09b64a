/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/journal_disk.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int (*journal_disk_before)(enum journal_disk_call call, bool *gone);

/* ---- files ------------------------------------------------------------------------ */

void journal_file_resize(struct journal_file *file, uint64_t size)
{
        if (size < file->size)
                memset(file->bytes + size, 0, file->size - size);
        file->size = size;
}

bool journal_file_equal(const struct journal_file *a, const struct journal_file *b)
{
        return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

const uint8_t *journal_file_sector(const struct journal_file *file, uint64_t sector)
{
        static const uint8_t zeros[512];
        return sector < JOURNAL_INPUT_SECTORS ? file->bytes + sector * 512 : zeros;
}

/* ---- what is not synced ----------------------------------------------------------- */

static void apply(struct journal_file *file, const struct journal_pending *change)
{
        if (change->is_size)
                journal_file_resize(file, change->number);
        else
                memcpy(file->bytes + change->number * 512, change->content, 512);
}

/* Bytes behind the size are nowhere. */
static void trim(struct journal_file *file)
{
        memset(file->bytes + file->size, 0, sizeof file->bytes - file->size);
}

/* Where there is no room, the oldest has reached the disk by itself. */
static void add_pending(struct journal_disk *disk, bool is_size, uint32_t number,
                        const uint8_t *content)
{
        if (disk->pending_count == JOURNAL_DISK_PENDING) {
                apply(&disk->durable, &disk->pending[0]);
                disk->pending_count--;
                memmove(disk->pending, disk->pending + 1,
                        disk->pending_count * sizeof disk->pending[0]);
        }
        struct journal_pending *change = &disk->pending[disk->pending_count++];
        change->is_size = is_size;
        change->number = number;
        if (content)
                memcpy(change->content, content, 512);
}

/* Sizes first: a sector behind the size that came out is lost with it. */
static void apply_chosen(struct journal_disk *disk, uint64_t chosen)
{
        for (int sizes = 1; sizes >= 0; sizes--)
                for (uint32_t i = 0; i < disk->pending_count; i++)
                        if (disk->pending[i].is_size == sizes && chosen >> i % 64 & 1)
                                apply(&disk->durable, &disk->pending[i]);
        trim(&disk->durable);
        disk->pending_count = 0;
}

void journal_disk_lose_power(struct journal_disk *disk, uint64_t chosen)
{
        apply_chosen(disk, chosen);
        disk->seen = disk->durable;
}

void journal_disk_sync(struct journal_disk *disk)
{
        apply_chosen(disk, UINT64_MAX);
}

void journal_disk_copy(struct journal_disk *to, const struct journal_disk *from)
{
        memcpy(to, from,
               offsetof(struct journal_disk, pending) +
                   from->pending_count * sizeof from->pending[0]);
}

void journal_disk_resize(struct journal_disk *disk, uint64_t size, bool durable)
{
        journal_file_resize(&disk->seen, size);
        if (durable)
                journal_file_resize(&disk->durable, size);
        else
                add_pending(disk, true, (uint32_t)size, NULL);
}

void journal_disk_write(struct journal_disk *disk, uint64_t sector,
                        const uint8_t content[512], bool durable)
{
        uint64_t at = sector * 512;
        if (at >= disk->seen.size)
                return;
        uint64_t length = disk->seen.size - at < 512 ? disk->seen.size - at : 512;
        memcpy(disk->seen.bytes + at, content, length);
        if (durable)
                memcpy(disk->durable.bytes + at, content, length);
        else
                add_pending(disk, false, (uint32_t)sector, disk->seen.bytes + at);
}

/* ---- struct image_io -------------------------------------------------------------- */

static int ask(enum journal_disk_call call, bool *gone)
{
        *gone = false;
        return journal_disk_before ? journal_disk_before(call, gone) : 0;
}

static int io_read(void *context, uint64_t offset, void *buffer, size_t length)
{
        const struct journal_disk *disk = context;
        uint64_t have = offset < disk->seen.size ? disk->seen.size - offset : 0;
        bool gone;
        int error = ask(JOURNAL_DISK_LOOK, &gone);
        if (error)
                return error;
        have = have < length ? have : length;
        if (have)
                memcpy(buffer, disk->seen.bytes + offset, have);
        memset((uint8_t *)buffer + have, 0, length - have);
        return 0;
}

/* Nothing is written behind the end: recovery only ever shortens.  A write that fails has
 * done half of its work. */
static int io_write(void *context, uint64_t offset, const void *buffer, size_t length)
{
        struct journal_disk *disk = context;
        bool gone;
        int error = ask(JOURNAL_DISK_CHANGE, &gone);
        if (offset % 512 || !length || offset >= disk->seen.size ||
            length > disk->seen.size - offset) {
                disk->lengthened = true;
                return -EFBIG;
        }
        if (gone)
                return error;
        disk->changes++;
        if (error)
                length = length / 1024 * 512;
        memcpy(disk->seen.bytes + offset, buffer, length);
        for (uint64_t at = offset; at < offset + length; at += 512)
                add_pending(disk, false, (uint32_t)(at / 512), disk->seen.bytes + at);
        return error;
}

/* A sync that fails leaves pages that count as clean, and nothing on the disk. */
static int io_sync(void *context)
{
        struct journal_disk *disk = context;
        bool gone;
        int error = ask(JOURNAL_DISK_SYNC, &gone);
        if (gone)
                return error;
        disk->changes++;
        if (error)
                disk->pending_count = 0;
        else
                apply_chosen(disk, UINT64_MAX);
        return error;
}

static int io_resize(void *context, uint64_t size)
{
        struct journal_disk *disk = context;
        bool gone;
        int error = ask(JOURNAL_DISK_CHANGE, &gone);
        if (size > disk->seen.size) {
                disk->lengthened = true;
                return -EFBIG;
        }
        if (error)
                return error;
        disk->changes++;
        journal_disk_resize(disk, size, false);
        return 0;
}

static int io_size(void *context, uint64_t *size)
{
        const struct journal_disk *disk = context;
        bool gone;
        *size = disk->seen.size;
        return ask(JOURNAL_DISK_LOOK, &gone);
}

struct image_io journal_disk_io(struct journal_disk *disk)
{
        return (struct image_io){
            .context = disk,
            .read = io_read,
            .write = io_write,
            .sync = io_sync,
            .resize = io_resize,
            .size = io_size,
        };
}
