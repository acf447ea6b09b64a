/* SPDX-License-Identifier: MIT */
/*
 * What is written is what is read; what it costs in system calls.  Those of the
 * library are counted, and can fail.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/journal.h"
#include "journal/read.h"
#include "scratch.h"
#include "system_calls.h"

static struct {
        unsigned int pwrites, fdatasyncs, fsyncs;
        uint64_t bytes;
        int fail_pwrite, fail_fdatasync, fail_fsync; /* errno of the next one; 0: none */
} calls;

static int take(int *error)
{
        int taken = *error;

        *error = 0;
        return taken;
}

static int before_system_call(void *context, const struct system_call_made *made)
{
        (void)context;
        switch (made->call) {
        case CALL_PWRITE:
                calls.pwrites++;
                calls.bytes += made->length;
                return take(&calls.fail_pwrite);
        case CALL_FDATASYNC:
                calls.fdatasyncs++;
                return take(&calls.fail_fdatasync);
        case CALL_FSYNC:
                calls.fsyncs++;
                return take(&calls.fail_fsync);
        default:
                return 0;
        }
}

struct fixture {
        struct scratch scratch;
        struct journal_place place;
        struct journal *journal;
        struct journal_reader *reader;
        uint64_t hashes[4096];
        uint8_t old_bytes[512 * 256];
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        unsigned int seed = 3;

        scratch_create(&f->scratch);
        scratch_place(&f->scratch, "image" JOURNAL_SUFFIX, &f->place);
        f->journal = scratch_journal(&f->place, "bitmap --add image b0");
        f->reader = malloc(sizeof *f->reader);
        for (size_t i = 0; i < 4096; i++)
                f->hashes[i] = (uint64_t)rand_r(&seed) << 32 | (uint64_t)rand_r(&seed);
        for (size_t i = 0; i < sizeof f->old_bytes; i++)
                f->old_bytes[i] = (uint8_t)rand_r(&seed);
        memset(&calls, 0, sizeof calls);
        system_calls_before = before_system_call;
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        journal_close(f->journal);
        journal_place_release(&f->place);
        scratch_remove(&f->scratch);
        free(f->reader);
        free(f);
        return 0;
}

static int add(struct fixture *f, uint32_t step, uint64_t sector, uint64_t sectors,
               enum journal_old old, bool is_switch)
{
        struct journal_change change = {
            .step = step,
            .is_switch = is_switch,
            .behind_end = old == JOURNAL_OLD_BEHIND_END,
            .offset = sector * 512,
            .length = sectors * 512,
            .old_bytes = old == JOURNAL_OLD_BYTES ? f->old_bytes : NULL,
            .new_hashes = f->hashes,
        };

        return journal_add(f->journal, &change);
}

/* The records of one change, which may have been split. */
static void expect_change(struct fixture *f, uint32_t step, uint64_t sector,
                          uint32_t sectors, enum journal_old old, bool is_switch,
                          struct journal_record *record)
{
        uint32_t done = 0;

        while (done < sectors) {
                assert_int_equal(journal_reader_next(f->reader, record), 1);
                assert_int_equal(record->kind, JOURNAL_RECORD_CHANGE);
                assert_int_equal(record->change.step, step);
                assert_int_equal(record->change.old, old);
                assert_int_equal(record->change.is_switch, is_switch);
                assert_int_equal(record->change.offset, (sector + done) * 512);
                for (uint32_t i = 0; i < record->change.sectors; i++)
                        assert_int_equal(journal_record_hash(record, i),
                                         f->hashes[done + i]);
                if (old == JOURNAL_OLD_BYTES)
                        assert_memory_equal(record->change.old_bytes,
                                            f->old_bytes + done * 512u,
                                            record->change.sectors * 512u);
                else
                        assert_null(record->change.old_bytes);
                done += record->change.sectors;
        }
        assert_int_equal(done, sectors);
}

