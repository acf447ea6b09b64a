/* SPDX-License-Identifier: MIT */
#include "tests/native/native_image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void *reserve(uint64_t length)
{
        void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return memory == MAP_FAILED ? NULL : memory;
}

static uint64_t map_bytes(const struct native_image *image)
{
        return (image->capacity / image->block_size + 64) / 64 * 8;
}

bool native_image_create(struct native_image *image, uint64_t capacity,
                         uint32_t block_size)
{
        memset(image, 0, sizeof *image);
        image->capacity = capacity ? capacity : NATIVE_IMAGE_DEFAULT_CAPACITY;
        image->capacity = (image->capacity + block_size - 1) / block_size * block_size;
        image->block_size = block_size;
        image->bytes = reserve(image->capacity);
        image->written = reserve(map_bytes(image));
        if (image->bytes && image->written)
                return true;
        native_image_destroy(image);
        return false;
}

void native_image_destroy(struct native_image *image)
{
        if (image->bytes)
                munmap(image->bytes, image->capacity);
        if (image->written)
                munmap(image->written, map_bytes(image));
        memset(image, 0, sizeof *image);
}

/* Zero memory: by hand where it is little, by the kernel where it is much. */
static void zero(uint8_t *bytes, uint64_t length)
{
        const uint64_t page = 4096;
        uint64_t lead = (page - (uintptr_t)bytes % page) % page;
        if (length < 4096 * page) {
                memset(bytes, 0, length);
                return;
        }
        memset(bytes, 0, lead);
        uint64_t whole = (length - lead) / page * page;
        madvise(bytes + lead, whole, MADV_DONTNEED);
        memset(bytes + lead + whole, 0, length - lead - whole);
}

static bool bit(const struct native_image *image, uint64_t block)
{
        return image->written[block / 64] >> (block % 64) & 1;
}

/* The first block from `block` on that was written, or was not; `end` where none is. */
static uint64_t find(const struct native_image *image, uint64_t block, uint64_t end,
                     bool written)
{
        const uint64_t flip = written ? 0 : UINT64_MAX;
        while (block < end) {
                uint64_t word = (image->written[block / 64] ^ flip) >> (block % 64);
                if (word) {
                        block += (uint64_t)__builtin_ctzll(word);
                        return block < end ? block : end;
                }
                block = (block / 64 + 1) * 64;
        }
        return end;
}

bool native_image_data(const struct native_image *image, uint64_t from, uint64_t *offset,
                       uint64_t *length)
{
        const uint64_t size = image->block_size;
        uint64_t end = (image->high_water + size - 1) / size;
        uint64_t block = find(image, from / size, end, true);
        if (block == end)
                return false;
        end = find(image, block, end, false) * size;
        *offset = block * size;
        *length = end - *offset;
        return true;
}

static void mark_written(struct native_image *image, uint64_t offset, uint64_t length)
{
        uint64_t last = (offset + length - 1) / image->block_size;
        for (uint64_t b = offset / image->block_size; b <= last; b++)
                image->written[b / 64] |= 1ull << (b % 64);
        if (image->high_water < offset + length)
                image->high_water = offset + length;
}

/* The blocks that lie wholly inside [offset, end) become holes. */
static void mark_holes(struct native_image *image, uint64_t offset, uint64_t end)
{
        uint64_t size = image->block_size;
        for (uint64_t b = (offset + size - 1) / size; (b + 1) * size <= end; b++)
                image->written[b / 64] &= ~(1ull << (b % 64));
}

/* Zero what was written of [from, to): the rest is zeros. */
static void zero_data(struct native_image *image, uint64_t from, uint64_t to)
{
        uint64_t offset;
        uint64_t length;
        for (uint64_t at = from; at < to; at = offset + length) {
                if (!native_image_data(image, at, &offset, &length))
                        return;
                uint64_t first = offset > from ? offset : from;
                uint64_t end = offset + length < to ? offset + length : to;
                if (first < end)
                        zero(image->bytes + first, end - first);
        }
}

void native_image_clear(struct native_image *image)
{
        zero_data(image, 0, image->high_water);
        zero((uint8_t *)image->written,
             (image->high_water / image->block_size / 64 + 1) * 8);
        image->size = 0;
        image->high_water = 0;
}

void native_image_read(const struct native_image *image, uint64_t offset, void *buffer,
                       uint64_t length)
{
        uint64_t have = offset < image->size ? image->size - offset : 0;
        have = have < length ? have : length;
        if (have)
                memcpy(buffer, image->bytes + offset, have);
        memset((uint8_t *)buffer + have, 0, length - have);
}

