/* SPDX-License-Identifier: MIT */
#include "tests/unit/journal/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "left_search.h"
#include "tests/unit/journal/system_calls.h"

/* No edit here has taken anything. */
static int no_prover(struct image *image, const struct abi_range *ranges, size_t count,
                     enum recovery_proof *proof)
{
        (void)image;
        (void)ranges;
        (void)count;
        (void)proof;
        fail_msg("nothing is to be proved");
        return -ENOSYS;
}

/* And no other program writes here. */
static int no_checker(struct image *image, enum recovery_soundness *soundness)
{
        (void)image;
        (void)soundness;
        fail_msg("nothing is to be checked");
        return -ENOSYS;
}

static const struct recovery_examiner nobody = {no_prover, no_checker};

static void find_place_in_state(struct left_search *f)
{
        const char *journals = scratch_path(&f->left.scratch, "state/journals");
        struct journal_place place;

        assert_int_equal(mkdir(journals, 0700), 0);
        assert_int_equal(journal_place_choose(f->left.image.fd,
                                              f->left.image.resolved_path, journals, NULL,
                                              &f->left.identity, &place),
                         0);
        snprintf(f->in_state, sizeof f->in_state, "%s", place.path);
        journal_place_release(&place);
}

static struct left_search *create(void)
{
        struct left_search *f = calloc(1, sizeof *f);

        assert_non_null(f);
        left_edit_create(&f->left);
        f->other = f->left.identity;
        f->other.bytes[f->other.length - 1] ^= 1;
        snprintf(f->state, sizeof f->state, "%s/state", f->left.scratch.path);
        assert_int_equal(journal_state_directory_prepare(f->state), 0);
        find_place_in_state(f);
        return f;
}

int left_search_set_up(void **state)
{
        struct left_search *f = create();

        f->examiner = &nobody;
        *state = f;
        return 0;
}

int left_search_set_up_answers(void **state)
{
        struct left_search *f = create();

        f->left.claims = true;
        f->examiner = &answers_examiner;
        memset(&answers, 0, sizeof answers);
        answers.image = &f->left.image;
        *state = f;
        return 0;
}

int left_search_tear_down(void **state)
{
        struct left_search *f = *state;

        system_calls_before = NULL;
        recovery_release(&f->recovery);
        left_edit_destroy(&f->left);
        free(f);
        return 0;
}

void left_search_leave(struct left_search *f, enum left_at at)
{
        (void)unlink(f->left.journal);
        left_edit_leave(&f->left, f->left.journal, &f->left.identity, at);
}

struct journal_search left_search_places(const struct left_search *f)
{
        return (struct journal_search){.resolved_path = f->left.image.resolved_path,
                                       .state_directory = f->state};
}

void left_search_begin(struct left_search *f, bool dry_run, bool discard)
{
        recovery_release(&f->recovery);
        assert_int_equal(recovery_start(&f->recovery, &f->left.image, f->examiner), 0);
        f->recovery.dry_run = dry_run;
        f->recovery.discard = discard;
        answers.proofs = 0;
        answers.checks = 0;
}

const struct recovery_item *left_search(struct left_search *f, bool dry_run, bool discard)
{
        const struct recovery_item *item = &f->recovery.items[0];
        int status;

        left_search_begin(f, dry_run, discard);
        status = recovery_search(&f->recovery, left_search_places(f));
        assert_int_equal(f->recovery.count, 1);
        assert_int_equal(status, item->state >= RECOVERY_FIRST_STOP);
        assert_ptr_equal(recovery_stop(&f->recovery), status ? item : NULL);
        assert_string_equal(item->path, f->left.journal);
        return item;
}

void patch_at(const char *path, off_t at)
{
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        assert_int_equal(pwrite(fd, "?", 1, at), 1);
        close(fd);
}

bool is_there(const char *path)
{
        struct stat status;

        return lstat(path, &status) == 0;
}
