/* SPDX-License-Identifier: MIT */
/*
 * The index helps where it can, and never hinders: lost, damaged, locked or not
 * writable, it costs an edit a warning and at most a second.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "journal/index_db.h"
#include "journal/journal.h"
#include "scratch.h"

struct fixture {
        struct scratch scratch;
        char state[4200];
        char data[4300]; /* the database's file */
        struct journal_identity identity;
        unsigned int transactions;
        char last[33]; /* transaction put last */
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        scratch_create(&f->scratch);
        snprintf(f->state, sizeof f->state, "%s/state", f->scratch.path);
        snprintf(f->data, sizeof f->data, "%s/index/data.mdb", f->state);
        f->identity.kind = JOURNAL_IDENTITY_HANDLE;
        f->identity.length = 12;
        memset(f->identity.bytes, 0x31, 12);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        scratch_remove(&f->scratch);
        free(f);
        return 0;
}

static double seconds(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* SIGCHLD is ignored, so this waits for all children to be gone. */
static void wait_for_children(void)
{
        assert_int_equal(wait(NULL), -1);
        assert_int_equal(errno, ECHILD);
}

/* The kernel's list of our children: how many, and one of them. */
static unsigned int list_children(pid_t *child)
{
        char path[64];
        unsigned int count = 0;
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
        file = fopen(path, "r");
        assert_non_null(file);
        while (fscanf(file, "%d", child) == 1)
                count++;
        fclose(file);
        return count;
}

static int put(struct fixture *f, struct journal_index *index, const char *journal_path)
{
        struct journal_index_entry entry = {
            .image_path = "/images/disk.qcow2",
            .journal_path = journal_path,
            .identity = &f->identity,
            .time = (uint64_t)time(NULL),
            .asked = "bitmap --add disk.qcow2 b0",
        };
        int error;
        int waited;

        snprintf(entry.transaction, sizeof entry.transaction, "%032x", ++f->transactions);
        strcpy(f->last, entry.transaction);
        error = journal_index_put(index, &entry);
        waited = journal_index_wait(index);
        if (error)
                assert_int_equal(waited, error);
        return waited;
}

/* A whole run of the program, as far as the index sees it. */
static int run(struct fixture *f, const char *journal_path)
{
        struct journal_index *index;
        int error;

        assert_int_equal(journal_index_start(f->state, &index), 0);
        error = put(f, index, journal_path);
        journal_index_stop(index);
        wait_for_children();
        return error;
}

struct listing {
        unsigned int count;
        char transactions[64][33];
};

static int list_one(void *context, const struct journal_index_entry *entry)
{
        struct listing *listing = context;

        assert_true(listing->count < 64);
        strcpy(listing->transactions[listing->count++], entry->transaction);
        assert_string_equal(entry->image_path, "/images/disk.qcow2");
        assert_string_equal(entry->asked, "bitmap --add disk.qcow2 b0");
        assert_int_equal(entry->identity->length, 12);
        return 0;
}

static void list(struct fixture *f, struct listing *listing)
{
        struct index_db database;

        listing->count = 0;
        assert_int_equal(index_db_open(&database, f->state), 0);
        assert_int_equal(index_db_each(&database, list_one, listing), 0);
        index_db_close(&database);
}

static bool listed(const struct listing *listing, const char *transaction)
{
        for (unsigned int i = 0; i < listing->count; i++)
                if (strcmp(listing->transactions[i], transaction) == 0)
                        return true;
        return false;
}

static void an_entry_that_was_waited_for_is_there(void **state)
{
        struct fixture *f = *state;
        struct listing listing;
        struct stat status;

        assert_int_equal(run(f, "/images/disk.qcow2" JOURNAL_SUFFIX), 0);
        list(f, &listing);
        assert_int_equal(listing.count, 1);
        assert_true(listed(&listing, f->last));
        assert_int_equal(stat(scratch_path(&f->scratch, "state/index"), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700);
        assert_int_equal(stat(f->data, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
}

static void one_run_may_put_several_entries(void **state)
{
        struct fixture *f = *state;
        struct journal_index *index;
        struct listing listing;

        assert_int_equal(journal_index_start(f->state, &index), 0);
        for (int i = 0; i < 5; i++) {
                char path[32];

                snprintf(path, sizeof path, "/nowhere/j%d", i);
                assert_int_equal(put(f, index, path), 0);
        }
        assert_int_equal(journal_index_wait(index), 0); /* nothing outstanding */
        journal_index_stop(index);
        wait_for_children();
        list(f, &listing);
        assert_int_equal(listing.count, 5);
}

/* The next edit begins while the child of the one before is still on its way out. */
static void runs_that_overlap_do_not_disturb_each_other(void **state)
{
        struct fixture *f = *state;
        struct listing listing;

        for (int i = 0; i < 300; i++) {
                struct journal_index *index;
                int error;

                assert_int_equal(journal_index_start(f->state, &index), 0);
                error = put(f, index, "/nowhere/j");
                journal_index_stop(index);
                assert_int_equal(error, 0);
        }
        wait_for_children();
        list(f, &listing);
        assert_true(listed(&listing, f->last));
        assert_int_not_equal(
            access(scratch_path(&f->scratch, "state/index/damaged.mdb"), F_OK), 0);
}

static void a_run_without_an_entry_leaves_no_process(void **state)
{
        struct fixture *f = *state;
        struct journal_index *index;

        assert_int_equal(journal_index_start(f->state, &index), 0);
        assert_int_equal(journal_index_wait(index), 0);
        journal_index_stop(index);
        wait_for_children();
}

static void finished_entries_go_with_the_next_edit(void **state)
{
        struct fixture *f = *state;
        const char *pending = scratch_path(&f->scratch, "pending");
        const char *finished = scratch_path(&f->scratch, "finished");
        char first[33];
        char second[33];
        struct listing listing;

        close(scratch_file(&f->scratch, "pending", 10));
        close(scratch_file(&f->scratch, "finished", 10));
        assert_int_equal(run(f, pending), 0);
        strcpy(first, f->last);
        assert_int_equal(run(f, finished), 0);
        strcpy(second, f->last);
        assert_int_equal(unlink(finished), 0);
        assert_int_equal(run(f, finished), 0);
        list(f, &listing);
        assert_int_equal(listing.count, 2);
        assert_true(listed(&listing, first));
        assert_false(listed(&listing, second));
        assert_true(listed(&listing, f->last));
}

/* The next edit of an image has made its own journal before the index is looked at. */
static void entries_of_a_journal_that_was_made_anew_are_replaced(void **state)
{
        struct fixture *f = *state;
        const char *journal = scratch_path(&f->scratch, "j");
        struct journal_index *index;
        struct listing listing;

        close(scratch_file(&f->scratch, "j", 10));
        for (int i = 0; i < 3; i++)
                assert_int_equal(run(f, journal), 0);
        list(f, &listing);
        assert_int_equal(listing.count, 1);
        assert_int_equal(journal_index_start(f->state, &index), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(put(f, index, journal), 0);
        journal_index_stop(index);
        wait_for_children();
        list(f, &listing);
        assert_int_equal(listing.count, 1);
        assert_true(listed(&listing, f->last));
}

/* A journal that cannot be seen because its file system is not mounted is not finished.
 */
static void entries_of_a_directory_that_is_away_stay(void **state)
{
        struct fixture *f = *state;
        const char *directory = scratch_path(&f->scratch, "mounted");
        const char *away = scratch_path(&f->scratch, "away");
        const char *journal = scratch_path(&f->scratch, "mounted/j");
        char first[33];
        struct listing listing;

        assert_int_equal(mkdir(directory, 0700), 0);
        close(scratch_file(&f->scratch, "mounted/j", 10));
        assert_int_equal(run(f, journal), 0);
        strcpy(first, f->last);
        assert_int_equal(rename(directory, away), 0);
        assert_int_equal(run(f, "/nowhere/j"), 0);
        list(f, &listing);
        assert_true(listed(&listing, first));
        assert_int_equal(mkdir(directory, 0700), 0); /* an empty mount point */
        assert_int_equal(run(f, "/nowhere/j"), 0);
        list(f, &listing);
        assert_true(listed(&listing, first));
        assert_int_equal(rmdir(directory), 0);
        assert_int_equal(rename(away, directory), 0);
        assert_int_equal(unlink(journal), 0);
        assert_int_equal(run(f, "/nowhere/j"), 0);
        list(f, &listing);
        assert_false(listed(&listing, first));
}

static void no_state_directory_means_no_index_and_no_error(void **state)
{
        struct fixture *f = *state;
        struct journal_index *index = (struct journal_index *)f;

        assert_int_equal(journal_index_start(NULL, &index), 0);
        assert_int_equal(put(f, index, "/nowhere/j"), 0);
        journal_index_stop(index);
}

static void a_directory_that_is_not_private_is_reported(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(mkdir(f->state, 0755), 0);
        assert_int_equal(chmod(f->state, 0755), 0);
        assert_int_equal(run(f, "/nowhere/j"), -EPERM);
}

static void a_place_that_cannot_be_written_is_reported(void **state)
{
        struct fixture *f = *state;

        close(scratch_file(&f->scratch, "state", 0));
        assert_int_equal(run(f, "/nowhere/j"), -ENOTDIR);
}

static void an_entry_that_is_too_large_is_reported(void **state)
{
        struct fixture *f = *state;
        char *path = malloc(40001);

        memset(path, 'p', 40000);
        path[40000] = '\0';
        assert_int_equal(run(f, path), -ENAMETOOLONG);
        free(path);
}

/* Whatever the file is, a run ends soon; and one of the next two works again. */
static void expect_recovery(struct fixture *f)
{
        double start = seconds();
        int error = run(f, "/nowhere/j");

        assert_true(seconds() - start < 1.6);
        for (int i = 0; i < 2 && error; i++)
                error = run(f, "/nowhere/j");
        assert_int_equal(error, 0);
}

static void make_database(struct fixture *f, uint8_t **bytes, size_t *size)
{
        struct stat status;
        int fd;

        for (int i = 0; i < 40; i++) {
                char path[32];

                snprintf(path, sizeof path, "/nowhere/j%d", i);
                assert_int_equal(run(f, path), 0);
        }
        fd = open(f->data, O_RDONLY | O_CLOEXEC);
        assert_int_equal(fstat(fd, &status), 0);
        *size = (size_t)status.st_size;
        *bytes = malloc(*size);
        assert_int_equal(read(fd, *bytes, *size), (ssize_t)*size);
        close(fd);
}

static void write_database(struct fixture *f, const uint8_t *bytes, size_t size)
{
        int fd = open(f->data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, bytes, size), (ssize_t)size);
        close(fd);
}

static void a_truncated_database_is_begun_afresh(void **state)
{
        struct fixture *f = *state;
        uint8_t *bytes;
        size_t size;

        make_database(f, &bytes, &size);
        for (size_t cut = 0; cut < size; cut += cut < 9000 ? 500 : 4096) {
                write_database(f, bytes, cut);
                expect_recovery(f);
        }
        free(bytes);
}

static void a_garbled_database_is_begun_afresh(void **state)
{
        struct fixture *f = *state;
        unsigned int seed = 4;
        uint8_t *bytes;
        uint8_t *bad;
        size_t size;

        make_database(f, &bytes, &size);
        bad = malloc(size);
        for (int round = 0; round < 60; round++) {
                size_t at = (size_t)rand_r(&seed) % size;
                size_t length = 1u << rand_r(&seed) % 13;

                memcpy(bad, bytes, size);
                for (size_t i = at; i < size && i < at + length; i++)
                        bad[i] = (uint8_t)rand_r(&seed);
                write_database(f, bad, size);
                expect_recovery(f);
        }
        memset(bad, 0xff, size);
        write_database(f, bad, size);
        expect_recovery(f);
        assert_int_equal(
            access(scratch_path(&f->scratch, "state/index/damaged.mdb"), F_OK), 0);
        free(bytes);
        free(bad);
}

static void a_garbled_lock_file_does_no_harm(void **state)
{
        struct fixture *f = *state;
        uint8_t garbage[8192];
        int fd;

        assert_int_equal(run(f, "/nowhere/j"), 0);
        memset(garbage, 0x5a, sizeof garbage);
        fd =
            open(scratch_path(&f->scratch, "state/index/lock.mdb"), O_WRONLY | O_CLOEXEC);
        assert_int_equal(write(fd, garbage, sizeof garbage), (ssize_t)sizeof garbage);
        close(fd);
        assert_int_equal(run(f, "/nowhere/j"), 0);
}

/* A process that has the write lock and does not go on.  Its id is in *shared. */
static pid_t stop_a_writer(struct fixture *f)
{
        volatile pid_t *shared =
            mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t child = fork();

        if (child == 0) {
                struct index_db database;
                MDB_txn *txn;

                if (index_db_open(&database, f->state) == 0 &&
                    mdb_txn_begin(database.env, NULL, 0, &txn) == 0) {
                        *shared = getpid();
                        raise(SIGSTOP);
                }
                _exit(0);
        }
        while (*shared == 0)
                usleep(1000);
        munmap((void *)(uintptr_t)shared, 4096);
        return child;
}

static void a_stopped_writer_costs_a_second_and_no_more(void **state)
{
        struct fixture *f = *state;
        struct journal_index *index;
        pid_t writer;
        pid_t child;
        double start;

        assert_int_equal(run(f, "/nowhere/j"), 0);
        writer = stop_a_writer(f);
        assert_int_equal(journal_index_start(f->state, &index), 0);
        start = seconds();
        assert_int_equal(put(f, index, "/nowhere/j"), -ETIMEDOUT);
        assert_true(seconds() - start > 0.9 && seconds() - start < 1.5);
        start = seconds();
        assert_int_equal(put(f, index, "/nowhere/j"), -ETIMEDOUT); /* given up at once */
        journal_index_stop(index);
        assert_true(seconds() - start < 0.1);
        while (list_children(&child) > 1 && seconds() - start < 5)
                usleep(10000);
        assert_int_equal(list_children(&child),
                         1); /* the one that hung ended by itself */
        kill(writer, SIGKILL);
        wait_for_children();
        /* That was no damage: nothing was set aside, and it goes on. */
        assert_int_equal(run(f, "/nowhere/j"), 0);
        assert_int_not_equal(
            access(scratch_path(&f->scratch, "state/index/damaged.mdb"), F_OK), 0);
}

static void a_child_that_dies_is_reported_without_a_signal(void **state)
{
        struct fixture *f = *state;

        /* Before the entry is sent, and while it is waited for. */
        for (int stopped = 0; stopped < 2; stopped++) {
                struct journal_index *index;
                struct journal_index_entry entry = {.image_path = "/i",
                                                    .journal_path = "/j",
                                                    .identity = &f->identity,
                                                    .asked = ""};
                pid_t child;

                assert_int_equal(journal_index_start(f->state, &index), 0);
                assert_int_equal(list_children(&child), 1);
                kill(child, stopped ? SIGSTOP : SIGKILL);
                if (!stopped)
                        wait_for_children();
                assert_int_equal(journal_index_put(index, &entry), stopped ? 0 : -EPIPE);
                kill(child, SIGKILL);
                assert_int_equal(journal_index_wait(index), -EPIPE);
                assert_int_equal(journal_index_wait(index), -EPIPE);
                journal_index_stop(index);
                wait_for_children();
        }
}

static void the_child_keeps_no_descriptor_of_the_caller(void **state)
{
        struct fixture *f = *state;
        struct journal_index *index;
        struct pollfd readable = {.events = POLLIN};
        int ends[2];

        assert_int_equal(pipe(ends), 0);
        assert_int_equal(journal_index_start(f->state, &index), 0);
        assert_int_equal(put(f, index, "/nowhere/j"), 0); /* it is up and running */
        close(ends[1]);
        readable.fd = ends[0];
        assert_int_equal(poll(&readable, 1, 1000), 1);
        assert_true(readable.revents & POLLHUP);
        close(ends[0]);
        journal_index_stop(index);
        wait_for_children();
}

static void the_child_ends_with_a_killed_parent(void **state)
{
        struct fixture *f = *state;
        int ends[2];
        char byte;
        pid_t parent;

        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* orphans become ours */
        assert_int_equal(pipe(ends), 0);
        parent = fork();
        if (parent == 0) {
                struct journal_index *index;

                if (journal_index_start(f->state, &index) != 0 ||
                    put(f, index, "/nowhere/j") != 0)
                        _exit(1);
                (void)!write(ends[1], "r", 1);
                pause();
        }
        assert_int_equal(read(ends[0], &byte, 1), 1);
        kill(parent, SIGKILL);
        close(ends[0]);
        close(ends[1]);
        alarm(10); /* if not: this test dies of waiting */
        wait_for_children();
        alarm(0);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(an_entry_that_was_waited_for_is_there),
            TEST(one_run_may_put_several_entries),
            TEST(runs_that_overlap_do_not_disturb_each_other),
            TEST(a_run_without_an_entry_leaves_no_process),
            TEST(finished_entries_go_with_the_next_edit),
            TEST(entries_of_a_journal_that_was_made_anew_are_replaced),
            TEST(entries_of_a_directory_that_is_away_stay),
            TEST(no_state_directory_means_no_index_and_no_error),
            TEST(a_directory_that_is_not_private_is_reported),
            TEST(a_place_that_cannot_be_written_is_reported),
            TEST(an_entry_that_is_too_large_is_reported),
            TEST(a_truncated_database_is_begun_afresh),
            TEST(a_garbled_database_is_begun_afresh),
            TEST(a_garbled_lock_file_does_no_harm),
            TEST(a_stopped_writer_costs_a_second_and_no_more),
            TEST(a_child_that_dies_is_reported_without_a_signal),
            TEST(the_child_keeps_no_descriptor_of_the_caller),
            TEST(the_child_ends_with_a_killed_parent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
