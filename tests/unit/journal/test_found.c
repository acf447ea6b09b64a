/* SPDX-License-Identifier: MIT */
/*
 * What a journal that was found is taken for.  It is honoured only where it is hot
 * (invariant 11); and looking at it never changes it.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "found_journal.h"
#include "in_child.h"
#include "journal/bytes.h"
#include "patch.h"

/* ---- hot ------------------------------------------------------------------- */

static void a_hot_journal_tells_what_was_begun(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found;

        left_behind_leave(left, LEFT_AT_BATCH);
        expect_untouched(left, JOURNAL_HOT);
        found = open_found(left, true);
        assert_string_equal(found->asked, "bitmap --add disk b0");
        assert_string_equal(found->image_path, "/images/disk");
        assert_string_equal(found->path, left->place.path);
        assert_int_equal(strlen(found->transaction), 32);
        assert_int_equal(found->reader.header.old_size, LEFT_BEHIND_OLD_SIZE);
        assert_int_equal(found->reader.header.final_size, LEFT_BEHIND_FINAL_SIZE);
        assert_int_equal(found->extents, 3); /* two of the four are neighbours */
        assert_int_equal(found->bytes, 2048 + 1024 + 512 + 512);
        journal_found_close(found);
}

/* Recovery's mark is no end. */
static void a_journal_whose_recovery_was_interrupted_is_hot(void **state)
{
        struct left_behind *left = *state;
        uint8_t boot[JOURNAL_BOOT_ID_SIZE] = {9};
        struct journal_found *found;

        left_behind_leave(left, LEFT_AT_BATCH);
        patch_mark(&left->place, 77, boot);
        expect_untouched(left, JOURNAL_HOT);
        found = open_found(left, true);
        assert_true(found->reader.recovering);
        assert_int_equal(found->reader.ending_time, 77);
        assert_memory_equal(found->reader.recovering_boot, boot, sizeof boot);
        journal_found_close(found);
}

static void a_journal_of_any_file_is_hot_where_no_image_is_named(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found;

        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(journal_found_open(left->place.path, NULL, true, &found), 0);
        assert_int_equal(found->state, JOURNAL_HOT);
        journal_found_close(found);
}

/* ---- not there, not readable ------------------------------------------------- */

static void nothing_is_gone(void **state)
{
        expect_state(*state, JOURNAL_GONE);
}