static void expect_close(struct fixture *f, uint32_t batch, uint64_t count)
{
        struct journal_record record;

        assert_int_equal(journal_reader_next(f->reader, &record), 1);
        assert_int_equal(record.kind, JOURNAL_RECORD_CLOSE);
        assert_int_equal(record.batch, batch);
        assert_int_equal(record.close.count, count);
        assert_true(record.close.time > 0);
}

static void open_reader(struct fixture *f, int expected)
{
        int fd = scratch_open(&f->place);

        assert_true(fd >= 0);
        assert_int_equal(journal_reader_open(f->reader, fd), expected);
}

static void close_reader(struct fixture *f)
{
        close(f->reader->fd);
}

static void records_come_back_as_they_were_added(void **state)
{
        struct fixture *f = *state;
        struct journal_record record;

        assert_int_equal(journal_begin(f->journal, 512 * 5000, 512 * 9000), 0);
        assert_int_equal(add(f, 1, 5000, 3000, JOURNAL_OLD_BEHIND_END, false), 0);
        assert_int_equal(add(f, 1, 7, 200, JOURNAL_OLD_BYTES, false), 0);
        assert_int_equal(journal_close_batch(f->journal), 0);
        assert_int_equal(add(f, 1, 300, 2, JOURNAL_OLD_ZEROS, false), 0);
        assert_int_equal(add(f, 4, 0, 1, JOURNAL_OLD_BYTES, true), 0);
        assert_int_equal(journal_close_batch(f->journal), 0);

        open_reader(f, 0);
        assert_true(f->reader->has_header);
        assert_int_equal(f->reader->header.old_size, 512 * 5000);
        assert_int_equal(f->reader->header.final_size, 512 * 9000);
        assert_int_equal(f->reader->header.identity.kind, JOURNAL_IDENTITY_INODE);
        assert_int_equal(f->reader->closed_batches, 2);
        assert_int_equal(f->reader->ending, 0);
        assert_true(f->reader->has_switch);
        assert_int_equal(f->reader->switch_offset, 0);

        assert_int_equal(journal_reader_first(f->reader, &record), 1);
        assert_int_equal(record.kind, JOURNAL_RECORD_ASKED);
        assert_int_equal(record.asked.length, strlen("bitmap --add image b0"));
        assert_memory_equal(record.asked.text, "bitmap --add image b0",
                            record.asked.length);
        expect_change(f, 1, 5000, 3000, JOURNAL_OLD_BEHIND_END, false, &record);
        expect_change(f, 1, 7, 200, JOURNAL_OLD_BYTES, false, &record);
        expect_close(f, 1, 1 + 3 + 4);
        expect_change(f, 1, 300, 2, JOURNAL_OLD_ZEROS, false, &record);
        expect_change(f, 4, 0, 1, JOURNAL_OLD_BYTES, true, &record);
        expect_close(f, 2, 2);
        assert_int_equal(journal_reader_next(f->reader, &record), 0);
        close_reader(f);
}

static void the_way_back_visits_the_same_records(void **state)
{
        struct fixture *f = *state;
        uint64_t positions[256];
        struct journal_record record;
        size_t count = 0;
        int status;

        assert_int_equal(journal_begin(f->journal, 1 << 20, 1 << 20), 0);
        for (uint32_t batch = 0; batch < 5; batch++) {
                for (uint32_t i = 0; i < 20; i++)
                        assert_int_equal(
                            add(f, 1 + batch, i, 1 + i * 7,
                                i % 2 ? JOURNAL_OLD_BYTES : JOURNAL_OLD_ZEROS, false),
                            0);
                assert_int_equal(journal_close_batch(f->journal), 0);
        }
        open_reader(f, 0);
        for (status = journal_reader_first(f->reader, &record); status == 1;
             status = journal_reader_next(f->reader, &record)) {
                assert_int_equal(record.sequence, count);
                assert_true(count < 256);
                positions[count++] = record.position;
        }
        assert_int_equal(status, 0);
        assert_int_equal(count, f->reader->records);
        for (status = journal_reader_last(f->reader, &record); status == 1;
             status = journal_reader_previous(f->reader, &record)) {
                assert_int_equal(record.position, positions[--count]);
                assert_int_equal(record.sequence, count);
        }
        assert_int_equal(status, 0);
        assert_int_equal(count, 0);
        close_reader(f);
}

