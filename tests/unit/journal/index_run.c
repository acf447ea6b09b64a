/* SPDX-License-Identifier: MIT */
#include "index_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cmocka_all.h"

int index_run_set_up(void **state)
{
        struct index_run *f = calloc(1, sizeof *f);

        scratch_create(&f->scratch);
        snprintf(f->state, sizeof f->state, "%s/state", f->scratch.path);
        snprintf(f->data, sizeof f->data, "%s/index/data.mdb", f->state);
        f->identity.kind = JOURNAL_IDENTITY_HANDLE;
        f->identity.length = 12;
        memset(f->identity.bytes, 0x31, 12);
        *state = f;
        return 0;
}

int index_run_tear_down(void **state)
{
        struct index_run *f = *state;

        scratch_remove(&f->scratch);
        free(f);
        return 0;
}

double seconds(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void wait_for_children(void)
{
        assert_int_equal(wait(NULL), -1);
        assert_int_equal(errno, ECHILD);
}

unsigned int list_children(pid_t *child)
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

int index_put(struct index_run *f, struct journal_index *index, const char *journal_path)
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

int index_run(struct index_run *f, const char *journal_path)
{
        struct journal_index *index;
        int error;

        assert_int_equal(journal_index_start(f->state, &index), 0);
        error = index_put(f, index, journal_path);
        journal_index_stop(index);
        wait_for_children();
        return error;
}

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

void index_list(struct index_run *f, struct listing *listing)
{
        struct index_db database;

        listing->count = 0;
        assert_int_equal(index_db_open(&database, f->state), 0);
        assert_int_equal(index_db_each(&database, list_one, listing), 0);
        index_db_close(&database);
}

bool is_listed(const struct listing *listing, const char *transaction)
{
        for (unsigned int i = 0; i < listing->count; i++)
                if (strcmp(listing->transactions[i], transaction) == 0)
                        return true;
        return false;
}
