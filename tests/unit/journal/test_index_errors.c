/* SPDX-License-Identifier: MIT */
/*
 * The two ends of the index, each with another end that fails or talks nonsense: the
 * parent gets an error that it can warn of, the child answers with one, or leaves.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index_run.h"
#include "journal/bytes.h"
#include "journal/index_child.h"
#include "journal/index_entry.h"

#define STRANGE_MESSAGE 99u

/* ---- the C library's functions ------------------------------------------------------
 */

static struct {
        int socketpair; /* errno, or 0: as the kernel does */
        int setsockopt;
        int fork;
        bool no_child; /* none is made: the test is the other end */
} faults;

static int ends_made[2]; /* by the last socketpair(2) */
static int other_end = -1;

pid_t __fork(void);

int socketpair(int domain, int type, int protocol, int ends[2])
{
        errno = faults.socketpair;
        if (errno || syscall(SYS_socketpair, domain, type, protocol, ends) != 0)
                return -1;
        memcpy(ends_made, ends, sizeof ends_made);
        return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
        errno = faults.setsockopt;
        return errno ? -1 : (int)syscall(SYS_setsockopt, fd, level, name, value, length);
}

pid_t fork(void)
{
        errno = faults.fork;
        if (errno)
                return -1;
        if (!faults.no_child)
                return __fork();
        other_end = dup(ends_made[1]);
        return 1 << 30; /* nobody's number */
}

/* -------------------------------------------------------------------------------------
 */

static int set_up(void **state)
{
        memset(&faults, 0, sizeof faults);
        return index_run_set_up(state);
}

static int tear_down(void **state)
{
        if (other_end >= 0)
                close(other_end);
        other_end = -1;
        return index_run_tear_down(state);
}

/* ---- the parent ----------------------------------------------------------------------
 */

static void expect_no_start(struct index_run *f, int error)
{
        struct journal_index *index;

        ends_made[0] = -1;
        assert_int_equal(journal_index_start(f->state, &index), -error);
        assert_null(index);
        for (int i = 0; i < 2 && ends_made[0] >= 0; i++)
                assert_int_equal(fcntl(ends_made[i], F_GETFD), -1);
}

static void an_index_that_cannot_be_started_leaves_nothing_open(void **state)
{
        struct index_run *f = *state;

        faults.socketpair = EMFILE;
        expect_no_start(f, EMFILE);
        faults.socketpair = 0;
        faults.setsockopt = EDOM;
        expect_no_start(f, EDOM);
        faults.setsockopt = 0;
        faults.fork = EAGAIN;
        expect_no_start(f, EAGAIN);
        faults.fork = 0;
        assert_int_equal(index_run(f, "/nowhere/j"), 0);
}

/* An index whose other end is the test's. */
static struct journal_index *start_alone(struct index_run *f)
{
        struct journal_index *index;

        faults.no_child = true;
        assert_int_equal(journal_index_start(f->state, &index), 0);
        assert_true(other_end >= 0);
        return index;
}

static void answer(const void *bytes, size_t length)
{
        assert_int_equal(write(other_end, bytes, length), (ssize_t)length);
}

static void stop(struct journal_index *index)
{
        journal_index_stop(index);
        close(other_end);
        other_end = -1;
}

static int never(void *context, const char *path)
{
        (void)context;
        fail_msg("visited: %s", path);
        return 0;
}

static int never_an_entry(void *context, const struct journal_index_entry *entry)
{
        (void)context;
        fail_msg("visited: %s", entry->journal_path);
        return 0;
}

static void an_entry_that_no_message_holds_is_not_sent(void **state)
{
        struct index_run *f = *state;
        struct journal_index *index = start_alone(f);
        size_t length = INDEX_ENTRY_MAX;
        char *path = malloc(length + 1);
        uint8_t byte;

        memset(path, 'p', length);
        path[length] = '\0';
        assert_int_equal(index_put(f, index, path), -ENAMETOOLONG);
        assert_int_equal(index_put(f, index, "/short"), -ENAMETOOLONG); /* given up */
        assert_int_equal(recv(other_end, &byte, 1, MSG_DONTWAIT), -1);
        free(path);
        stop(index);
}

static void an_answer_without_its_error_is_a_child_that_died(void **state)
{
        struct index_run *f = *state;
        struct journal_index *index = start_alone(f);

        answer("\0\0\0", 3);
        assert_int_equal(index_put(f, index, "/nowhere/j"), -EPIPE);
        assert_int_equal(journal_index_find(index, &f->identity), -EPIPE);
        stop(index);
}

