/* SPDX-License-Identifier: MIT */
/*
 * What a transaction takes: written, read, and given back as ranges; and claims that
 * nobody can have made.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/found.h"
#include "scratch.h"
#include "system_calls.h"

#define OLD_SIZE   (512u * 8u)
#define FINAL_SIZE (512u * 1000u + 7u)

struct fixture {
        struct scratch scratch;
        struct journal_place place;
        struct journal_image facts;
        struct journal *journal;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);

        scratch_create(&f->scratch);
        scratch_place(&f->scratch, "disk" JOURNAL_SUFFIX, &f->place);
        f->journal = scratch_journal(&f->place, "bitmap --add disk b0");
        scratch_identity(&f->facts.identity);
        f->facts.owner = geteuid();
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        system_calls_before = NULL;
        journal_close(f->journal);
        journal_place_release(&f->place);
        scratch_remove(&f->scratch);
        free(f);
        return 0;
}

static void begin(struct fixture *f)
{
        assert_int_equal(journal_begin(f->journal, OLD_SIZE, FINAL_SIZE), 0);
}

static void claim(struct fixture *f, uint64_t offset, uint64_t length)
{
        assert_int_equal(journal_claim(f->journal, offset, length), 0);
}

static void add_change(struct fixture *f)
{
        uint64_t hash = 5;
        struct journal_change change = {
            .step = 1, .offset = 512, .length = 512, .new_hashes = &hash};

        assert_int_equal(journal_add(f->journal, &change), 0);
}

/* The writer is gone. */
static struct journal_found *leave_and_open(struct fixture *f)
{
        struct journal_found *found;

        journal_close(f->journal);
        f->journal = NULL;
        assert_int_equal(journal_found_open(f->place.path, &f->facts, false, &found), 0);
        return found;
}

static void expect_claims(struct fixture *f, const struct journal_range *expected,
                          size_t expected_count)
{
        struct journal_found *found = leave_and_open(f);
        struct journal_range *ranges;
        size_t count;

        assert_int_equal(found->state, JOURNAL_HOT);
        assert_int_equal(journal_found_claims(found, &ranges, &count), 0);
        assert_int_equal(count, expected_count);
        for (size_t i = 0; i < count; i++) {
                assert_int_equal(ranges[i].offset, expected[i].offset);
                assert_int_equal(ranges[i].length, expected[i].length);
        }
        free(ranges);
        journal_found_close(found);
}

/* ---- written and read --------------------------------------------------------- */

static void claims_come_back_as_they_were_made(void **state)
{
        static const struct journal_range expected[] = {
            {4096, 8192}, {0, 1}, {512, 7}, {FINAL_SIZE - 1, 1}, {0, FINAL_SIZE}};
        struct fixture *f = *state;

        begin(f);
        for (size_t i = 0; i < 5; i++)
                claim(f, expected[i].offset, expected[i].length);
        add_change(f);
        assert_int_equal(journal_close_batch(f->journal), 0);
        expect_claims(f, expected, 5);
}

static void neighbours_are_one_range(void **state)
{
        static const struct journal_range expected[] = {
            {4096, 3 * 4096}, {65536, 4096}, {4096, 4096}, {0, 4096}};
        struct fixture *f = *state;

        begin(f);
        claim(f, 4096, 4096);
        claim(f, 8192, 4096);
        add_change(f); /* between them */
        claim(f, 12288, 4096);
        claim(f, 65536, 4096);
        claim(f, 4096, 4096); /* backwards is no neighbour */
        claim(f, 0, 4096);
        assert_int_equal(journal_close_batch(f->journal), 0);
        expect_claims(f, expected, 4);
}

static void only_those_of_closed_batches_count(void **state)
{
        static const struct journal_range expected[] = {{4096, 4096}, {16384, 512}};
        struct fixture *f = *state;

        begin(f);
        claim(f, 4096, 4096);
        assert_int_equal(journal_close_batch(f->journal), 0);
        add_change(f);
        claim(f, 16384, 512);
        assert_int_equal(journal_close_batch(f->journal), 0);
        claim(f, 32768, 512);
        expect_claims(f, expected, 2);
}

static void a_journal_without_claims_has_none(void **state)
{
        struct fixture *f = *state;

        begin(f);
        add_change(f);
        assert_int_equal(journal_close_batch(f->journal), 0);
        expect_claims(f, NULL, 0);
}

/* More than a sector, and more than the writer keeps in memory. */
static void many_claims_cross_sectors_and_buffers(void **state)
{
        struct fixture *f = *state;
        struct journal_range expected[5000];

        begin(f);
        for (size_t i = 0; i < 5000; i++) {
                expected[i] = (struct journal_range){(i * 7919) % 500000 + 1, i % 9 + 1};
                claim(f, expected[i].offset, expected[i].length);
        }
        assert_int_equal(journal_close_batch(f->journal), 0);
        expect_claims(f, expected, 5000);
}

