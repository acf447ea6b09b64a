/* SPDX-License-Identifier: MIT */
#include "memory_image.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void note(struct memory_image *image, const char *format, uint64_t a, uint64_t b)
{
        size_t room = sizeof image->log - image->log_length;
        int length = snprintf(image->log + image->log_length, room, format,
                              (unsigned long long)a, (unsigned long long)b);

        if (length > 0 && (size_t)length < room)
                image->log_length += (size_t)length;
}

static bool fails(struct memory_image *image)
{
        image->calls++;
        if (image->fail_call == 0)
                return false;
        return image->calls == image->fail_call ||
               (image->fail_for_ever && image->calls > image->fail_call);
}

static int image_read(void *context, uint64_t offset, void *buffer, size_t length)
{
        struct memory_image *image = context;

        if (fails(image))
                return -EIO;
        assert(offset + length <= MEMORY_IMAGE_MAX);
        memcpy(buffer, image->cache.bytes + offset, length);
        return 0;
}

static int image_write(void *context, uint64_t offset, const void *buffer, size_t length)
{
        struct memory_image *image = context;
        bool failing = fails(image);

        assert(offset + length <= MEMORY_IMAGE_MAX);
        assert(offset % 512 == 0 && length % 512 == 0);
        if (failing)
                length = length / 1024 * 512; /* half of it */
        image->writes++;
        note(image, "W%llu+%llu ", offset / 512, length / 512);
        memcpy(image->cache.bytes + offset, buffer, length);
        if (offset + length > image->extent)
                image->extent = offset + length;
        memset(image->dirty + offset / 512, true, length / 512);
        if (length && offset + length > image->cache.size) {
                image->cache.size = offset + length;
                image->size_dirty = true;
        }
        return failing ? -EIO : 0;
}

static int image_sync(void *context)
{
        struct memory_image *image = context;
        bool failing = fails(image);

        note(image, "S ", 0, 0);
        for (size_t i = 0; i * 512 < image->extent; i++) {
                if (image->dirty[i] && !failing)
                        memcpy(image->disk.bytes + i * 512, image->cache.bytes + i * 512,
                               512);
                image->dirty[i] = false;
        }
        if (image->size_dirty && !failing)
                image->disk.size = image->cache.size;
        image->size_dirty = false;
        memset(image->disk.bytes + image->disk.size, 0, image->extent - image->disk.size);
        return failing ? -EIO : 0;
}

static int image_resize(void *context, uint64_t size)
{
        struct memory_image *image = context;

        if (fails(image))
                return -EIO;
        assert(size <= MEMORY_IMAGE_MAX);
        image->writes++;
        note(image, "T%llu ", size, 0);
        image->cache.size = size;
        image->size_dirty = true;
        if (size > image->extent)
                image->extent = size;
        memset(image->cache.bytes + size, 0, image->extent - size);
        return 0;
}

static int image_size(void *context, uint64_t *size)
{
        struct memory_image *image = context;

        if (fails(image))
                return -EIO;
        *size = image->cache.size;
        return 0;
}

struct memory_image *memory_image_create(uint64_t size, unsigned int seed)
{
        struct memory_image *image = calloc(1, sizeof *image);

        assert(image && size <= MEMORY_IMAGE_MAX);
        image->cache.size = size;
        image->extent = size;
        for (uint64_t i = 0; i < size; i++)
                image->cache.bytes[i] = (uint8_t)rand_r(&seed);
        image->disk = image->cache;
        return image;
}

void memory_image_free(struct memory_image *image)
{
        free(image);
}

struct image_io memory_image_io(struct memory_image *image)
{
        struct image_io io = {
            .context = image,
            .read = image_read,
            .write = image_write,
            .sync = image_sync,
            .resize = image_resize,
            .size = image_size,
        };

        return io;
}

void memory_image_restart(struct memory_image *image)
{
        image->calls = 0;
        image->fail_call = 0;
        image->fail_for_ever = false;
        image->writes = 0;
        image->log_length = 0;
        image->log[0] = '\0';
}

bool memory_image_disk_is(const struct memory_image *image,
                          const struct memory_file *file)
{
        return image->disk.size == file->size &&
               memcmp(image->disk.bytes, file->bytes, image->extent) == 0;
}
