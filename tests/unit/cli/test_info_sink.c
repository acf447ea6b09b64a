/* SPDX-License-Identifier: MIT */
/* What a hostile guest may report, and what the host makes of it (invariant 9). */
#include "tests/unit/cli/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cli/info_reports.h"

static const struct abi_report_snapshot a_snapshot = {.icount = UINT64_MAX};
static const struct abi_report_damage a_damage = {.code = ABI_NO_AUTOCLEAR_EXTENSION};

static int start(void **state)
{
        (void)state;
        reports_start(&info_view_json);
        return 0;
}

static int image(void)
{
        return report_image(ordinary_image(), NULL, NULL, NULL);
}

static int bitmap(void)
{
        return report_bitmap(ordinary_bitmap(), "b0", 2);
}

static int snapshot(void)
{
        return report_snapshot(a_snapshot, "1", "s");
}

static int damage(void)
{
        return report_damage(a_damage, "");
}

static void the_right_order_is_taken(void **state)
{
        (void)state;
        assert_int_equal(image(), 0);
        assert_int_equal(snapshot(), 0);
        assert_int_equal(snapshot(), 0);
        assert_int_equal(bitmap(), 0);
        assert_int_equal(bitmap(), 0);
        assert_int_equal(damage(), 0);
        assert_int_equal(damage(), 0);
}

static void any_other_order_is_refused(void **state)
{
        static int (*const makers[])(void) = {image, snapshot, bitmap, damage};
        const size_t count = sizeof makers / sizeof makers[0];

        for (size_t first = 1; first < count; first++) {
                start(state);
                assert_int_equal(makers[first](), -EBADMSG);
        }
        for (size_t last = 0; last < count; last++) {
                start(state);
                for (size_t i = 0; i <= last; i++)
                        assert_int_equal(makers[i](), 0);
                for (size_t before = 0; before < last; before++)
                        assert_int_equal(makers[before](), -EBADMSG);
        }
        start(state);
        assert_int_equal(image(), 0);
        assert_int_equal(image(), -EBADMSG);
}

static void a_kind_that_is_not_infos_is_refused(void **state)
{
        static const uint64_t kinds[] = {
            0, ABI_REPORT_PICTURE, ABI_REPORT_EXTENTS,
            7, UINT64_MAX,         UINT64_C(1) << 32 | ABI_REPORT_IMAGE};
        const struct abi_report_image facts = ordinary_image();

        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
                start(state);
                assert_int_equal(report_raw(kinds[i], &facts, sizeof facts, "", 0),
                                 -EBADMSG);
                assert_int_equal(image(), 0);
                assert_int_equal(report_raw(kinds[i], &facts, sizeof facts, "", 0),
                                 -EBADMSG);
        }
}

/* In a block of its own, so that a sanitizer sees a read behind it. */
static int report_exactly(uint64_t kind, const uint8_t *bytes, size_t length)
{
        uint8_t *block = malloc(length ? length : 1);
        int answer;

        assert_non_null(block);
        memcpy(block, bytes, length);
        answer = info_sink_take(&sink, kind, block, length);
        free(block);
        return answer;
}

/* `facts` with lengths that ask for one byte, and that byte. */
static void expect_exact_length(void **state, uint64_t kind, const void *facts,
                                size_t size)
{
        uint8_t bytes[512] = {0};

        memcpy(bytes, facts, size);
        for (size_t length = 0; length <= size + 3; length++) {
                int expected = length == size + 1 ? 0 : -EBADMSG;

                start(state);
                if (kind != ABI_REPORT_IMAGE)
                        assert_int_equal(image(), 0);
                assert_int_equal(report_exactly(kind, bytes, length), expected);
        }
}

