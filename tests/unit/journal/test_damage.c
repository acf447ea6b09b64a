/* SPDX-License-Identifier: MIT */
/*
 * Journals that are cut, torn, bent and forged.  What a power loss can do to one is no
 * damage, and is read as "closed up to batch k"; everything else is told as damage.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/journal.h"
#include "journal/read.h"
#include "scratch.h"

#define BATCHES 3

struct fixture {
        uint8_t *bytes; /* a sound journal of three batches */
        size_t size;
        size_t batch_end[BATCHES + 1]; /* [0]: where the first one begins */
        uint64_t tag;
        int fd; /* memory file that the reader gets */
        struct journal_reader *reader;
};

static void write_journal(struct journal *journal, struct fixture *f, const char *path)
{
        uint64_t hashes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        uint8_t old_bytes[1024];
        struct stat status;

        memset(old_bytes, 0xa5, sizeof old_bytes);
        assert_int_equal(journal_begin(journal, 8192, 16384), 0);
        f->batch_end[0] = JOURNAL_RECORDS_OFFSET;
        for (uint32_t batch = 1; batch <= BATCHES; batch++) {
                struct journal_change bytes = {.step = batch,
                                               .offset = 512,
                                               .length = 1024,
                                               .old_bytes = old_bytes,
                                               .new_hashes = hashes};
                struct journal_change fresh = {.step = batch,
                                               .behind_end = true,
                                               .offset = 8192,
                                               .length = 4096,
                                               .new_hashes = hashes};

                assert_int_equal(journal_add(journal, &bytes), 0);
                assert_int_equal(journal_add(journal, &fresh), 0);
                assert_int_equal(journal_close_batch(journal), 0);
                assert_int_equal(stat(path, &status), 0);
                f->batch_end[batch] = (size_t)status.st_size;
        }
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        struct scratch scratch;
        struct journal_place place;
        struct journal *journal;
        int fd;

        scratch_create(&scratch);
        scratch_place(&scratch, "j", &place);
        journal = scratch_journal(&place, "what was asked");
        write_journal(journal, f, place.path);
        fd = scratch_open(&place);
        f->size = f->batch_end[BATCHES];
        f->bytes = malloc(f->size);
        assert_int_equal(pread(fd, f->bytes, f->size, 0), (ssize_t)f->size);
        f->tag = load_le64(f->bytes + HEADER_TRANSACTION);
        close(fd);
        journal_close(journal);
        journal_place_release(&place);
        scratch_remove(&scratch);
        f->fd = memfd_create("journal", MFD_CLOEXEC);
        f->reader = malloc(sizeof *f->reader);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        close(f->fd);
        free(f->reader);
        free(f->bytes);
        free(f);
        return 0;
}

static int examine(struct fixture *f, const uint8_t *bytes, size_t size)
{
        assert_int_equal(ftruncate(f->fd, 0), 0);
        assert_int_equal(pwrite(f->fd, bytes, size, 0), (ssize_t)size);
        return journal_reader_open(f->reader, f->fd);
}

static uint32_t closed_at(const struct fixture *f, size_t size)
{
        uint32_t closed = 0;

        while (closed < BATCHES && f->batch_end[closed + 1] <= size)
                closed++;
        return closed;
}

/* Reading on gives exactly the records that the examination counted. */
static void expect_records(struct fixture *f)
{
        struct journal_record record;
        uint64_t count = 0;
        int status;

        for (status = journal_reader_first(f->reader, &record); status == 1;
             status = journal_reader_next(f->reader, &record))
                count++;
        assert_int_equal(status, 0);
        assert_int_equal(count, f->reader->records);
}

static void cut_at_every_byte_it_is_closed_up_to_a_whole_batch(void **state)
{
        struct fixture *f = *state;

        for (size_t size = 0; size <= f->size; size++) {
                assert_int_equal(examine(f, f->bytes, size), 0);
                assert_int_equal(f->reader->closed_batches, closed_at(f, size));
                assert_int_equal(f->reader->ending, 0);
                assert_int_equal(f->reader->has_header, size >= 512);
                expect_records(f);
        }
}

static void every_flipped_bit_is_damage(void **state)
{
        struct fixture *f = *state;

        for (size_t i = 0; i < f->size; i++) {
                for (unsigned int bit = 0; bit < 8; bit++) {
                        f->bytes[i] ^= (uint8_t)(1u << bit);
                        assert_int_equal(examine(f, f->bytes, f->size), -EBADMSG);
                        assert_int_not_equal(f->reader->fault, JOURNAL_FAULT_NONE);
                        /* The place that is told is the sector that was bent. */
                        assert_int_equal(f->reader->fault_offset / 512, i / 512);
                        f->bytes[i] ^= (uint8_t)(1u << bit);
                }
        }
}