static void a_plain_edit_costs_two_writes_and_three_syncs(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(journal_begin(f->journal, 1 << 20, 2 << 20), 0);
        assert_int_equal(add(f, 1, 2048, 256, JOURNAL_OLD_BEHIND_END, false), 0);
        assert_int_equal(add(f, 1, 5, 1, JOURNAL_OLD_BYTES, false), 0);
        assert_int_equal(add(f, 2, 0, 1, JOURNAL_OLD_BYTES, true), 0);
        assert_int_equal(calls.pwrites, 0);
        assert_int_equal(journal_close_batch(f->journal), 0);
        assert_int_equal(calls.pwrites, 1);
        assert_int_equal(calls.fdatasyncs, 1);
        assert_int_equal(calls.fsyncs, 1);
        assert_true(calls.bytes <= 8192);
        assert_int_equal(journal_end(f->journal, JOURNAL_DONE), 0);
        assert_int_equal(journal_remove(f->journal), 0);
        assert_int_equal(calls.pwrites, 2);
        assert_int_equal(calls.fdatasyncs, 2);
        assert_int_equal(calls.fsyncs, 1);
}

static void the_ending_needs_no_room_of_its_own(void **state)
{
        struct fixture *f = *state;
        struct stat before;
        struct stat after;

        assert_int_equal(journal_begin(f->journal, 4096, 4096), 0);
        assert_int_equal(add(f, 1, 5, 1, JOURNAL_OLD_BYTES, false), 0);
        assert_int_equal(journal_close_batch(f->journal), 0);
        assert_int_equal(stat(f->place.path, &before), 0);
        assert_int_equal(journal_end(f->journal, JOURNAL_ABORTED), 0);
        assert_int_equal(stat(f->place.path, &after), 0);
        assert_int_equal(before.st_size, after.st_size);
        assert_int_equal(before.st_blocks, after.st_blocks);
        open_reader(f, 0);
        assert_int_equal(f->reader->ending, JOURNAL_ABORTED);
        assert_true(f->reader->ending_time > 0);
        close_reader(f);
}

static void the_file_is_private_and_locked(void **state)
{
        struct fixture *f = *state;
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct stat status;
        int fd;

        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
        assert_int_equal(stat(f->place.path, &status), 0);
        assert_int_equal(status.st_mode & 07777, 0600);
        assert_int_equal(status.st_size, 0);
        fd = scratch_open(&f->place);
        assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
        assert_int_equal(lock.l_type, F_WRLCK);
        journal_close(f->journal);
        f->journal = NULL;
        lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
        assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
        assert_int_equal(lock.l_type, F_UNLCK);
        close(fd);
}

static void a_second_transaction_is_refused_while_one_is_there(void **state)
{
        struct fixture *f = *state;
        struct journal *other = scratch_journal(&f->place, "");

        assert_int_equal(journal_begin(f->journal, 512, 512), 0);
        assert_int_equal(journal_begin(f->journal, 512, 512), -EBUSY);
        assert_int_equal(journal_begin(other, 512, 512), -EEXIST);
        journal_close(other);
        other = scratch_journal(&f->place, "");
        assert_int_equal(journal_remove(f->journal), 0);
        assert_int_equal(journal_begin(other, 512, 512), 0);
        assert_string_not_equal(journal_transaction_id(other),
                                journal_transaction_id(f->journal));
        assert_int_equal(journal_remove(other), 0);
        journal_close(other);
}

static void a_link_in_its_place_is_not_followed(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(symlink("elsewhere", f->place.path), 0);
        assert_int_equal(journal_begin(f->journal, 512, 512), -EEXIST);
        assert_int_not_equal(access(scratch_path(&f->scratch, "elsewhere"), F_OK), 0);
}