static void a_path_without_a_directory_is_an_error(void **state)
{
        struct left_behind *left = *state;
        struct journal_found *found;
        char name[300];

        assert_int_equal(journal_found_open(scratch_path(&left->scratch, "no/j"),
                                            &left->facts, false, &found),
                         -ENOENT);
        assert_null(found);
        assert_int_equal(journal_found_open("relative", &left->facts, false, &found),
                         -EINVAL);
        memset(name, 'n', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        assert_int_equal(journal_found_open(scratch_path(&left->scratch, name),
                                            &left->facts, false, &found),
                         -EINVAL);
        journal_found_close(NULL);
}

static int expect_unreadable(void *context)
{
        struct left_behind *left = context;
        struct journal_found *found;
        int bad;

        become_nobody();
        if (journal_found_open(left->place.path, &left->facts, true, &found) != 0)
                return 1;
        bad = found->state != JOURNAL_UNREADABLE || found->error != -EACCES;
        journal_found_close(found);
        return bad;
}

static void a_journal_that_may_not_be_opened_is_unreadable(void **state)
{
        struct left_behind *left = *state;

        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(chmod(left->scratch.path, 0755), 0);
        assert_int_equal(chmod(left->place.path, 0), 0);
        assert_int_equal(in_child(expect_unreadable, left), 0);
}

/* ---- what it says of itself ------------------------------------------------------ */

static void an_edit_that_had_ended_is_ended(void **state)
{
        struct left_behind *left = *state;

        for (int at = LEFT_AT_DONE; at <= LEFT_AT_ABORTED; at++) {
                left_behind_leave(left, (enum left_at)at);
                expect_untouched(left, JOURNAL_ENDED);
                left->facts.identity.bytes[0] ^= 1; /* whosever it was */
                expect_untouched(left, JOURNAL_ENDED);
                left->facts.identity.bytes[0] ^= 1;
                assert_int_equal(unlink(left->place.path), 0);
        }
}

/* Whatever length the only batch was cut to: the image had not been touched. */
static void a_journal_without_a_closed_batch_is_empty(void **state)
{
        struct left_behind *left = *state;
        struct stat status;

        left_behind_leave(left, LEFT_AT_BEGIN);
        expect_untouched(left, JOURNAL_EMPTY);
        assert_int_equal(unlink(left->place.path), 0);
        left_behind_leave(left, LEFT_AT_BATCH);
        assert_int_equal(stat(left->place.path, &status), 0);
        for (off_t size = status.st_size - 1; size >= 0; size -= 37) {
                assert_int_equal(truncate(left->place.path, size), 0);
                expect_untouched(left, JOURNAL_EMPTY);
        }
}

static void another_files_journal_is_another_files(void **state)
{
        struct left_behind *left = *state;
        struct journal_identity *identity = &left->facts.identity;

        left_behind_leave(left, LEFT_AT_BATCH);
        for (uint32_t i = 0; i < identity->length; i++) {
                identity->bytes[i] ^= 0x80;
                expect_untouched(left, JOURNAL_OTHERS);
                identity->bytes[i] ^= 0x80;
        }
        identity->kind = JOURNAL_IDENTITY_HANDLE;
        expect_untouched(left, JOURNAL_OTHERS);
        identity->kind = JOURNAL_IDENTITY_INODE;
        identity->length--;
        expect_untouched(left, JOURNAL_OTHERS);
}

static void flip(struct left_behind *left, off_t at)
{
        int fd = scratch_open(&left->place);
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
}

static void expect_fault(struct left_behind *left, enum journal_fault fault)
{
        struct journal_found *found = open_found(left, true);

        assert_int_equal(found->state, JOURNAL_DAMAGED);
        assert_int_equal(found->reader.fault, fault);
        journal_found_close(found);
}

static void a_damaged_journal_is_told_with_its_damage(void **state)
{
        struct left_behind *left = *state;
        uint8_t kind = 9;

        left_behind_leave(left, LEFT_AT_BATCH);
        flip(left, HEADER_OLD_SIZE);
        expect_fault(left, JOURNAL_FAULT_HEADER);
        expect_untouched(left, JOURNAL_DAMAGED);
        flip(left, HEADER_OLD_SIZE);
        flip(left, JOURNAL_RECORDS_OFFSET + 700);
        expect_fault(left, JOURNAL_FAULT_SECTOR);
        expect_untouched(left, JOURNAL_DAMAGED);
        left->facts.identity.bytes[0] ^= 1; /* it can be told whose it is */
        expect_untouched(left, JOURNAL_OTHERS);
        left->facts.identity.bytes[0] ^= 1;
        flip(left, JOURNAL_RECORDS_OFFSET + 700);
        patch_sector(&left->place, 1, 0, &kind, 1);
        expect_fault(left, JOURNAL_FAULT_ENDING);
        expect_untouched(left, JOURNAL_DAMAGED);
}

static void a_file_that_is_no_journal_is_damaged(void **state)
{
        struct left_behind *left = *state;
        int fd = scratch_file(&left->scratch, "disk.instar-journal", 0);

        assert_int_equal(write(fd, "notes\n", 6), 6);
        close(fd);
        expect_fault(left, JOURNAL_FAULT_HEADER);
        expect_untouched(left, JOURNAL_DAMAGED);
}

static void a_newer_format_is_not_damage(void **state)
{
        struct left_behind *left = *state;
        uint8_t version = JOURNAL_FORMAT_VERSION + 1;

        left_behind_leave(left, LEFT_AT_BATCH);
        patch_sector(&left->place, 0, HEADER_VERSION, &version, 1);
        expect_untouched(left, JOURNAL_NEWER);
}

/* ---- the image ------------------------------------------------------------------ */

static void an_image_is_described_as_it_is(void **state)
{
        struct left_behind *left = *state;
        struct journal_image facts;
        struct journal_identity identity;
        int fd = scratch_file(&left->scratch, "disk", 512);

        assert_int_equal(journal_image_describe(fd, &facts), 0);
        assert_int_equal(facts.owner, geteuid());
        assert_int_equal(journal_identify(fd, &identity), 0);
        assert_true(journal_identity_equal(&identity, &facts.identity));
        close(fd);
        assert_int_equal(journal_image_describe(fd, &facts), -EBADF);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, found_set_up, found_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_hot_journal_tells_what_was_begun),
            TEST(a_journal_whose_recovery_was_interrupted_is_hot),
            TEST(a_journal_of_any_file_is_hot_where_no_image_is_named),
            TEST(nothing_is_gone),
            TEST(a_path_without_a_directory_is_an_error),
            TEST(a_journal_that_may_not_be_opened_is_unreadable),
            TEST(an_edit_that_had_ended_is_ended),
            TEST(a_journal_without_a_closed_batch_is_empty),
            TEST(another_files_journal_is_another_files),
            TEST(a_damaged_journal_is_told_with_its_damage),
            TEST(a_file_that_is_no_journal_is_damaged),
            TEST(a_newer_format_is_not_damage),
            TEST(an_image_is_described_as_it_is),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