static void a_report_is_as_long_as_it_says(void **state)
{
        struct abi_report_image an_image = ordinary_image();
        struct abi_report_snapshot s = a_snapshot;
        struct abi_report_bitmap b = ordinary_bitmap();
        struct abi_report_damage d = a_damage;

        an_image.data_file_length = 1;
        expect_exact_length(state, ABI_REPORT_IMAGE, &an_image, sizeof an_image);
        s.name_length = 1;
        expect_exact_length(state, ABI_REPORT_SNAPSHOT, &s, sizeof s);
        b.name_length = 1;
        expect_exact_length(state, ABI_REPORT_BITMAP, &b, sizeof b);
        d.name_length = 1;
        expect_exact_length(state, ABI_REPORT_DAMAGE, &d, sizeof d);
}

static void lengths_whose_sum_overflows_are_refused(void **state)
{
        struct abi_report_image an_image = ordinary_image();
        struct abi_report_snapshot s = a_snapshot;

        an_image.backing_format_length = UINT32_MAX;
        an_image.data_file_length = 2;
        start(state);
        assert_int_equal(report_raw(ABI_REPORT_IMAGE, &an_image, sizeof an_image, "x", 1),
                         -EBADMSG);
        an_image.backing_format_length = 2;
        an_image.data_file_length = UINT32_MAX;
        assert_int_equal(report_raw(ABI_REPORT_IMAGE, &an_image, sizeof an_image, "x", 1),
                         -EBADMSG);
        assert_int_equal(image(), 0);
        s.id_length = UINT32_MAX;
        s.name_length = 2;
        assert_int_equal(report_raw(ABI_REPORT_SNAPSHOT, &s, sizeof s, "x", 1), -EBADMSG);
}

static void a_report_beyond_the_bound_is_refused(void **state)
{
        static uint8_t bytes[ABI_MAX_REPORT + 1];
        struct abi_report_image an_image = ordinary_image();

        (void)state;
        an_image.data_file_length = sizeof bytes - sizeof an_image;
        memcpy(bytes, &an_image, sizeof an_image);
        assert_int_equal(info_sink_take(&sink, ABI_REPORT_IMAGE, bytes, sizeof bytes),
                         -EBADMSG);
        an_image.data_file_length--;
        memcpy(bytes, &an_image, sizeof an_image);
        assert_int_equal(info_sink_take(&sink, ABI_REPORT_IMAGE, bytes, sizeof bytes - 1),
                         0);
}

static void a_backing_name_longer_than_the_format_allows_is_refused(void **state)
{
        char name[ABI_MAX_NAME + 2];

        memset(name, 'n', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        assert_int_equal(report_image(ordinary_image(), name, NULL, NULL), -EBADMSG);
        start(state);
        assert_int_equal(report_image(ordinary_image(), name + 1, NULL, NULL), 0);
}

static void impossible_numbers_of_an_image_are_refused(void **state)
{
        static const uint64_t cluster_sizes[] = {0, 256, 511, 65537, 4 << 20, UINT64_MAX};
        struct abi_report_image facts = ordinary_image();

        (void)state;
        for (size_t i = 0; i < sizeof cluster_sizes / sizeof cluster_sizes[0]; i++) {
                facts.cluster_size = cluster_sizes[i];
                assert_int_equal(report_image(facts, NULL, NULL, NULL), -EBADMSG);
        }
        facts = ordinary_image();
        facts.version = 1;
        assert_int_equal(report_image(facts, NULL, NULL, NULL), -EBADMSG);
        facts.version = 4;
        assert_int_equal(report_image(facts, NULL, NULL, NULL), -EBADMSG);
        facts = ordinary_image();
        facts.refcount_bits = 65;
        assert_int_equal(report_image(facts, NULL, NULL, NULL), -EBADMSG);
}

static void expect_bitmap_refused(struct abi_report_bitmap facts)
{
        assert_int_equal(report_bitmap(facts, "b", 1), -EBADMSG);
}

static void impossible_numbers_of_a_bitmap_are_refused(void **state)
{
        struct abi_report_bitmap facts = ordinary_bitmap();

        (void)state;
        assert_int_equal(image(), 0);
        facts.granularity = 3;
        expect_bitmap_refused(facts);
        facts = ordinary_bitmap();
        facts.dirty_bytes = (64 << 20) + 1;
        expect_bitmap_refused(facts);
        facts = ordinary_bitmap();
        facts.table_clusters = UINT64_MAX; /* and one: the sum overflows */
        facts.data_clusters = 1;
        expect_bitmap_refused(facts);
        facts.table_clusters = UINT64_C(1) << 48; /* times 64 KiB: the product does */
        expect_bitmap_refused(facts);
        facts.table_clusters--;
        facts.data_clusters = 0;
        assert_int_equal(report_bitmap(facts, "b", 1), 0);
}

static void damage_without_words_is_refused(void **state)
{
        static const uint32_t codes[] = {ABI_OK, 20, ABI_REFERENCED, 1000, UINT32_MAX};

        (void)state;
        assert_int_equal(image(), 0);
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
                const struct abi_report_damage facts = {.code = codes[i]};

                assert_int_equal(report_damage(facts, ""), -EBADMSG);
        }
}

