/* SPDX-License-Identifier: MIT */
/*
 * Where a journal has no place, or where nobody can tell: said, and nothing is left
 * behind. And the places at the edge: images in the root directory, kernels without mount
 * numbers.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "in_child.h"
#include "journal/directory.h"
#include "journal/journal.h"
#include "journal/place.h"
#include "scratch.h"
#include "system_calls.h"

struct fixture {
        struct scratch scratch;
        char image[4200];
        char state[4300];
        int fd;
        struct journal_identity identity;
        struct journal_place place;
};

/* ---- the C library's statx(2) --------------------------------------------------------
 */

static struct {
        int error;
        bool no_mount_numbers;
        unsigned int other_device; /* of the call so numbered, from 1 */
        unsigned int calls;
} mounts;

int statx(int fd, const char *restrict path, int flags, unsigned int mask,
          struct statx *restrict status)
{
        mounts.calls++;
        errno = mounts.error;
        if (errno || syscall(SYS_statx, fd, path, flags, mask, status) != 0)
                return -1;
        if (mounts.no_mount_numbers)
                status->stx_mask &= ~STATX_MNT_ID;
        if (mounts.calls == mounts.other_device)
                status->stx_dev_minor++;
        return 0;
}

/* -------------------------------------------------------------------------------------
 */

/* Syncs from this one on fail, the first is number 0. */
static unsigned int good_syncs;

static int fail_fsync(void *context, const struct system_call_made *made)
{
        (void)context;
        if (made->call != CALL_FSYNC || !good_syncs)
                return made->call == CALL_FSYNC ? EIO : 0;
        good_syncs--;
        return 0;
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        memset(&mounts, 0, sizeof mounts);
        scratch_create(&f->scratch);
        assert_int_equal(chmod(f->scratch.path, 0755), 0);
        snprintf(f->image, sizeof f->image, "%s", scratch_path(&f->scratch, "disk"));
        snprintf(f->state, sizeof f->state, "%s", scratch_path(&f->scratch, "state"));
        f->fd = scratch_file(&f->scratch, "disk", 512);
        f->place.directory_fd = -1;
        assert_int_equal(journal_identify(f->fd, &f->identity), 0);
        mounts.calls = 0;
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        system_calls_before = NULL;
        close(f->fd);
        journal_place_release(&f->place);
        scratch_remove(&f->scratch);
        free(f);
        return 0;
}

static int choose(struct fixture *f)
{
        int status = journal_place_choose(f->fd, f->image, NULL, f->state, &f->identity,
                                          &f->place);

        if (status) {
                assert_int_equal(f->place.directory_fd, -1);
                assert_null(f->place.path);
        }
        return status;
}

/* ---- beside the image
 * ------------------------------------------------------------------ */

static void in_the_root_directory_no_slash_is_doubled(void **state)
{
        char *directory;
        char *name;
        (void)state;

        assert_int_equal(place_beside("/disk", &directory, &name), 0);
        assert_string_equal(directory, "/");
        assert_string_equal(name, "disk" JOURNAL_SUFFIX);
        free(directory);
        free(name);
        assert_int_equal(place_beside("/a/disk", &directory, &name), 0);
        assert_string_equal(directory, "/a");
        free(directory);
        free(name);
}

static void a_path_that_names_no_file_is_an_error(void **state)
{
        struct fixture *f = *state;
        char *directory;
        char *name;

        assert_int_equal(place_beside("disk", &directory, &name), -EINVAL);
        assert_int_equal(place_beside("/a/", &directory, &name), -EINVAL);
        strcpy(f->image, "disk");
        assert_int_equal(choose(f), -EINVAL);
        snprintf(f->image, sizeof f->image, "%s",
                 scratch_path(&f->scratch, "no/such/disk"));
        assert_int_equal(choose(f), -ENOENT);
        close(f->fd);
        f->fd = -1;
        assert_int_equal(choose(f), -EBADF);
        f->fd = scratch_file(&f->scratch, "other", 0);
}

