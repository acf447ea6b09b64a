/* SPDX-License-Identifier: MIT */
/* Sectors of a journal file, through a window of 64 KiB. */
#include "journal/read.h"

#include <errno.h>
#include <unistd.h>

/* Fill the window so that it holds sector `index`; going backward, so that it ends
 * there.  A file that was cut inside a sector ends before that sector. */
static int fill_window(struct journal_reader *reader, uint64_t index)
{
        uint64_t first = index;
        size_t filled = 0;

        if (index < reader->window_first)
                first =
                    index < READER_WINDOW_SECTORS ? 0 : index - READER_WINDOW_SECTORS + 1;
        reader->window_count = 0;
        while (filled < sizeof reader->window) {
                ssize_t n = pread(reader->fd, reader->window + filled,
                                  sizeof reader->window - filled,
                                  (off_t)(first * JOURNAL_SECTOR + filled));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                filled += (size_t)n;
        }
        reader->window_first = first;
        reader->window_count = filled / JOURNAL_SECTOR;
        return 0;
}

int journal_reader_sector(struct journal_reader *reader, uint64_t index,
                          const uint8_t **bytes, enum sector_state *state)
{
        /* Far from overflow, and off_t can express it. */
        if (index > (uint64_t)INT64_MAX / JOURNAL_SECTOR - READER_WINDOW_SECTORS) {
                *state = SECTOR_END;
                return 0;
        }
        if (index < reader->window_first ||
            index - reader->window_first >= reader->window_count) {
                int error = fill_window(reader, index);
                if (error)
                        return error;
        }
        if (index - reader->window_first >= reader->window_count) {
                *state = SECTOR_END;
                return 0;
        }
        *bytes = reader->window + (index - reader->window_first) * JOURNAL_SECTOR;
        *state = journal_sector_examine(*bytes, index);
        return 0;
}