/* Strings and numbers of the image itself may be anything. */
static void whatever_the_image_may_hold_is_shown(void **state)
{
        struct abi_report_image an_image = ordinary_image();
        struct abi_report_bitmap b = ordinary_bitmap();
        const struct abi_report_snapshot s = {
            UINT64_MAX, UINT64_MAX, UINT64_MAX - 1, UINT32_MAX, UINT32_MAX, 0, 0};
        struct abi_report_damage d = {
            .code = ABI_BAD_DIRECTORY,
            .detail = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
            .more = UINT32_MAX};

        (void)state;
        an_image.size = UINT64_MAX;
        an_image.flags = UINT32_MAX;
        an_image.crypt_method = UINT32_MAX;
        an_image.compression_type = UINT32_MAX;
        an_image.incompatible = UINT64_MAX;
        an_image.refcount_bits = 0;
        assert_int_equal(report_image(an_image, "", "", ""), 0);
        assert_int_equal(report_snapshot(s, "", "\xff"), 0);
        b.flags = UINT32_MAX;
        b.type = UINT32_MAX;
        b.extra_length = UINT32_MAX;
        b.granularity = UINT64_C(1) << 63;
        b.counted = UINT32_MAX;
        b.dirty_bytes = UINT64_MAX;
        assert_int_equal(report_bitmap(b, "\0\xff", 2), 0);
        assert_int_equal(report_damage(d, "\x1b[m"), 0);
        assert_non_null(strstr(reports_finish(), "\"instar-dirty-fraction\": 1,"));
}

static void an_output_that_fails_ends_the_guest_with_its_errno(void **state)
{
        static char name[60000];

        (void)state;
        memset(name, 'n', sizeof name);
        assert_int_equal(image(), 0);
        assert_int_equal(report_bitmap(ordinary_bitmap(), name, sizeof name), 0);
        /* The buffer is full; there is no descriptor -1. */
        assert_int_equal(report_bitmap(ordinary_bitmap(), name, sizeof name), -EBADF);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup(the_right_order_is_taken, start),
            cmocka_unit_test_setup(any_other_order_is_refused, start),
            cmocka_unit_test_setup(a_kind_that_is_not_infos_is_refused, start),
            cmocka_unit_test_setup(a_report_is_as_long_as_it_says, start),
            cmocka_unit_test_setup(lengths_whose_sum_overflows_are_refused, start),
            cmocka_unit_test_setup(a_report_beyond_the_bound_is_refused, start),
            cmocka_unit_test_setup(
                a_backing_name_longer_than_the_format_allows_is_refused, start),
            cmocka_unit_test_setup(impossible_numbers_of_an_image_are_refused, start),
            cmocka_unit_test_setup(impossible_numbers_of_a_bitmap_are_refused, start),
            cmocka_unit_test_setup(damage_without_words_is_refused, start),
            cmocka_unit_test_setup(whatever_the_image_may_hold_is_shown, start),
            cmocka_unit_test_setup(an_output_that_fails_ends_the_guest_with_its_errno,
                                   start),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