/* A bind mount of the same file system cannot be seen there, another one can. */
static void without_mount_numbers_the_device_tells(void **state)
{
        struct fixture *f = *state;

        mounts.no_mount_numbers = true;
        assert_int_equal(choose(f), 0);
        assert_true(f->place.beside_image);
        journal_place_release(&f->place);
        mounts.calls = 0;
        mounts.other_device = 2;
        assert_int_equal(choose(f), 0);
        assert_false(f->place.beside_image);
}

static void where_the_mount_cannot_be_told_nothing_is_chosen(void **state)
{
        struct fixture *f = *state;

        mounts.error = EIO;
        assert_int_equal(choose(f), -EIO);
        assert_int_not_equal(access(f->state, F_OK), 0);
}

static int choose_as_nobody(void *context)
{
        struct fixture *f = context;

        become_nobody();
        snprintf(f->state, sizeof f->state, "%s/nobody/state", f->scratch.path);
        if (choose(f) != 0)
                return 1;
        return f->place.beside_image ? 2 : 0;
}

static void
an_image_in_a_directory_that_cannot_be_read_uses_the_state_directory(void **state)
{
        struct fixture *f = *state;
        const char *home = scratch_path(&f->scratch, "nobody");
        const char *images = scratch_path(&f->scratch, "images");

        assert_int_equal(mkdir(home, 0700), 0);
        if (geteuid() == 0)
                assert_int_equal(chown(home, NOBODY, NOBODY), 0);
        assert_int_equal(mkdir(images, 0700), 0);
        close(f->fd);
        f->fd = scratch_file(&f->scratch, "images/disk", 512);
        snprintf(f->image, sizeof f->image, "%s/disk", images);
        assert_int_equal(chmod(images, 0), 0);
        assert_int_equal(in_child(choose_as_nobody, f), 0);
        assert_int_equal(chmod(images, 0700), 0);
}

/* ---- the state directory
 * ----------------------------------------------------------------- */

/* Such an image has its journal there. */
static void link_twice(struct fixture *f)
{
        assert_int_equal(link(f->image, scratch_path(&f->scratch, "second")), 0);
}

static void what_is_no_private_directory_holds_no_journals(void **state)
{
        struct fixture *f = *state;
        const char *journals = scratch_path(&f->scratch, "state/journals");

        link_twice(f);
        assert_int_equal(mkdir(f->state, 0750), 0);
        assert_int_equal(choose(f), -EPERM);
        assert_int_equal(chmod(f->state, 0700), 0);
        assert_int_equal(mkdir(journals, 0770), 0);
        assert_int_equal(choose(f), -EPERM);
        assert_int_equal(rmdir(journals), 0);
        close(scratch_file(&f->scratch, "state/journals", 0));
        assert_int_equal(choose(f), -ENOTDIR);
        assert_int_equal(unlink(journals), 0);
        assert_int_equal(choose(f), 0);
}

/* What leads there must be found again after a power loss. */
static void a_directory_whose_entry_is_not_durable_does_not_stay(void **state)
{
        struct fixture *f = *state;

        link_twice(f);
        system_calls_before = fail_fsync;
        assert_int_equal(choose(f), -EIO);
        assert_int_not_equal(access(f->state, F_OK), 0);
        good_syncs = 1;
        assert_int_equal(choose(f), -EIO);
        assert_int_equal(access(f->state, F_OK), 0);
        assert_int_not_equal(access(scratch_path(&f->scratch, "state/journals"), F_OK),
                             0);
        system_calls_before = NULL;
        assert_int_equal(choose(f), 0);
}

