/* SPDX-License-Identifier: MIT */
/*
 * What the index is asked: where an image's journals lie, and which there are at all.
 * Whatever the database or the child does, the answer is there, or an error, within
 * a second or so.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
        unsigned int transactions;
        struct journal_index *index;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        scratch_create_in(&f->scratch, "/dev/shm"); /* thousands of commits */
        snprintf(f->state, sizeof f->state, "%s/state", f->scratch.path);
        snprintf(f->data, sizeof f->data, "%s/index/data.mdb", f->state);
        *state = f;
        return 0;
}

/* SIGCHLD is ignored: this waits for all children to be gone. */
static void stop(struct fixture *f)
{
        journal_index_stop(f->index);
        f->index = NULL;
        while (wait(NULL) >= 0 || errno == EINTR)
                ;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        stop(f);
        scratch_remove(&f->scratch);
        free(f);
        return 0;
}

static void start(struct fixture *f)
{
        assert_null(f->index);
        assert_int_equal(journal_index_start(f->state, &f->index), 0);
}

/* The child has one descriptor table, and one parent: us. */
static pid_t child_of(void)
{
        char path[64];
        int child = 0;
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
        file = fopen(path, "r");
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%d", &child), 1);
        fclose(file);
        return child;
}

static double seconds(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static struct journal_identity image_number(uint8_t number)
{
        struct journal_identity identity = {.kind = JOURNAL_IDENTITY_HANDLE,
                                            .length = 12};

        identity.bytes[11] = number;
        return identity;
}

/* In a directory that is away, so that the entry is kept. */
static void put(struct fixture *f, uint8_t image, const char *path)
{
        struct journal_identity identity = image_number(image);
        struct journal_index_entry entry = {.image_path = "/nowhere/disk",
                                            .journal_path = path,
                                            .identity = &identity,
                                            .time = (uint64_t)time(NULL),
                                            .asked = "bitmap --add disk b0"};

        snprintf(entry.transaction, sizeof entry.transaction, "%032x", ++f->transactions);
        assert_int_equal(journal_index_put(f->index, &entry), 0);
        assert_int_equal(journal_index_wait(f->index), 0);
}

struct told {
        unsigned int count;
        unsigned int stop_at; /* 0: never */
        char paths[16][8200];
        bool transactions[8192];
};

static int tell_path(void *context, const char *path)
{
        struct told *told = context;

        assert_true(told->count < 16 && strlen(path) < sizeof told->paths[0]);
        strcpy(told->paths[told->count++], path);
        return told->count == told->stop_at ? 42 : 0;
}

static int find(struct fixture *f, uint8_t image, struct told *told)
{
        struct journal_identity identity = image_number(image);
        int error = journal_index_find(f->index, &identity);

        memset(told, 0, offsetof(struct told, paths));
        return error ? error : journal_index_found(f->index, tell_path, told);
}

static bool was_told(const struct told *told, const char *path)
{
        for (unsigned int i = 0; i < told->count; i++)
                if (strcmp(told->paths[i], path) == 0)
                        return true;
        return false;
}

/* ---- finding ----------------------------------------------------------------- */

static struct told told;

static void an_images_journals_are_told_and_no_others(void **state)
{
        struct fixture *f = *state;

        start(f);
        assert_int_equal(find(f, 1, &told), 0);
        assert_int_equal(told.count, 0);
        put(f, 1, "/nowhere/first");
        put(f, 2, "/nowhere/other");
        put(f, 1, "/nowhere/second");
        for (int run = 0; run < 2; run++) { /* in this run, and in a later one */
                assert_int_equal(find(f, 1, &told), 0);
                assert_int_equal(told.count, 2);
                assert_true(was_told(&told, "/nowhere/first"));
                assert_true(was_told(&told, "/nowhere/second"));
                assert_int_equal(find(f, 2, &told), 0);
                assert_int_equal(told.count, 1);
                assert_int_equal(find(f, 3, &told), 0);
                assert_int_equal(told.count, 0);
                stop(f);
                start(f);
        }
}

/* The answer is taken long after the question: the child works meanwhile. */
static void the_answer_waits_until_it_is_asked_for(void **state)
{
        struct fixture *f = *state;
        struct journal_identity identity = image_number(1);

        start(f);
        put(f, 1, "/nowhere/first");
        assert_int_equal(journal_index_find(f->index, &identity), 0);
        usleep(200000);
        told.count = told.stop_at = 0;
        assert_int_equal(journal_index_found(f->index, tell_path, &told), 0);
        assert_int_equal(told.count, 1);
        assert_int_equal(journal_index_found(f->index, tell_path, &told), 0);
        assert_int_equal(told.count, 1); /* one question, one answer */
        put(f, 1, "/nowhere/second");
        assert_int_equal(find(f, 1, &told), 0);
        assert_int_equal(told.count, 2);
}

static void a_visitor_that_stops_is_heard(void **state)
{
        struct fixture *f = *state;
        struct journal_identity identity = image_number(1);

        start(f);
        put(f, 1, "/nowhere/first");
        put(f, 1, "/nowhere/second");
        assert_int_equal(journal_index_find(f->index, &identity), 0);
        told.count = 0;
        told.stop_at = 1;
        assert_int_equal(journal_index_found(f->index, tell_path, &told), 42);
        assert_int_equal(told.count, 1);
        assert_int_equal(find(f, 1, &told), 0);
        assert_int_equal(told.count, 2);
}

static const char *long_path(char last, size_t length)
{
        static char path[8200];

        memset(path, 'p', length);
        path[0] = '/';
        path[length - 1] = last;
        path[length] = '\0';
        return path;
}

/* Ten of 4,000 bytes do not fit into one answer: some are told, each of them whole. */
static void long_paths_are_told_whole(void **state)
{
        struct fixture *f = *state;

        start(f);
        put(f, 1, long_path('x', 8000));
        assert_int_equal(find(f, 1, &told), 0);
        assert_int_equal(told.count, 1);
        assert_string_equal(told.paths[0], long_path('x', 8000));
        for (char c = 'a'; c < 'k'; c++)
                put(f, 2, long_path(c, 4000));
        assert_int_equal(find(f, 2, &told), 0);
        assert_in_range(told.count, 8, 9);
        for (unsigned int i = 0; i < told.count; i++) {
                assert_int_equal(strlen(told.paths[i]), 4000);
                assert_string_equal(told.paths[i], long_path(told.paths[i][3999], 4000));
        }
}

/* ---- listing --------------------------------------------------------------------- */

static int tell_entry(void *context, const struct journal_index_entry *entry)
{
        struct told *all = context;
        unsigned long number = strtoul(entry->transaction, NULL, 16);

        assert_true(number < sizeof all->transactions && !all->transactions[number]);
        all->transactions[number] = true;
        assert_string_equal(entry->image_path, "/nowhere/disk");
        assert_string_equal(entry->asked, "bitmap --add disk b0");
        assert_int_equal(entry->identity->kind, JOURNAL_IDENTITY_HANDLE);
        assert_int_equal(strncmp(entry->journal_path, "/", 1), 0);
        return ++all->count == all->stop_at ? 43 : 0;
}

static int list(struct fixture *f)
{
        told.count = 0;
        memset(told.transactions, 0, sizeof told.transactions);
        return journal_index_each(f->index, tell_entry, &told);
}

static void put_many(struct fixture *f, unsigned int count)
{
        for (unsigned int i = 0; i < count; i++) {
                char path[32];

                snprintf(path, sizeof path, "/nowhere/j%u", i);
                put(f, (uint8_t)i, path);
        }
}

static void thousands_of_entries_are_each_told_once(void **state)
{
        struct fixture *f = *state;

        memset(&told, 0, offsetof(struct told, paths));
        start(f);
        assert_int_equal(list(f), 0);
        assert_int_equal(told.count, 0);
        put_many(f, 3000);
        assert_int_equal(list(f), 0);
        assert_int_equal(told.count, 3000);
        stop(f);
        start(f);
        assert_int_equal(list(f), 0);
        assert_int_equal(told.count, 3000);
        assert_int_equal(find(f, 7, &told), 0);
        assert_int_equal(told.count, 12); /* 3000 / 256, rounded up */
}

static void a_list_that_was_stopped_leaves_nothing_behind(void **state)
{
        struct fixture *f = *state;

        memset(&told, 0, offsetof(struct told, paths));
        start(f);
        put_many(f, 500);
        told.stop_at = 5;
        assert_int_equal(list(f), 43);
        assert_int_equal(told.count, 5);
        put(f, 200, "/nowhere/more"); /* gets its own answer, not one of the list's */
        told.stop_at = 0;
        assert_int_equal(list(f), 0);
        assert_int_equal(told.count, 501);
}

/* ---- garbage ----------------------------------------------------------------------- */

static void store_raw(struct fixture *f, const char *name, size_t key_size,
                      const void *value, size_t size)
{
        struct index_db database;
        char bytes[64] = "";
        MDB_val key = {key_size, bytes};
        MDB_val data = {size, (void *)(uintptr_t)value};
        MDB_txn *txn;
        MDB_dbi dbi;

        strcpy(bytes, name);
        assert_int_equal(index_db_open(&database, f->state), 0);
        assert_int_equal(mdb_txn_begin(database.env, NULL, 0, &txn), 0);
        assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
        assert_int_equal(mdb_put(txn, dbi, &key, &data, 0), 0);
        assert_int_equal(mdb_txn_commit(txn), 0);
        index_db_close(&database);
}

static void malformed_entries_are_passed_over(void **state)
{
        struct fixture *f = *state;
        uint8_t garbage[600];

        start(f);
        put(f, 1, "/nowhere/first");
        stop(f);
        memset(garbage, 0xff, sizeof garbage);
        garbage[0] = 1; /* the version */
        memset(garbage + 1, 0, 3);
        store_raw(f, "~", 32, garbage, sizeof garbage);
        store_raw(f, "0", 32, garbage, 20);
        store_raw(f, "short", 5, "", 0);
        store_raw(f, "1", 33, garbage, sizeof garbage);
        start(f);
        put(f, 1, "/nowhere/second");
        assert_int_equal(find(f, 1, &told), 0);
        assert_int_equal(told.count, 2);
        assert_int_equal(list(f), 0);
        assert_int_equal(told.count, 2);
}

static void write_data(struct fixture *f, const uint8_t *bytes, size_t size)
{
        int fd = open(f->data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, bytes, size), (ssize_t)size);
        close(fd);
}