static void transactions_follow_each_other_with_new_identifiers(void **state)
{
        struct fixture *f = *state;
        char first[33];

        assert_string_equal(journal_transaction_id(f->journal), "");
        assert_int_equal(journal_begin(f->journal, 4096, 4096), 0);
        strcpy(first, journal_transaction_id(f->journal));
        assert_int_equal(strlen(first), 32);
        assert_int_equal(add(f, 3, 1, 1, JOURNAL_OLD_BYTES, true), 0);
        assert_int_equal(journal_close_batch(f->journal), 0);
        assert_int_equal(journal_end(f->journal, JOURNAL_DONE), 0);
        assert_int_equal(journal_remove(f->journal), 0);

        assert_int_equal(journal_begin(f->journal, 4096, 4096), 0);
        assert_string_not_equal(journal_transaction_id(f->journal), first);
        assert_int_equal(add(f, 1, 1, 1, JOURNAL_OLD_BYTES, true), 0);
        assert_int_equal(journal_close_batch(f->journal), 0);
        open_reader(f, 0);
        assert_int_equal(f->reader->closed_batches, 1);
        assert_int_equal(f->reader->records, 3);
        close_reader(f);
        assert_int_equal(journal_remove(f->journal), 0);
        assert_int_not_equal(access(f->place.path, F_OK), 0);
}

static void impossible_changes_are_refused(void **state)
{
        struct fixture *f = *state;
        struct journal_change change = {.step = 1,
                                        .offset = 512,
                                        .length = 512,
                                        .old_bytes = f->old_bytes,
                                        .new_hashes = f->hashes};
        struct journal_change bad;

        assert_int_equal(journal_begin(f->journal, 4096, 2048), -EINVAL);
        assert_int_equal(journal_begin(f->journal, 4096, 8192 + 1), 0);
#define REFUSED(assignment)                                                              \
        do {                                                                             \
                bad = change;                                                            \
                assignment;                                                              \
                assert_int_equal(journal_add(f->journal, &bad), -EINVAL);                \
        } while (0)
        REFUSED(bad.offset = 511);
        REFUSED(bad.length = 513);
        REFUSED(bad.length = 0);
        REFUSED(bad.step = 0);
        REFUSED(bad.offset = UINT64_MAX - 511);
        REFUSED(bad.offset = 8192 + 512);
        REFUSED(bad.length = 8192 + 512);
        REFUSED(bad.behind_end = true);                         /* with old bytes */
        REFUSED((bad.behind_end = true, bad.old_bytes = NULL)); /* before the end */
        REFUSED((bad.is_switch = true, bad.length = 1024));
        /* The sector that holds the final end is a whole sector. */
        bad = change;
        bad.offset = 8192;
        assert_int_equal(journal_add(f->journal, &bad), 0);
        change.step = 2;
        change.is_switch = true;
        assert_int_equal(journal_add(f->journal, &change), 0);
        REFUSED(bad.step = 2);                          /* a second switch */
        REFUSED((bad.is_switch = false, bad.step = 1)); /* a step back */
#undef REFUSED
}

static void a_failed_write_or_sync_ends_the_writing(void **state)
{
        struct fixture *f = *state;
        int *failures[] = {&calls.fail_pwrite, &calls.fail_fdatasync, &calls.fail_fsync};

        for (size_t i = 0; i < 3; i++) {
                unsigned int syncs;

                assert_int_equal(journal_begin(f->journal, 4096, 4096), 0);
                assert_int_equal(add(f, 1, 0, 1, JOURNAL_OLD_BYTES, false), 0);
                *failures[i] = EIO;
                assert_int_equal(journal_close_batch(f->journal), -EIO);
                syncs = calls.fdatasyncs + calls.fsyncs;
                assert_int_equal(journal_close_batch(f->journal), -EIO);
                assert_int_equal(add(f, 1, 1, 1, JOURNAL_OLD_BYTES, false), -EIO);
                assert_int_equal(calls.fdatasyncs + calls.fsyncs, syncs);
                assert_int_equal(journal_end(f->journal, JOURNAL_ABORTED), 0);
                assert_int_equal(journal_remove(f->journal), 0);
        }
}