static void every_changed_byte_of_an_ended_journal_is_damage(void **state)
{
        struct fixture *f = *state;
        uint8_t *ending = f->bytes + 512;

        memcpy(ending + ENDING_MAGIC, JOURNAL_ENDING_MAGIC, 8);
        store_le32(ending + ENDING_KIND, JOURNAL_DONE);
        memcpy(ending + ENDING_TRANSACTION, f->bytes + HEADER_TRANSACTION, 16);
        store_le64(ending + ENDING_TIME, 77);
        journal_sector_seal(ending, 1);
        assert_int_equal(examine(f, f->bytes, f->size), 0);
        assert_int_equal(f->reader->ending, JOURNAL_DONE);
        assert_int_equal(f->reader->ending_time, 77);
        for (size_t i = 512; i < 1024; i++) {
                f->bytes[i] ^= 0x10;
                assert_int_equal(examine(f, f->bytes, f->size), -EBADMSG);
                assert_int_equal(f->reader->fault, JOURNAL_FAULT_ENDING);
                f->bytes[i] ^= 0x10;
        }
        ending[ENDING_TRANSACTION] ^= 1; /* another transaction's */
        journal_sector_seal(ending, 1);
        assert_int_equal(examine(f, f->bytes, f->size), -EBADMSG);
        assert_int_equal(f->reader->fault, JOURNAL_FAULT_ENDING);
}

/* Of the last write, any sectors may be missing: zeros, or beyond the end. */
static void every_torn_last_batch_does_not_count(void **state)
{
        struct fixture *f = *state;
        size_t start = f->batch_end[BATCHES - 1];
        size_t sectors = (f->size - start) / 512;
        uint8_t *torn = malloc(f->size);

        assert_true(sectors >= 3 && sectors < 12);
        for (uint32_t arrived = 0; arrived < (1u << sectors) - 1; arrived++) {
                memcpy(torn, f->bytes, f->size);
                for (size_t i = 0; i < sectors; i++)
                        if (!(arrived >> i & 1))
                                memset(torn + start + i * 512, 0, 512);
                assert_int_equal(examine(f, torn, f->size), 0);
                assert_int_equal(f->reader->closed_batches, BATCHES - 1);
                expect_records(f);
        }
        free(torn);
}

static void every_torn_first_write_has_no_closed_batch(void **state)
{
        struct fixture *f = *state;
        size_t size = f->batch_end[1];
        size_t sectors = size / 512;
        uint8_t *torn = malloc(size);

        assert_true(sectors < 12);
        /* Sector 1 is zeros anyway: all others arrived means the whole write did. */
        for (uint32_t arrived = 0; arrived < 1u << sectors; arrived++) {
                bool whole = (arrived | 2) == (1u << sectors) - 1;

                memcpy(torn, f->bytes, size);
                for (size_t i = 0; i < sectors; i++)
                        if (!(arrived >> i & 1))
                                memset(torn + i * 512, 0, 512);
                assert_int_equal(examine(f, torn, size), 0);
                assert_int_equal(f->reader->closed_batches, whole);
        }
        free(torn);
}

static void a_hole_before_a_later_batch_is_damage(void **state)
{
        struct fixture *f = *state;

        for (size_t at = 0; at < f->batch_end[BATCHES - 1]; at += 512) {
                uint8_t saved[512];

                if (at == 512)
                        continue; /* the ending record's room, empty anyway */
                memcpy(saved, f->bytes + at, 512);
                memset(f->bytes + at, 0, 512);
                assert_int_equal(examine(f, f->bytes, f->size), -EBADMSG);
                assert_int_equal(f->reader->fault, JOURNAL_FAULT_MISSING);
                memcpy(f->bytes + at, saved, 512);
        }
}

/* A power loss leaves zeros or the right bytes, in the last write as well. */
static void a_damaged_sector_of_an_unclosed_batch_is_damage(void **state)
{
        struct fixture *f = *state;
        size_t start = f->batch_end[BATCHES - 1];

        memset(f->bytes + start, 0, 512);
        assert_int_equal(examine(f, f->bytes, f->size), 0);
        for (size_t at = start + 512; at < f->size; at += 100) {
                f->bytes[at] ^= 4;
                assert_int_equal(examine(f, f->bytes, f->size), -EBADMSG);
                assert_int_equal(f->reader->fault, JOURNAL_FAULT_SECTOR);
                f->bytes[at] ^= 4;
        }
}

static void a_sector_is_valid_in_its_own_place_only(void **state)
{
        struct fixture *f = *state;
        const uint8_t *sector = f->bytes + JOURNAL_RECORDS_OFFSET;

        for (uint64_t index = 0; index < 100; index++)
                assert_int_equal(journal_sector_examine(sector, index),
                                 index == JOURNAL_RECORDS_OFFSET / 512 ? SECTOR_VALID
                                                                       : SECTOR_DAMAGED);
}

static void sectors_that_changed_places_are_damage(void **state)
{
        struct fixture *f = *state;
        size_t a = f->batch_end[0];
        size_t b = a + 512;
        uint8_t saved[512];

        memcpy(saved, f->bytes + a, 512);
        memcpy(f->bytes + a, f->bytes + b, 512);
        memcpy(f->bytes + b, saved, 512);
        assert_int_equal(examine(f, f->bytes, f->size), -EBADMSG);
}