static void directories_are_made_by_absolute_paths_of_directories_only(void **state)
{
        struct fixture *f = *state;
        char path[6000];
        struct stat status;

        assert_int_equal(make_directories("relative"), -EINVAL);
        assert_int_equal(make_directories(f->image), -ENOTDIR);
        snprintf(path, sizeof path, "%s/below", f->image);
        assert_int_equal(make_directories(path), -ENOTDIR);
        memset(path, 'n', 5000);
        path[0] = '/';
        path[5000] = '\0';
        assert_int_equal(make_directories(path), -ENAMETOOLONG);
        assert_int_equal(make_directories("/proc/instar"), -ENOENT);
        snprintf(path, sizeof path, "%s///a//b/c//", f->scratch.path);
        assert_int_equal(make_directories(path), 0);
        assert_int_equal(stat(scratch_path(&f->scratch, "a/b/c"), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700);
        assert_int_equal(make_directories(path), 0);
}

static void a_state_directory_that_cannot_be_made_is_told(void **state)
{
        struct fixture *f = *state;

        link_twice(f);
        snprintf(f->state, sizeof f->state, "%s/state", f->image);
        assert_int_equal(choose(f), -ENOTDIR);
        assert_int_equal(journal_state_directory_prepare(f->state), -ENOTDIR);
}

/* Its parent is gone: no absolute path can be made of a relative one. */
static int relative_in_nowhere(void *context)
{
        struct fixture *f = context;
        char *path;

        if (mkdir(scratch_path(&f->scratch, "nowhere"), 0700) != 0 ||
            chdir(scratch_path(&f->scratch, "nowhere")) != 0 ||
            rmdir(scratch_path(&f->scratch, "nowhere")) != 0 ||
            setenv("INSTAR_STATE_DIR", "relative", 1) != 0)
                return 1;
        return journal_state_directory(&path) == -ENOENT && !path ? 0 : 2;
}

static void a_relative_one_needs_a_working_directory(void **state)
{
        assert_int_equal(in_child(relative_in_nowhere, *state), 0);
}

/* ---- looking for a journal ------------------------------------------------------------
 */

static int stop(void *context, const char *path)
{
        snprintf(context, 5000, "%s", path);
        return 7;
}

static int search(struct fixture *f, const char *directory, const char *state_directory,
                  char *found)
{
        const struct journal_search search = {
            .resolved_path = f->image,
            .journal_directory = directory,
            .state_directory = state_directory,
            .identity = &f->identity,
        };

        *found = '\0';
        return journal_place_search(&search, stop, found);
}

static void a_place_that_cannot_be_looked_at_is_an_error(void **state)
{
        struct fixture *f = *state;
        const char *loop = scratch_path(&f->scratch, "loop");
        char found[5000];

        assert_int_equal(search(f, NULL, NULL, found), 0);
        assert_int_equal(search(f, scratch_path(&f->scratch, "gone"), NULL, found),
                         -ENOENT);
        assert_int_equal(symlink("loop", loop), 0);
        assert_int_equal(search(f, NULL, loop, found), -ELOOP);
        strcpy(f->image, "relative");
        assert_int_equal(search(f, NULL, NULL, found), -EINVAL);
}

/* No journal was ever beside it: the next places are looked at. */
static void a_name_with_no_room_for_the_suffix_has_none_beside_it(void **state)
{
        struct fixture *f = *state;
        char name[251];
        char found[5000];

        memset(name, 'n', 250);
        name[250] = '\0';
        snprintf(f->image, sizeof f->image, "%s", scratch_path(&f->scratch, name));
        close(f->fd);
        f->fd = scratch_file(&f->scratch, name, 512);
        assert_int_equal(journal_identify(f->fd, &f->identity), 0);
        assert_int_equal(choose(f), 0);
        close(openat(f->place.directory_fd, f->place.name, O_CREAT | O_WRONLY, 0600));
        assert_int_equal(search(f, NULL, f->state, found), 7);
        assert_string_equal(found, f->place.path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(in_the_root_directory_no_slash_is_doubled),
            TEST(a_path_that_names_no_file_is_an_error),
            TEST(without_mount_numbers_the_device_tells),
            TEST(where_the_mount_cannot_be_told_nothing_is_chosen),
            TEST(an_image_in_a_directory_that_cannot_be_read_uses_the_state_directory),
            TEST(what_is_no_private_directory_holds_no_journals),
            TEST(a_directory_whose_entry_is_not_durable_does_not_stay),
            TEST(directories_are_made_by_absolute_paths_of_directories_only),
            TEST(a_state_directory_that_cannot_be_made_is_told),
            TEST(a_relative_one_needs_a_working_directory),
            TEST(a_place_that_cannot_be_looked_at_is_an_error),
            TEST(a_name_with_no_room_for_the_suffix_has_none_beside_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