static void a_short_write_is_continued_or_reported(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(journal_begin(f->journal, 4096, 4096), 0);
        assert_int_equal(add(f, 1, 0, 1, JOURNAL_OLD_BYTES, false), 0);
        system_calls_short_write = 700;
        assert_int_equal(journal_close_batch(f->journal), 0);
        open_reader(f, 0);
        assert_int_equal(f->reader->closed_batches, 1);
        close_reader(f);
        assert_int_equal(journal_remove(f->journal), 0);
}

static void a_full_disk_in_a_large_batch_leaves_no_closed_batch(void **state)
{
        struct fixture *f = *state;
        int error = 0;

        assert_int_equal(journal_begin(f->journal, 1 << 20, 1 << 20), 0);
        calls.fail_pwrite = ENOSPC;
        for (int i = 0; i < 4 && !error; i++)
                error = add(f, 1, 0, 64, JOURNAL_OLD_BYTES, false);
        assert_int_equal(error, -ENOSPC);
        assert_int_equal(journal_close_batch(f->journal), -ENOSPC);
        open_reader(f, 0);
        assert_int_equal(f->reader->closed_batches, 0);
        close_reader(f);
        /* Nothing was applied, so no ending needs to be written either. */
        calls.pwrites = 0;
        assert_int_equal(journal_end(f->journal, JOURNAL_ABORTED), 0);
        assert_int_equal(calls.pwrites, 0);
        assert_int_equal(journal_remove(f->journal), 0);
}

static void an_ending_that_failed_may_be_written_again(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(journal_begin(f->journal, 4096, 4096), 0);
        assert_int_equal(add(f, 1, 0, 1, JOURNAL_OLD_BYTES, false), 0);
        assert_int_equal(journal_close_batch(f->journal), 0);
        calls.fail_fdatasync = EIO;
        calls.pwrites = 0;
        assert_int_equal(journal_end(f->journal, JOURNAL_DONE), -EIO);
        assert_int_equal(journal_end(f->journal, JOURNAL_DONE), 0);
        assert_int_equal(calls.pwrites, 2); /* not only synced again */
        open_reader(f, 0);
        assert_int_equal(f->reader->ending, JOURNAL_DONE);
        close_reader(f);
}

static void a_long_command_line_is_cut(void **state)
{
        struct fixture *f = *state;
        struct journal_record record;
        char *asked = malloc(40000);
        struct journal *journal;

        memset(asked, 'x', 39999);
        asked[39999] = '\0';
        journal = scratch_journal(&f->place, asked);
        assert_int_equal(journal_begin(journal, 4096, 4096), 0);
        assert_int_equal(journal_close_batch(journal), 0);
        open_reader(f, 0);
        assert_int_equal(journal_reader_first(f->reader, &record), 1);
        assert_int_equal(record.asked.length, JOURNAL_ASKED_MAX);
        assert_memory_equal(record.asked.text, asked, JOURNAL_ASKED_MAX);
        close_reader(f);
        journal_close(journal);
        free(asked);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(records_come_back_as_they_were_added),
            TEST(the_way_back_visits_the_same_records),
            TEST(a_plain_edit_costs_two_writes_and_three_syncs),
            TEST(the_ending_needs_no_room_of_its_own),
            TEST(the_file_is_private_and_locked),
            TEST(a_second_transaction_is_refused_while_one_is_there),
            TEST(a_link_in_its_place_is_not_followed),
            TEST(transactions_follow_each_other_with_new_identifiers),
            TEST(impossible_changes_are_refused),
            TEST(a_failed_write_or_sync_ends_the_writing),
            TEST(a_short_write_is_continued_or_reported),
            TEST(a_full_disk_in_a_large_batch_leaves_no_closed_batch),
            TEST(an_ending_that_failed_may_be_written_again),
            TEST(a_long_command_line_is_cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