static void a_child_that_is_gone_is_no_signal_and_no_wait(void **state)
{
        struct index_run *f = *state;
        struct journal_index *index = start_alone(f);
        double start = seconds();

        close(other_end);
        other_end = -1;
        assert_int_equal(index_put(f, index, "/nowhere/j"), -EPIPE);
        assert_true(seconds() - start < 0.5);
        journal_index_stop(index);
}

static void a_path_without_an_end_is_not_visited(void **state)
{
        struct index_run *f = *state;
        struct journal_index *index = start_alone(f);

        assert_int_equal(journal_index_find(index, &f->identity), 0);
        answer("\0\0\0\0/no/end", 11);
        assert_int_equal(journal_index_found(index, never, NULL), -EBADMSG);
        assert_int_equal(journal_index_found(index, never, NULL), -EBADMSG);
        stop(index);
}

static void an_entry_that_is_none_is_not_visited(void **state)
{
        struct index_run *f = *state;
        uint8_t bytes[4 + INDEX_TRANSACTION_SIZE + 8] = {0};

        for (size_t length = 5; length <= sizeof bytes; length += sizeof bytes - 5) {
                struct journal_index *index = start_alone(f);

                answer(bytes, length);
                answer(bytes, 4);
                assert_int_equal(journal_index_each(index, never_an_entry, NULL),
                                 -EBADMSG);
                stop(index);
        }
}

static void an_error_of_the_list_is_the_end_of_it(void **state)
{
        struct index_run *f = *state;
        struct journal_index *index = start_alone(f);

        answer("\x05\0\0\0", 4);
        assert_int_equal(journal_index_each(index, never_an_entry, NULL), -EIO);
        assert_int_equal(journal_index_each(index, never_an_entry, NULL), -EIO);
        stop(index);
}

/* ---- the child -----------------------------------------------------------------------
 */

/* A child with the test as its parent. */
static pid_t start_child(struct index_run *f)
{
        int ends[2];
        pid_t child;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
                index_child_run(ends[1], f->state);
        close(ends[1]);
        other_end = ends[0];
        return child;
}

/* Its answer to a message of this kind with so many zeros behind it. */
static int ask(uint32_t kind, size_t zeros)
{
        uint8_t message[1024] = {0};
        uint8_t bytes[64];

        store_le32(message, kind);
        answer(message, 4 + zeros);
        assert_int_equal(recv(other_end, bytes, sizeof bytes, 0), 4);
        return (int)load_le32(bytes);
}

static void expect_exit(pid_t child, int code)
{
        int status;

        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), code);
}

static void a_message_that_is_none_is_answered_and_changes_nothing(void **state)
{
        struct index_run *f = *state;
        struct listing listing;
        pid_t child = start_child(f);

        assert_int_equal(ask(STRANGE_MESSAGE, 0), EBADMSG);
        assert_int_equal(ask(INDEX_PUT, INDEX_TRANSACTION_SIZE), EBADMSG);
        assert_int_equal(ask(INDEX_PUT, INDEX_TRANSACTION_SIZE + 9), EBADMSG);
        assert_int_equal(ask(INDEX_FIND, INDEX_IDENTITY_SIZE - 1), EBADMSG);
        assert_int_equal(ask(INDEX_LIST, 0), 0);
        close(other_end);
        other_end = -1;
        expect_exit(child, 0);
        index_list(f, &listing);
        assert_int_equal(listing.count, 0);
}

static void a_message_without_a_kind_ends_the_child(void **state)
{
        struct index_run *f = *state;
        pid_t child = start_child(f);
        uint8_t byte;

        answer("\1\0\0", 3);
        assert_int_equal(recv(other_end, &byte, 1, 0), 0);
        expect_exit(child, 0);
}

/* No directory: every message is answered with that. */
static void a_child_without_a_database_says_why(void **state)
{
        struct index_run *f = *state;
        pid_t child;

        close(scratch_file(&f->scratch, "state", 0));
        child = start_child(f);
        assert_int_equal(ask(INDEX_LIST, 0), ENOTDIR);
        assert_int_equal(ask(STRANGE_MESSAGE, 0), ENOTDIR);
        close(other_end);
        other_end = -1;
        expect_exit(child, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            /* First: journal_index_start() has the kernel reap children. */
            TEST(a_message_that_is_none_is_answered_and_changes_nothing),
            TEST(a_message_without_a_kind_ends_the_child),
            TEST(a_child_without_a_database_says_why),
            TEST(an_index_that_cannot_be_started_leaves_nothing_open),
            TEST(an_entry_that_no_message_holds_is_not_sent),
            TEST(an_answer_without_its_error_is_a_child_that_died),
            TEST(a_child_that_is_gone_is_no_signal_and_no_wait),
            TEST(a_path_without_an_end_is_not_visited),
            TEST(an_entry_that_is_none_is_not_visited),
            TEST(an_error_of_the_list_is_the_end_of_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
