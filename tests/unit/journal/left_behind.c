/* SPDX-License-Identifier: MIT */
#include "left_behind.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void left_behind_create(struct left_behind *left)
{
        memset(left, 0, sizeof *left);
        scratch_create(&left->scratch);
        scratch_place(&left->scratch, "disk.instar-journal", &left->place);
        scratch_identity(&left->facts.identity);
        left->facts.owner = geteuid();
}

void left_behind_destroy(struct left_behind *left)
{
        journal_place_release(&left->place);
        scratch_remove(&left->scratch);
}

static void add_changes(struct journal *journal)
{
        uint64_t hashes[4] = {1, 2, 3, 4};
        uint8_t old_bytes[1024] = {7};
        struct journal_change changes[] = {
            {.step = 1, .behind_end = true, .offset = 4096, .length = 2048},
            {.step = 1, .offset = 1024, .length = 1024, .old_bytes = old_bytes},
            {.step = 1, .offset = 2048, .length = 512},
            {.step = 2, .offset = 512, .length = 512, .is_switch = true},
        };

        for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
                int error;

                changes[i].new_hashes = hashes;
                error = journal_add(journal, &changes[i]);
                assert(error == 0);
                (void)error;
        }
}

void left_behind_leave(struct left_behind *left, enum left_at at)
{
        struct journal *journal = scratch_journal(&left->place, "bitmap --add disk b0");
        int error = journal_begin(journal, LEFT_BEHIND_OLD_SIZE, LEFT_BEHIND_FINAL_SIZE);

        if (!error && at >= LEFT_AT_BATCH) {
                add_changes(journal);
                error = journal_close_batch(journal);
        }
        if (!error && at >= LEFT_AT_DONE)
                error = journal_end(journal,
                                    at == LEFT_AT_DONE ? JOURNAL_DONE : JOURNAL_ABORTED);
        assert(error == 0);
        (void)error;
        journal_close(journal);
}

void left_behind_look(const struct left_behind *left, struct left_behind_look *look)
{
        int fd = openat(left->place.directory_fd, left->place.name,
                        O_RDONLY | O_CLOEXEC | O_NOATIME);
        int error = fstat(fd, &look->status);
        ssize_t done;

        assert(error == 0);
        (void)error;
        look->bytes = malloc((size_t)look->status.st_size + 1);
        done = read(fd, look->bytes, (size_t)look->status.st_size);
        assert(done == look->status.st_size);
        (void)done;
        close(fd);
}

bool left_behind_is_unchanged(const struct left_behind *left,
                              struct left_behind_look *look)
{
        struct left_behind_look now;
        bool same;

        left_behind_look(left, &now);
        same = now.status.st_ino == look->status.st_ino &&
               now.status.st_nlink == look->status.st_nlink &&
               now.status.st_mode == look->status.st_mode &&
               now.status.st_size == look->status.st_size &&
               memcmp(&now.status.st_mtim, &look->status.st_mtim,
                      sizeof now.status.st_mtim) == 0 &&
               memcmp(&now.status.st_ctim, &look->status.st_ctim,
                      sizeof now.status.st_ctim) == 0 &&
               memcmp(now.bytes, look->bytes, (size_t)now.status.st_size) == 0;
        free(now.bytes);
        free(look->bytes);
        return same;
}
