/* SPDX-License-Identifier: MIT */
#include "patch.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "journal/bytes.h"
#include "journal/sector.h"
#include "scratch.h"

void patch_sector(const struct journal_place *place, uint64_t sector, size_t at,
                  const void *bytes, size_t length)
{
        uint8_t content[JOURNAL_SECTOR];
        off_t offset = (off_t)(sector * sizeof content);
        int fd = scratch_open(place);
        ssize_t done = pread(fd, content, sizeof content, offset);

        assert(done == sizeof content);
        memcpy(content + at, bytes, length);
        journal_sector_seal(content, sector);
        done = pwrite(fd, content, sizeof content, offset);
        assert(done == sizeof content);
        (void)done;
        close(fd);
}

void patch_mark(const struct journal_place *place, uint64_t time,
                const uint8_t boot[JOURNAL_BOOT_ID_SIZE])
{
        uint8_t mark[SECTOR_CRC] = {0};
        int fd = scratch_open(place);
        ssize_t done =
            pread(fd, mark + ENDING_TRANSACTION, JOURNAL_ID_SIZE, HEADER_TRANSACTION);

        assert(done == JOURNAL_ID_SIZE);
        (void)done;
        close(fd);
        memcpy(mark + ENDING_MAGIC, JOURNAL_ENDING_MAGIC, JOURNAL_MAGIC_SIZE);
        store_le32(mark + ENDING_KIND, ENDING_RECOVERING);
        store_le64(mark + ENDING_TIME, time);
        memcpy(mark + ENDING_BOOT, boot, JOURNAL_BOOT_ID_SIZE);
        patch_sector(place, 1, 0, mark, sizeof mark);
}