static size_t read_data(struct fixture *f, uint8_t *bytes, size_t size)
{
        int fd = open(f->data, O_RDONLY | O_CLOEXEC);
        ssize_t length = read(fd, bytes, size);

        close(fd);
        assert_in_range(length, 1, size - 1);
        return (size_t)length;
}

/* An answer or an error, soon; and after a crash or two it works again. */
static void ask_a_damaged_one(struct fixture *f)
{
        double begun = seconds();
        int errors = 0;

        for (int run = 0; run < 3; run++) {
                int error;

                start(f);
                error = find(f, 1, &told);
                if (!error)
                        error = list(f);
                stop(f);
                assert_true(error <= 0);
                errors += error != 0;
        }
        assert_true(errors < 3);
        assert_true(seconds() - begun < 3 * 2.6);
}

static void a_damaged_database_costs_an_answer_and_no_more(void **state)
{
        static uint8_t bytes[1 << 20];
        static uint8_t bad[sizeof bytes];
        struct fixture *f = *state;
        unsigned int seed = 11;
        size_t size;

        memset(&told, 0, offsetof(struct told, paths));
        start(f);
        put_many(f, 10);
        stop(f);
        size = read_data(f, bytes, sizeof bytes);
        for (int round = 0; round < 40; round++) {
                size_t at = (size_t)rand_r(&seed) % size;
                size_t length = 1u << rand_r(&seed) % 13;

                memcpy(bad, bytes, size);
                for (size_t i = at; i < size && i < at + length; i++)
                        bad[i] = (uint8_t)rand_r(&seed);
                write_data(f, bad, round % 4 ? size : at);
                ask_a_damaged_one(f);
        }
}

