/* SPDX-License-Identifier: MIT */
#include "journal/ending.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "journal/boot.h"
#include "journal/bytes.h"
#include "journal/journal.h"
#include "journal/sector.h"
#include "journal/transaction.h"

int ending_write(int fd, const uint8_t transaction[JOURNAL_ID_SIZE], uint32_t kind,
                 const uint8_t *boot)
{
        uint8_t ending[JOURNAL_SECTOR] = {0};
        int error;

        memcpy(ending + ENDING_MAGIC, JOURNAL_ENDING_MAGIC, JOURNAL_MAGIC_SIZE);
        store_le32(ending + ENDING_KIND, kind);
        memcpy(ending + ENDING_TRANSACTION, transaction, JOURNAL_ID_SIZE);
        store_le64(ending + ENDING_TIME, boot_now());
        if (boot)
                memcpy(ending + ENDING_BOOT, boot, JOURNAL_BOOT_ID_SIZE);
        journal_sector_seal(ending, 1);
        error = writer_write(fd, ending, sizeof ending, JOURNAL_ENDING_OFFSET);
        if (!error && fdatasync(fd) != 0)
                error = -errno;
        return error;
}
