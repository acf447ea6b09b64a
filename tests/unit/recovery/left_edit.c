/* SPDX-License-Identifier: MIT */
#include "left_edit.h"

#include "tests/unit/journal/cmocka_all.h"

#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void left_edit_create(struct left_edit *left)
{
        unsigned int seed = 8;
        int error;

        memset(left, 0, sizeof *left);
        scratch_create(&left->scratch);
        close(scratch_file(&left->scratch, "disk", LEFT_OLD_SIZE));
        snprintf(left->journal, sizeof left->journal, "%s/disk%s", left->scratch.path,
                 JOURNAL_SUFFIX);
        for (size_t i = 0; i < LEFT_OLD_SIZE; i++)
                left->before[i] = (uint8_t)rand_r(&seed);
        assert_int_equal(
            image_open(scratch_path(&left->scratch, "disk"), &left->image, &error),
            IMAGE_OK);
        assert_int_equal(journal_identify(left->image.fd, &left->identity), 0);
}

void left_edit_destroy(struct left_edit *left)
{
        image_close(&left->image);
        scratch_remove(&left->scratch);
}

/* ---- the edit ------------------------------------------------------------------ */

static void restore_image(struct left_edit *left)
{
        assert_int_equal(pwrite(left->image.fd, left->before, LEFT_OLD_SIZE, 0),
                         LEFT_OLD_SIZE);
        assert_int_equal(ftruncate(left->image.fd, LEFT_OLD_SIZE), 0);
}

/* One sector's change, journaled; and written to the image, if `apply`. */
static void change(struct left_edit *left, struct journal *journal, uint32_t step,
                   uint64_t sector, bool is_switch, bool apply)
{
        uint8_t content[512];
        uint64_t hash;
        bool behind_end = sector * 512 >= LEFT_OLD_SIZE;
        struct journal_change record = {
            .step = step,
            .is_switch = is_switch,
            .behind_end = behind_end,
            .offset = sector * 512,
            .length = 512,
            .old_bytes = behind_end ? NULL : left->before + sector * 512,
            .new_hashes = &hash,
        };

        memset(content, (int)(0xa0 + sector), sizeof content);
        hash = journal_hash(content, sizeof content);
        assert_int_equal(journal_add(journal, &record), 0);
        if (apply)
                assert_int_equal(
                    pwrite(left->image.fd, content, 512, (off_t)sector * 512), 512);
}

const struct journal_range left_edit_claims[LEFT_CLAIMS] = {{LEFT_OLD_SIZE, 1024},
                                                            {3 * 512, 512}};

static void claim(struct journal *journal)
{
        assert_int_equal(journal_claim(journal, LEFT_OLD_SIZE, 512), 0);
        assert_int_equal(journal_claim(journal, LEFT_OLD_SIZE + 512, 512), 0);
        assert_int_equal(journal_claim(journal, 3 * 512, 512), 0);
}

static void edit(struct left_edit *left, struct journal *journal, enum left_at at)
{
        bool build = at == LEFT_APPLIED || at == LEFT_SWITCHED || at == LEFT_DONE;
        bool published = at == LEFT_SWITCHED || at == LEFT_DONE;

        if (build)
                assert_int_equal(ftruncate(left->image.fd, LEFT_FINAL_SIZE), 0);
        if (left->claims)
                claim(journal);
        change(left, journal, 1, 8, false, build);
        change(left, journal, 1, 9, false, build);
        change(left, journal, 1, 3, false, build);
        change(left, journal, 2, 1, true, published);
        assert_int_equal(journal_close_batch(journal), 0);
        if (at == LEFT_DONE || at == LEFT_ABORTED)
                assert_int_equal(journal_end(journal, at == LEFT_DONE ? JOURNAL_DONE
                                                                      : JOURNAL_ABORTED),
                                 0);
}

void left_edit_leave(struct left_edit *left, const char *path,
                     const struct journal_identity *identity, enum left_at at)
{
        struct journal_place place = {0};
        struct journal *journal;
        char *copy = strdup(path);

        restore_image(left);
        snprintf(place.name, sizeof place.name, "%s", strrchr(path, '/') + 1);
        place.path = strdup(path);
        place.directory_fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(journal_prepare(&place, identity, left->image.resolved_path,
                                         "bitmap --add disk b0", &journal),
                         0);
        assert_int_equal(journal_begin(journal, LEFT_OLD_SIZE, LEFT_FINAL_SIZE), 0);
        if (at != LEFT_EMPTY)
                edit(left, journal, at);
        journal_close(journal);
        journal_place_release(&place);
        free(copy);
}

bool left_edit_image_is_old(const struct left_edit *left)
{
        uint8_t now[LEFT_FINAL_SIZE + 1];
        ssize_t size = pread(left->image.fd, now, sizeof now, 0);

        return size == LEFT_OLD_SIZE && memcmp(now, left->before, LEFT_OLD_SIZE) == 0;
}

/* ---- snapshots --------------------------------------------------------------------- */

static FILE *snapshot;

static uint64_t hash_file(const char *path)
{
        uint8_t bytes[1 << 16];
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOATIME);
        ssize_t size = fd < 0 ? 0 : read(fd, bytes, sizeof bytes);

        if (fd >= 0)
                close(fd);
        return journal_hash(bytes, size > 0 ? (size_t)size : 0);
}

static int add_to_snapshot(const char *path, const struct stat *status, int kind,
                           struct FTW *walk)
{
        (void)kind;
        (void)walk;
        fprintf(snapshot, "%s %o %u %lld %lld.%09ld %lld.%09ld %016llx\n", path,
                status->st_mode, (unsigned int)status->st_nlink,
                (long long)status->st_size, (long long)status->st_mtim.tv_sec,
                status->st_mtim.tv_nsec, (long long)status->st_ctim.tv_sec,
                status->st_ctim.tv_nsec, (unsigned long long)hash_file(path));
        return 0;
}

/* The walk's order is the directory's, which stays the same where nothing is changed. */
char *left_edit_snapshot(const struct left_edit *left)
{
        char *text;
        size_t size;

        snapshot = open_memstream(&text, &size);
        assert_non_null(snapshot);
        assert_int_equal(nftw(left->scratch.path, add_to_snapshot, 16, FTW_PHYS), 0);
        assert_int_equal(fclose(snapshot), 0);
        return text;
}