/* ---- the child --------------------------------------------------------------------- */

static void a_child_that_died_is_an_error_at_once(void **state)
{
        struct fixture *f = *state;
        struct journal_identity identity = image_number(1);
        double begun;

        start(f);
        put(f, 1, "/nowhere/first");
        kill(child_of(), SIGSTOP);
        assert_int_equal(journal_index_find(f->index, &identity), 0);
        kill(child_of(), SIGKILL);
        begun = seconds();
        told.count = 0;
        assert_int_equal(journal_index_found(f->index, tell_path, &told), -EPIPE);
        assert_int_equal(find(f, 1, &told), -EPIPE);
        assert_int_equal(list(f), -EPIPE);
        assert_int_equal(journal_index_wait(f->index), -EPIPE);
        assert_true(seconds() - begun < 0.5);
        assert_int_equal(told.count, 0);
}

static void a_child_that_is_stopped_costs_a_second_and_no_more(void **state)
{
        struct fixture *f = *state;
        pid_t child;
        double begun;

        for (int listing = 0; listing < 2; listing++) {
                start(f);
                put(f, 1, "/nowhere/first");
                child = child_of();
                kill(child, SIGSTOP);
                begun = seconds();
                assert_int_equal(listing ? list(f) : find(f, 1, &told), -ETIMEDOUT);
                assert_true(seconds() - begun > 0.9 && seconds() - begun < 1.6);
                assert_int_equal(find(f, 1, &told), -ETIMEDOUT);
                assert_int_equal(list(f), -ETIMEDOUT);
                assert_true(seconds() - begun < 1.7);
                kill(child, SIGKILL);
                stop(f);
        }
}

static void a_state_directory_that_is_not_private_is_an_error(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(mkdir(f->state, 0755), 0);
        assert_int_equal(chmod(f->state, 0755), 0);
        start(f);
        assert_int_equal(find(f, 1, &told), -EPERM);
        assert_int_equal(list(f), -EPERM);
}

static void no_index_has_no_answer_and_no_error(void **state)
{
        struct fixture *f = *state;

        assert_null(f->index);
        assert_int_equal(find(f, 1, &told), 0);
        assert_int_equal(list(f), 0);
        assert_int_equal(told.count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(an_images_journals_are_told_and_no_others),
            TEST(the_answer_waits_until_it_is_asked_for),
            TEST(a_visitor_that_stops_is_heard),
            TEST(long_paths_are_told_whole),
            TEST(thousands_of_entries_are_each_told_once),
            TEST(a_list_that_was_stopped_leaves_nothing_behind),
            TEST(malformed_entries_are_passed_over),
            TEST(a_damaged_database_costs_an_answer_and_no_more),
            TEST(a_child_that_died_is_an_error_at_once),
            TEST(a_child_that_is_stopped_costs_a_second_and_no_more),
            TEST(a_state_directory_that_is_not_private_is_an_error),
            TEST(no_index_has_no_answer_and_no_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
