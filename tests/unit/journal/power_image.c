/* SPDX-License-Identifier: MIT */
#include "power_image.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int ask(struct power_image *image, enum power_call call)
{
        return image->before ? image->before(image->context, call) : 0;
}

static void set_size(struct power_file *file, uint64_t size)
{
        assert(size <= sizeof file->bytes);
        if (size < file->size)
                memset(file->bytes + size, 0, file->size - size);
        file->size = size;
}

static struct power_change *add_pending(struct power_image *image)
{
        assert(image->pending_count < POWER_PENDING);
        return &image->pending[image->pending_count++];
}

static void resize(struct power_image *image, uint64_t size)
{
        struct power_change *change = add_pending(image);

        change->is_size = true;
        change->number = size;
        set_size(&image->cache, size);
}

static int image_read(void *context, uint64_t offset, void *buffer, size_t length)
{
        struct power_image *image = context;
        int error = ask(image, POWER_READ);

        assert(offset + length <= sizeof image->cache.bytes);
        memcpy(buffer, image->cache.bytes + offset, length);
        return error;
}

static int image_write(void *context, uint64_t offset, const void *buffer, size_t length)
{
        struct power_image *image = context;
        int error = ask(image, POWER_WRITE);

        assert(length && offset + length <= sizeof image->cache.bytes);
        if (error) /* half of it */
                length = error == POWER_GONE ? 0 : length / 1024 * 512;
        if (length == 0)
                return error;
        if (offset + length > image->cache.size) {
                resize(image, offset + length);
                image->lengthened = true;
        }
        memcpy(image->cache.bytes + offset, buffer, length);
        for (uint64_t sector = offset / 512; sector * 512 < offset + length; sector++) {
                struct power_change *change = add_pending(image);

                change->is_size = false;
                change->number = sector;
                memcpy(change->content, image->cache.bytes + sector * 512, 512);
        }
        return error;
}

static int image_sync(void *context)
{
        struct power_image *image = context;
        int error = ask(image, POWER_SYNC);

        if (!error)
                image->disk = image->cache;
        if (error != POWER_GONE)
                image->pending_count = 0;
        return error;
}

static int image_resize(void *context, uint64_t size)
{
        struct power_image *image = context;
        int error = ask(image, POWER_RESIZE);

        if (!error)
                resize(image, size);
        return error;
}

static int image_size(void *context, uint64_t *size)
{
        struct power_image *image = context;

        *size = image->cache.size;
        return ask(image, POWER_SIZE);
}

void power_image_fill(struct power_image *image, uint64_t size, unsigned int seed)
{
        memset(image, 0, sizeof *image);
        image->disk.size = size;
        for (uint64_t i = 0; i < size; i++)
                image->disk.bytes[i] = (uint8_t)rand_r(&seed);
        image->cache = image->disk;
}

struct image_io power_image_io(struct power_image *image)
{
        return (struct image_io){
            .context = image,
            .read = image_read,
            .write = image_write,
            .sync = image_sync,
            .resize = image_resize,
            .size = image_size,
        };
}

/* Sizes first: a sector behind the size that came out is lost with it. */
void power_image_lose_power(struct power_image *image, const uint8_t *chosen)
{
        struct power_file *disk = &image->disk;

        for (size_t i = 0; i < image->pending_count; i++)
                if (image->pending[i].is_size && chosen[i / 8] >> i % 8 & 1)
                        set_size(disk, image->pending[i].number);
        for (size_t i = 0; i < image->pending_count; i++) {
                const struct power_change *change = &image->pending[i];

                if (!change->is_size && chosen[i / 8] >> i % 8 & 1)
                        memcpy(disk->bytes + change->number * 512, change->content, 512);
        }
        memset(disk->bytes + disk->size, 0, sizeof disk->bytes - disk->size);
        image->cache = *disk;
        image->pending_count = 0;
}

bool power_files_equal(const struct power_file *a, const struct power_file *b)
{
        return a->size == b->size && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