/* ---- refused ------------------------------------------------------------------- */

static void what_is_not_inside_the_final_size_is_refused(void **state)
{
        struct fixture *f = *state;

        assert_int_equal(journal_claim(f->journal, 0, 512), -EINVAL); /* not begun */
        begin(f);
        assert_int_equal(journal_claim(f->journal, 512, 0), -EINVAL);
        assert_int_equal(journal_claim(f->journal, 0, FINAL_SIZE + 1ull), -EINVAL);
        assert_int_equal(journal_claim(f->journal, FINAL_SIZE, 1), -EINVAL);
        assert_int_equal(journal_claim(f->journal, 1, UINT64_MAX), -EINVAL);
        assert_int_equal(journal_claim(f->journal, UINT64_MAX, 1), -EINVAL);
        claim(f, 0, FINAL_SIZE);
}

static int no_space(void *context, const struct system_call_made *made)
{
        (void)context;
        return made->call == CALL_PWRITE ? ENOSPC : 0;
}

static void a_failed_write_ends_the_claiming(void **state)
{
        struct fixture *f = *state;
        int error = 0;

        begin(f);
        system_calls_before = no_space;
        for (size_t i = 0; i < 5000 && !error; i++)
                error = journal_claim(f->journal, 0, 512);
        system_calls_before = NULL;
        assert_int_equal(error, -ENOSPC);
        assert_int_equal(journal_claim(f->journal, 0, 512), -ENOSPC);
        assert_int_equal(journal_close_batch(f->journal), -ENOSPC);
}

/* ---- forged -------------------------------------------------------------------- */

/* The claim is the second record, in the first sector of its batch. */
static void forge_at(struct fixture *f, size_t at, const void *bytes, size_t length)
{
        struct journal_reader *reader = malloc(sizeof *reader);
        struct journal_record record;
        uint8_t sector[JOURNAL_SECTOR];
        int fd = scratch_open(&f->place);
        uint64_t index;

        assert_int_equal(journal_reader_open(reader, fd), 0);
        assert_int_equal(journal_reader_first(reader, &record), 1);
        assert_int_equal(journal_reader_next(reader, &record), 1);
        assert_int_equal(record.kind, JOURNAL_RECORD_CLAIM);
        assert_int_equal(record.claim.offset, 4096);
        assert_int_equal(record.claim.length, 512);
        index = record.position / JOURNAL_SECTOR;
        assert_int_equal(pread(fd, sector, 512, (off_t)index * 512), 512);
        assert_true(record.position % 512 + CLAIM_SIZE <= SECTOR_PAYLOAD_SIZE);
        memcpy(sector + record.position % 512 + at, bytes, length);
        journal_sector_seal(sector, index);
        assert_int_equal(pwrite(fd, sector, 512, (off_t)index * 512), 512);
        close(fd);
        free(reader);
}

static void expect_forgery(struct fixture *f, size_t at, uint64_t value, size_t length)
{
        struct journal_found *found;

        if (!f->journal)
                f->journal = scratch_journal(&f->place, "bitmap --add disk b0");
        begin(f);
        claim(f, 4096, 512);
        add_change(f);
        assert_int_equal(journal_close_batch(f->journal), 0);
        forge_at(f, at, &value, length);
        found = leave_and_open(f);
        assert_int_equal(found->state, JOURNAL_DAMAGED);
        assert_int_equal(found->reader.fault, JOURNAL_FAULT_RECORD);
        journal_found_close(found);
        assert_int_equal(unlink(f->place.path), 0);
}

static void a_claim_that_nobody_can_have_made_is_damage(void **state)
{
        struct fixture *f = *state;

        expect_forgery(f, CLAIM_LENGTH, 0, 8);
        expect_forgery(f, CLAIM_LENGTH, FINAL_SIZE, 8);
        expect_forgery(f, CLAIM_LENGTH, UINT64_MAX, 8);
        expect_forgery(f, CLAIM_OFFSET, FINAL_SIZE, 8);
        expect_forgery(f, CLAIM_OFFSET, UINT64_MAX - 511, 8);
        expect_forgery(f, RECORD_FLAGS, 1, 4);
        expect_forgery(f, RECORD_KIND, 5, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(claims_come_back_as_they_were_made),
            TEST(neighbours_are_one_range),
            TEST(only_those_of_closed_batches_count),
            TEST(a_journal_without_claims_has_none),
            TEST(many_claims_cross_sectors_and_buffers),
            TEST(what_is_not_inside_the_final_size_is_refused),
            TEST(a_failed_write_ends_the_claiming),
            TEST(a_claim_that_nobody_can_have_made_is_damage),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
