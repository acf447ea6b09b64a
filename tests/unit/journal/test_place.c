/* SPDX-License-Identifier: MIT */
/* Where an image's journal lies, and where one is looked for. */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "in_child.h"
#include "journal/journal.h"
#include "scratch.h"

struct fixture {
        struct scratch scratch;
        char state[4200];  /* the state directory */
        char images[4200]; /* the image's directory */
        char image[4500];
        int fd;
        struct journal_identity identity;
        struct journal_place place;
};

static void open_image(struct fixture *f, const char *name)
{
        snprintf(f->image, sizeof f->image, "%s/%s", f->images, name);
        f->fd = open(f->image, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        assert_true(f->fd >= 0);
        assert_int_equal(fchmod(f->fd, 0666), 0);
        assert_int_equal(journal_identify(f->fd, &f->identity), 0);
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        scratch_create(&f->scratch);
        assert_int_equal(chmod(f->scratch.path, 0755), 0);
        snprintf(f->state, sizeof f->state, "%s/home/state", f->scratch.path);
        snprintf(f->images, sizeof f->images, "%s/images", f->scratch.path);
        assert_int_equal(mkdir(f->images, 0755), 0);
        f->place.directory_fd = -1;
        open_image(f, "disk.qcow2");
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        close(f->fd);
        journal_place_release(&f->place);
        assert_int_equal(chmod(f->images, 0755), 0);
        scratch_remove(&f->scratch);
        free(f);
        return 0;
}

static int choose(struct fixture *f)
{
        return journal_place_choose(f->fd, f->image, NULL, f->state, &f->identity,
                                    &f->place);
}

static void expect_beside(struct fixture *f)
{
        char expected[5000];

        assert_int_equal(choose(f), 0);
        snprintf(expected, sizeof expected, "%s%s", f->image, JOURNAL_SUFFIX);
        assert_string_equal(f->place.path, expected);
        assert_true(f->place.beside_image);
}

static void expect_state_directory(struct fixture *f)
{
        char expected[5000];
        struct stat status;

        assert_int_equal(choose(f), 0);
        assert_false(f->place.beside_image);
        snprintf(expected, sizeof expected, "%s/journals/%s", f->state, f->place.name);
        assert_string_equal(f->place.path, expected);
        assert_int_equal(strlen(f->place.name), 32 + strlen(JOURNAL_SUFFIX));
        assert_int_equal(fstat(f->place.directory_fd, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700);
}

static void a_plain_image_has_its_journal_beside_it(void **state)
{
        struct fixture *f = *state;

        expect_beside(f);
        /* Nothing is made that is not needed. */
        assert_int_not_equal(access(f->state, F_OK), 0);
}

static void an_image_with_two_links_uses_the_state_directory(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(link(f->image, scratch_path(&f->scratch, "images/second")), 0);
        expect_state_directory(f);
}

static void an_image_in_a_sticky_directory_uses_the_state_directory(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(chmod(f->images, 01777), 0);
        expect_state_directory(f);
}

static void the_longest_name_that_fits_is_used(void **state)
{
        struct fixture *f = *state;
        char name[256];

        close(f->fd);
        memset(name, 'n', sizeof name);
        name[255 - strlen(JOURNAL_SUFFIX)] = '\0';
        open_image(f, name);
        expect_beside(f);
}

static void a_name_of_250_bytes_uses_the_state_directory(void **state)
{
        struct fixture *f = *state;
        char name[251];

        close(f->fd);
        memset(name, 'n', 250);
        name[250] = '\0';
        open_image(f, name);
        expect_state_directory(f);
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

/* Root may write everywhere, so this is tried as somebody else. */
static void
an_image_in_a_directory_without_write_permission_uses_the_state_directory(void **state)
{
        struct fixture *f = *state;
        const char *home = scratch_path(&f->scratch, "nobody");

        assert_int_equal(mkdir(home, 0700), 0);
        if (geteuid() == 0)
                assert_int_equal(chown(home, NOBODY, NOBODY), 0);
        assert_int_equal(chmod(f->images, 0555), 0);
        assert_int_equal(in_child(choose_as_nobody, f), 0);
}

static int choose_under_a_mount(void *context)
{
        struct fixture *f = context;

        if (unshare(CLONE_NEWNS) != 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount(scratch_path(&f->scratch, "other"), f->image, NULL, MS_BIND, NULL) != 0)
                return 100;
        close(f->fd);
        f->fd = open(f->image, O_RDWR | O_CLOEXEC);
        if (choose(f) != 0)
                return 1;
        return f->place.beside_image ? 2 : 0;
}

static void an_image_that_is_another_mount_uses_the_state_directory(void **state)
{
        struct fixture *f = *state;
        int result;

        close(scratch_file(&f->scratch, "other", 512));
        result = in_child(choose_under_a_mount, f);
        if (result == 100) {
                print_message("mounting is not permitted here\n");
                skip();
        }
        assert_int_equal(result, 0);
}

static void the_directory_of_the_option_is_used(void **state)
{
        struct fixture *f = *state;
        const char *directory = scratch_path(&f->scratch, "mine");

        assert_int_equal(journal_place_choose(f->fd, f->image, directory, f->state,
                                              &f->identity, &f->place),
                         -ENOENT);
        assert_int_equal(mkdir(directory, 0700), 0);
        assert_int_equal(journal_place_choose(f->fd, f->image, directory, f->state,
                                              &f->identity, &f->place),
                         0);
        assert_false(f->place.beside_image);
        assert_memory_equal(f->place.path, directory, strlen(directory));
        assert_int_equal(f->place.path[strlen(directory)], '/');
}

static void without_a_state_directory_such_an_image_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(chmod(f->images, 01777), 0);
        assert_int_equal(
            journal_place_choose(f->fd, f->image, NULL, NULL, &f->identity, &f->place),
            -EDESTADDRREQ);
}

static void an_image_that_was_replaced_is_refused(void **state)
{
        struct fixture *f = *state;
        const char *other = scratch_path(&f->scratch, "images/other");

        close(scratch_file(&f->scratch, "images/other", 512));
        /* The link count stays 1 for the descriptor's file, which got a new name. */
        assert_int_equal(rename(f->image, scratch_path(&f->scratch, "images/moved")), 0);
        assert_int_equal(choose(f), -ESTALE);
        assert_int_equal(rename(other, f->image), 0);
        assert_int_equal(choose(f), -ESTALE);
}

static void a_journal_in_memory_for_an_image_on_disk_is_refused(void **state)
{
        struct fixture *f = *state;
        char directory[] = "/dev/shm/journal-test-XXXXXX";
        struct statfs here;
        struct statfs there;

        assert_int_equal(statfs(f->scratch.path, &here), 0);
        if (here.f_type == TMPFS_MAGIC || statfs("/dev/shm", &there) != 0 ||
            there.f_type != TMPFS_MAGIC) {
                print_message("needs a tmpfs at /dev/shm and the build on a disk\n");
                skip();
        }
        assert_non_null(mkdtemp(directory));
        assert_int_equal(journal_place_choose(f->fd, f->image, directory, NULL,
                                              &f->identity, &f->place),
                         -EXDEV);
        /* An image that is in memory itself may have it there. */
        close(f->fd);
        strcpy(f->images, directory);
        open_image(f, "disk.qcow2");
        expect_beside(f);
        assert_int_equal(unlink(f->image), 0);
        assert_int_equal(rmdir(directory), 0);
        snprintf(f->images, sizeof f->images, "%s/images", f->scratch.path);
}

/* The last place visited, and how many there were. */
struct visits {
        unsigned int count;
        char last[5000];
};

static int note_visit(void *context, const char *path)
{
        struct visits *visits = context;

        visits->count++;
        snprintf(visits->last, sizeof visits->last, "%s", path);
        return 0;
}

/* Nothing is found but this; NULL: nothing at all. */
static void expect_found(struct fixture *f, const char *directory, const char *path)
{
        const struct journal_search search = {
            .resolved_path = f->image,
            .journal_directory = directory,
            .state_directory = f->state,
            .identity = &f->identity,
        };
        struct visits visits = {0};

        assert_int_equal(journal_place_search(&search, note_visit, &visits), 0);
        assert_int_equal(visits.count, path ? 1 : 0);
        assert_string_equal(visits.last, path ? path : "");
}

static void touch(const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        close(fd);
}

static void a_journal_is_found_in_every_place(void **state)
{
        struct fixture *f = *state;
        const char *mine = scratch_path(&f->scratch, "mine");
        char beside[5000];
        char in_state[5000];

        snprintf(beside, sizeof beside, "%s%s", f->image, JOURNAL_SUFFIX);
        assert_int_equal(mkdir(mine, 0700), 0);
        assert_int_equal(journal_place_choose(f->fd, f->image, mine, f->state,
                                              &f->identity, &f->place),
                         0);
        snprintf(in_state, sizeof in_state, "%s/journals/%s", f->state, f->place.name);
        expect_found(f, mine, NULL);

        touch(f->place.path);
        expect_found(f, mine, f->place.path);
        assert_int_equal(unlink(f->place.path), 0);

        touch(beside);
        expect_found(f, mine, beside);
        assert_int_equal(unlink(beside), 0);

        /* A dangling link is something, too. */
        assert_int_equal(symlink("nowhere", beside), 0);
        expect_found(f, mine, beside);
        assert_int_equal(unlink(beside), 0);

        assert_int_equal(journal_state_directory_prepare(f->state), 0);
        assert_int_equal(mkdir(scratch_path(&f->scratch, "home/state/journals"), 0700),
                         0);
        touch(in_state);
        expect_found(f, mine, in_state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_plain_image_has_its_journal_beside_it),
            TEST(an_image_with_two_links_uses_the_state_directory),
            TEST(an_image_in_a_sticky_directory_uses_the_state_directory),
            TEST(the_longest_name_that_fits_is_used),
            TEST(a_name_of_250_bytes_uses_the_state_directory),
            TEST(
                an_image_in_a_directory_without_write_permission_uses_the_state_directory),
            TEST(an_image_that_is_another_mount_uses_the_state_directory),
            TEST(the_directory_of_the_option_is_used),
            TEST(without_a_state_directory_such_an_image_is_refused),
            TEST(an_image_that_was_replaced_is_refused),
            TEST(a_journal_in_memory_for_an_image_on_disk_is_refused),
            TEST(a_journal_is_found_in_every_place),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