bool native_image_write(struct native_image *image, uint64_t offset, const void *bytes,
                        uint64_t length)
{
        if (offset > image->capacity || length > image->capacity - offset)
                return false;
        if (!length)
                return true;
        memcpy(image->bytes + offset, bytes, length);
        mark_written(image, offset, length);
        if (image->size < offset + length)
                image->size = offset + length;
        return true;
}

bool native_image_resize(struct native_image *image, uint64_t size)
{
        if (size > image->capacity)
                return false;
        if (size < image->high_water) {
                zero_data(image, size, image->high_water);
                mark_holes(image, size, image->high_water + image->block_size);
                image->high_water = size;
        }
        image->size = size;
        return true;
}

void native_image_punch(struct native_image *image, uint64_t offset, uint64_t length)
{
        if (offset >= image->size)
                return;
        if (length > image->size - offset)
                length = image->size - offset;
        zero_data(image, offset, offset + length);
        mark_holes(image, offset, offset + length);
}

bool native_image_is_hole(const struct native_image *image, uint64_t offset,
                          uint64_t length)
{
        if (!length || length > image->size || offset > image->size - length)
                return false;
        uint64_t last = (offset + length - 1) / image->block_size;
        for (uint64_t b = offset / image->block_size; b <= last; b++)
                if (bit(image, b))
                        return false;
        return true;
}

/* What is going to be overwritten need not be zeroed. */
static void forget_common(struct native_image *to, const struct native_image *from)
{
        uint64_t words = from->high_water / from->block_size / 64 + 1;
        for (uint64_t i = 0; i < words; i++)
                to->written[i] &= ~from->written[i];
}

bool native_image_copy(struct native_image *to, const struct native_image *from)
{
        uint64_t offset;
        uint64_t length;
        if (from->size > to->capacity || from->block_size != to->block_size)
                return false;
        forget_common(to, from);
        native_image_clear(to);
        for (uint64_t at = 0; native_image_data(from, at, &offset, &length);
             at = offset + length)
                memcpy(to->bytes + offset, from->bytes + offset, length);
        memcpy(to->written, from->written,
               (from->high_water / from->block_size / 64 + 1) * 8);
        to->high_water = from->high_water;
        to->size = from->size;
        return true;
}

bool native_image_equal(const struct native_image *a, const struct native_image *b)
{
        uint64_t used = a->high_water > b->high_water ? a->high_water : b->high_water;
        return a->size == b->size && !memcmp(a->bytes, b->bytes, used);
}

bool native_image_load(struct native_image *image, const void *bytes, uint64_t length)
{
        native_image_clear(image);
        return native_image_write(image, 0, bytes, length);
}

/* One run of data of the file, [from, to). */
static bool load_run(struct native_image *image, int fd, uint64_t from, uint64_t to)
{
        while (from < to) {
                ssize_t got = pread(fd, image->bytes + from, to - from, (off_t)from);
                if (got <= 0)
                        return false;
                mark_written(image, from, (uint64_t)got);
                from += (uint64_t)got;
        }
        return true;
}

bool native_image_load_file(struct native_image *image, const char *path)
{
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool ok = fd >= 0 && !fstat(fd, &st) && (uint64_t)st.st_size <= image->capacity;
        off_t data = 0;
        native_image_clear(image);
        while (ok && data < st.st_size) {
                data = lseek(fd, data, SEEK_DATA);
                if (data < 0)
                        break; /* ENXIO: a hole to the end */
                off_t hole = lseek(fd, data, SEEK_HOLE);
                ok = hole >= 0 && load_run(image, fd, (uint64_t)data, (uint64_t)hole);
                data = hole;
        }
        ok = ok && native_image_resize(image, (uint64_t)st.st_size);
        if (fd >= 0)
                close(fd);
        return ok;
}

bool native_image_save_file(const struct native_image *image, const char *path)
{
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        bool ok = fd >= 0 && !ftruncate(fd, (off_t)image->size);
        uint64_t offset;
        uint64_t length;
        for (uint64_t at = 0; ok && native_image_data(image, at, &offset, &length);
             at = offset + length) {
                if (length > image->size - offset)
                        length = image->size - offset;
                ok = pwrite(fd, image->bytes + offset, length, (off_t)offset) ==
                     (ssize_t)length;
        }
        if (fd >= 0)
                close(fd);
        return ok;
}
