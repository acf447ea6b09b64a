/* SPDX-License-Identifier: MIT */
/*
 * The index helps where it can, and never hinders: lost, damaged or locked, it costs an
 * edit a warning and at most a second; and its child ends, whatever becomes of it.
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
#include <unistd.h>

#include "index_run.h"

/* Whatever the file is, a run ends soon; and one of the next two works again. */
static void expect_recovery(struct index_run *f)
{
        double start = seconds();
        int error = index_run(f, "/nowhere/j");

        assert_true(seconds() - start < 1.6);
        for (int i = 0; i < 2 && error; i++)
                error = index_run(f, "/nowhere/j");
        assert_int_equal(error, 0);
}

static void make_database(struct index_run *f, uint8_t **bytes, size_t *size)
{
        struct stat status;
        int fd;

        for (int i = 0; i < 40; i++) {
                char path[32];

                snprintf(path, sizeof path, "/nowhere/j%d", i);
                assert_int_equal(index_run(f, path), 0);
        }
        fd = open(f->data, O_RDONLY | O_CLOEXEC);
        assert_int_equal(fstat(fd, &status), 0);
        *size = (size_t)status.st_size;
        *bytes = malloc(*size);
        assert_int_equal(read(fd, *bytes, *size), (ssize_t)*size);
        close(fd);
}

static void write_database(struct index_run *f, const uint8_t *bytes, size_t size)
{
        int fd = open(f->data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, bytes, size), (ssize_t)size);
        close(fd);
}

static void a_truncated_database_is_begun_afresh(void **state)
{
        struct index_run *f = *state;
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
        struct index_run *f = *state;
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
        struct index_run *f = *state;
        uint8_t garbage[8192];
        int fd;

        assert_int_equal(index_run(f, "/nowhere/j"), 0);
        memset(garbage, 0x5a, sizeof garbage);
        fd =
            open(scratch_path(&f->scratch, "state/index/lock.mdb"), O_WRONLY | O_CLOEXEC);
        assert_int_equal(write(fd, garbage, sizeof garbage), (ssize_t)sizeof garbage);
        close(fd);
        assert_int_equal(index_run(f, "/nowhere/j"), 0);
}

/* A process that has the write lock and does not go on.  Its id is in *shared. */
static pid_t stop_a_writer(struct index_run *f)
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
        struct index_run *f = *state;
        struct journal_index *index;
        pid_t writer;
        pid_t child;
        double start;

        assert_int_equal(index_run(f, "/nowhere/j"), 0);
        writer = stop_a_writer(f);
        assert_int_equal(journal_index_start(f->state, &index), 0);
        start = seconds();
        assert_int_equal(index_put(f, index, "/nowhere/j"), -ETIMEDOUT);
        assert_true(seconds() - start > 0.9 && seconds() - start < 1.5);
        start = seconds();
        assert_int_equal(index_put(f, index, "/nowhere/j"),
                         -ETIMEDOUT); /* given up at once */
        journal_index_stop(index);
        assert_true(seconds() - start < 0.1);
        while (list_children(&child) > 1 && seconds() - start < 5)
                usleep(10000);
        assert_int_equal(list_children(&child),
                         1); /* the one that hung ended by itself */
        kill(writer, SIGKILL);
        wait_for_children();
        /* That was no damage: nothing was set aside, and it goes on. */
        assert_int_equal(index_run(f, "/nowhere/j"), 0);
        assert_int_not_equal(
            access(scratch_path(&f->scratch, "state/index/damaged.mdb"), F_OK), 0);
}

static void a_child_that_dies_is_reported_without_a_signal(void **state)
{
        struct index_run *f = *state;

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
        struct index_run *f = *state;
        struct journal_index *index;
        struct pollfd readable = {.events = POLLIN};
        int ends[2];

        assert_int_equal(pipe(ends), 0);
        assert_int_equal(journal_index_start(f->state, &index), 0);
        assert_int_equal(index_put(f, index, "/nowhere/j"), 0); /* it is up and running */
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
        struct index_run *f = *state;
        int ends[2];
        char byte;
        pid_t parent;

        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* orphans become ours */
        assert_int_equal(pipe(ends), 0);
        parent = fork();
        if (parent == 0) {
                struct journal_index *index;

                if (journal_index_start(f->state, &index) != 0 ||
                    index_put(f, index, "/nowhere/j") != 0)
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
#define TEST(name)                                                                       \
        cmocka_unit_test_setup_teardown(name, index_run_set_up, index_run_tear_down)
        const struct CMUnitTest tests[] = {
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
