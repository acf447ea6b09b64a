/* SPDX-License-Identifier: MIT */
/*
 * The writes and syncs of one `--add` on an empty image: as many, as long and in the
 * order in which instar does them.
 */
#define _GNU_SOURCE
#include "floor.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE   "floor.image"
#define JOURNAL "floor.journal"

#define IMAGE_BEFORE 0x30010
#define IMAGE_AFTER  0x60000
#define READS        3

static uint8_t bytes[IMAGE_BEFORE];

static void write_at(int file, size_t length, off_t offset)
{
        if (pwrite(file, bytes, length, offset) != (ssize_t)length)
                fail("pwrite");
}

static void synced(int error)
{
        if (error)
                fail("sync");
}

/* An image that owes the disk nothing. */
static int make_image(int directory)
{
        int image =
            openat(directory, IMAGE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (image < 0)
                fail(IMAGE);
        write_at(image, IMAGE_BEFORE, 0);
        synced(fsync(image));
        synced(syncfs(image));
        return image;
}

static void floor_read(int image)
{
        for (int i = 0; i < READS; i++) {
                uint64_t begin = now_ns();

                if (pread(image, bytes, 512, i * 0x10000) != 512)
                        fail("pread");
                report("read", begin);
        }
}

static int floor_journal(int directory)
{
        uint64_t begin = now_ns();
        int journal =
            openat(directory, JOURNAL, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (journal < 0)
                fail(JOURNAL);
        write_at(journal, 4096, 0);
        report("journal", begin);
        begin = now_ns();
        synced(fdatasync(journal));
        report("journal_sync", begin);
        begin = now_ns();
        synced(fsync(directory));
        report("directory", begin);
        return journal;
}

static void floor_image(int image)
{
        uint64_t begin = now_ns();

        if (ftruncate(image, IMAGE_AFTER) != 0)
                fail("ftruncate");
        write_at(image, 3, 0x20009);
        write_at(image, 512, 0x50000);
        write_at(image, 19, 0x203);
        synced(fdatasync(image));
        report("build", begin);
        begin = now_ns();
        write_at(image, 417, 0x5f);
        synced(fdatasync(image));
        report("switch", begin);
}

static void floor_end(int directory, int journal)
{
        uint64_t begin = now_ns();

        write_at(journal, 512, 512);
        synced(fdatasync(journal));
        report("end", begin);
        begin = now_ns();
        if (unlinkat(directory, JOURNAL, 0) != 0 || close(journal) != 0)
                fail("unlink");
        report("remove", begin);
}

void floor_disk(const char *path)
{
        int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (directory < 0)
                fail(path);
        int image = make_image(directory);
        floor_read(image);
        int journal = floor_journal(directory);
        floor_image(image);
        floor_end(directory, journal);
        close(image);
        unlinkat(directory, IMAGE, 0);
        close(directory);
}