static void sectors_of_another_transaction_never_arrived(void **state)
{
        struct fixture *f = *state;
        size_t at = f->batch_end[BATCHES - 1];

        for (; at < f->size; at += 512)
                journal_sector_seal_batch(f->bytes + at, at / 512, f->tag + 1, BATCHES);
        assert_int_equal(examine(f, f->bytes, f->size), 0);
        assert_int_equal(f->reader->closed_batches, BATCHES - 1);
}

static void a_newer_format_is_told_apart_from_damage(void **state)
{
        struct fixture *f = *state;

        store_le32(f->bytes + HEADER_VERSION, JOURNAL_FORMAT_VERSION + 1);
        assert_int_equal(examine(f, f->bytes, f->size), -EBADMSG);
        journal_sector_seal(f->bytes, 0);
        assert_int_equal(examine(f, f->bytes, f->size), -EPROTONOSUPPORT);
        assert_int_equal(f->reader->fault, JOURNAL_FAULT_VERSION);
        assert_int_equal(f->reader->header.version, JOURNAL_FORMAT_VERSION + 1);
}

static void files_that_are_no_journal_are_refused(void **state)
{
        struct fixture *f = *state;
        uint8_t garbage[4096];
        unsigned int seed = 11;

        for (size_t i = 0; i < sizeof garbage; i++)
                garbage[i] = (uint8_t)rand_r(&seed);
        assert_int_equal(examine(f, garbage, sizeof garbage), -EBADMSG);
        memset(garbage, 0, 2048);
        assert_int_equal(examine(f, garbage, sizeof garbage), -EBADMSG);
        memset(garbage, 0, sizeof garbage);
        assert_int_equal(examine(f, garbage, sizeof garbage), 0);
        assert_int_equal(f->reader->closed_batches, 0);
        assert_false(f->reader->has_header);
}

/* A forger can compute checksums.  The batch's own checksum is not recomputed here, so
 * that every change is refused, by that at the latest; none may do harm before. */
static void sealed_forgeries_are_refused(void **state)
{
        struct fixture *f = *state;

        for (size_t at = 0; at < f->size; at++) {
                size_t sector = at / 512;
                uint8_t *start = f->bytes + sector * 512;
                uint8_t saved[512];

                if (sector < 2 || at % 512 >= SECTOR_TAG)
                        continue;
                memcpy(saved, start, 512);
                for (unsigned int bit = 0; bit < 8; bit++) {
                        f->bytes[at] ^= (uint8_t)(1u << bit);
                        journal_sector_seal(start, sector);
                        if (examine(f, f->bytes, f->size) == 0)
                                assert_int_equal(f->reader->closed_batches, BATCHES - 1);
                        else
                                assert_int_not_equal(f->reader->fault,
                                                     JOURNAL_FAULT_NONE);
                        memcpy(start, saved, 512);
                }
        }
}

static void impossible_header_fields_are_refused(void **state)
{
        struct fixture *f = *state;
        static const struct {
                size_t at;
                uint64_t value;
        } bad[] = {
            {HEADER_OLD_SIZE, 16384 + 1},
            {HEADER_FINAL_SIZE, UINT64_MAX},
            {HEADER_IDENTITY_KIND, 9 | (uint64_t)20 << 32},
            {HEADER_IDENTITY_KIND, 1 | (uint64_t)161 << 32},
            {HEADER_IDENTITY_KIND, 1 | (uint64_t)19 << 32}, /* a byte behind it */
            {HEADER_RESERVED, 1},
            {HEADER_VERSION, 0},
            {HEADER_VERSION, 1 | (uint64_t)1 << 32},
        };

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                uint8_t saved[512];

                memcpy(saved, f->bytes, 512);
                store_le64(f->bytes + bad[i].at, bad[i].value);
                journal_sector_seal(f->bytes, 0);
                assert_int_equal(examine(f, f->bytes, f->size), -EBADMSG);
                assert_int_equal(f->reader->fault, JOURNAL_FAULT_FIELD);
                assert_string_not_equal(journal_fault_text(f->reader->fault), "");
                memcpy(f->bytes, saved, 512);
        }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(cut_at_every_byte_it_is_closed_up_to_a_whole_batch),
            TEST(every_flipped_bit_is_damage),
            TEST(every_changed_byte_of_an_ended_journal_is_damage),
            TEST(every_torn_last_batch_does_not_count),
            TEST(every_torn_first_write_has_no_closed_batch),
            TEST(a_hole_before_a_later_batch_is_damage),
            TEST(a_damaged_sector_of_an_unclosed_batch_is_damage),
            TEST(a_sector_is_valid_in_its_own_place_only),
            TEST(sectors_that_changed_places_are_damage),
            TEST(sectors_of_another_transaction_never_arrived),
            TEST(a_newer_format_is_told_apart_from_damage),
            TEST(files_that_are_no_journal_are_refused),
            TEST(sealed_forgeries_are_refused),
            TEST(impossible_header_fields_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
