/* SPDX-License-Identifier: MIT */
/*
 * No crash while the bitmaps record is published, changed or dropped leaves a
 * header that a program without our journal would misread (invariant 4): every
 * transition, over header clusters of many shapes, in every state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/qcow2/extension_crash.h"

#define CLUSTER_SIZE 65536u /* a multiple of all sizes: good directory offsets */

enum transition {
        FIRST,
        CHANGE_ALL,
        CHANGE_COUNT_AND_SIZE,
        CHANGE_OFFSET,
        STALE_CHANGE,
        STALE_PUBLISH,
        EMPTIED_PUBLISH,
        REMOVE_LAST,
        REMOVE_STALE,
        REMOVE_EMPTIED,
        TRANSITIONS,
};

struct tally {
        uint64_t layouts, refused, states;
        uint64_t per[TRANSITIONS], refused_per[TRANSITIONS];
};

static const struct bitmaps_body old_body = {3, 0x160, 5 * CLUSTER_SIZE};

static struct bitmaps_body body_after(enum transition transition)
{
        struct bitmaps_body body = {0x203, 0x1234560, 0x1203ull * CLUSTER_SIZE};

        if (transition == CHANGE_COUNT_AND_SIZE)
                body.directory_offset = old_body.directory_offset;
        if (transition == CHANGE_OFFSET) {
                body = old_body;
                body.directory_offset += 0x1000000ull * CLUSTER_SIZE;
        }
        return body;
}

static void layout_before(struct test_layout *layout, enum transition transition)
{
        static const struct bitmaps_body empty;

        layout->has_bitmaps = transition != FIRST;
        layout->valid = transition == CHANGE_ALL || transition == CHANGE_COUNT_AND_SIZE ||
                        transition == CHANGE_OFFSET || transition == REMOVE_LAST;
        layout->body = transition == EMPTIED_PUBLISH || transition == REMOVE_EMPTIED
                           ? empty
                           : old_body;
}

static uint32_t own_padding(const struct test_layout *layout)
{
        uint32_t sum = 0;

        for (unsigned i = 0; i < TEST_MAX_RECORDS; i++) {
                if (layout->before[i].type == QCOW2_EXTENSION_PADDING)
                        sum += 8 + (layout->before[i].length + 7) / 8 * 8;
                if (layout->after[i].type == QCOW2_EXTENSION_PADDING)
                        sum += 8 + (layout->after[i].length + 7) / 8 * 8;
        }
        return sum;
}

/* Space may be refused only where there is less of it than a copy of everything
 * behind the record, the record itself, and a second name take. */
static void check_refusal(const struct test_cluster *cluster, enum transition transition)
{
        const struct header *header = &cluster->header;
        uint32_t record =
            header->has_bitmaps ? header->bitmaps_record : header->extensions_end;
        uint32_t chain = header->extensions_end - record + 8;
        uint32_t used = header->extensions_end + 8;

        assert_true(transition < REMOVE_LAST && transition != CHANGE_OFFSET);
        assert_true(transition != STALE_PUBLISH && transition != EMPTIED_PUBLISH);
        if (header->backing_offset &&
            used < header->backing_offset + header->backing_size)
                used = (uint32_t)header->backing_offset + header->backing_size;
        if (header->extensions_end == header->extensions_limit)
                return; /* no END: see the test of its own */
        assert_true(used + 32 + 32 + chain + 2 * header->backing_size > cluster->size);
}

/* The list is gone; so is the record, unless there was no room for a copy of the
 * other records that stand behind it; and so is padding that served it. */
static void check_removed(const struct test_layout *layout, const struct header *header,
                          const struct test_view *view)
{
        uint32_t chain = 8; /* END */

        if (!view->has_bitmaps) {
                assert_true(view->padding == 0 || layout->before[0].type != TEST_UNKNOWN);
                return;
        }
        for (unsigned i = 0; i < TEST_MAX_RECORDS && layout->after[i].type; i++) {
                if (layout->after[i].type != QCOW2_EXTENSION_PADDING)
                        chain += 8 + (layout->after[i].length + 7) / 8 * 8;
        }
        assert_true(chain > 8);
        assert_int_equal(view->body[3], 0);
        assert_true(header->extensions_end + 8 + chain > header->extensions_limit);
}

static bool crosses(uint32_t record)
{
        return (record + 8) / ABI_SECTOR != (record + 31) / ABI_SECTOR;
}

/* A record that was given a place is in one sector, where there was room. */
static void check_place(const struct header *header, enum transition transition,
                        const struct header_edit *edit, const struct test_view *view)
{
        if (transition == FIRST && crosses(view->record))
                assert_true(header->extensions_end + 56 + header->backing_size >
                            header->extensions_limit);
        if (transition > FIRST && transition <= STALE_CHANGE && edit->count > 1)
                assert_false(crosses(view->record));
}

static void run(const struct test_layout *shape, enum transition transition,
                struct tally *tally)
{
        bool remove = transition >= REMOVE_LAST;
        bool publish = transition != STALE_CHANGE;
        struct bitmaps_body body = body_after(transition);
        struct test_layout layout = *shape;
        struct test_cluster cluster;
        struct header_edit edit;
        struct test_view last;
        enum abi_code code;
        uint64_t states;

        layout_before(&layout, transition);
        if (!test_cluster_build(&layout, &cluster))
                return;
        tally->layouts++;
        code = test_plan(&cluster, remove ? NULL : &body, publish, &edit);
        if (code == ABI_NO_SPACE) {
                check_refusal(&cluster, transition);
                tally->refused++;
                tally->refused_per[transition]++;
        } else if (transition == REMOVE_EMPTIED && edit.count == 0) {
                assert_int_equal(code, ABI_OK);
                assert_true(layout.after[0].type != 0); /* there is nothing better */
        } else {
                assert_int_equal(code, ABI_OK);
                states = test_crash_states(&cluster, &edit, remove ? NULL : &body,
                                           !remove && publish, &last);
                tally->states += states;
                tally->per[transition] += states;
                assert_true(last.padding <= own_padding(&layout) + 16);
                if (remove)
                        check_removed(&layout, &cluster.header, &last);
                else
                        check_place(&cluster.header, transition, &edit, &last);
        }
        free(cluster.bytes);
}

static void run_all(const struct test_layout *shape, struct tally *tally)
{
        for (enum transition t = 0; t < TRANSITIONS; t++)
                run(shape, t, tally);
}

static void print_tally(const char *what, const struct tally *tally)
{
        static const char *names[TRANSITIONS] = {
            "first",        "change all",     "change count and size", "change offset",
            "stale change", "stale publish",  "emptied publish",       "remove last",
            "remove stale", "remove emptied",
        };

        print_message("%s: %llu plans (%llu refused for space), %llu states\n", what,
                      (unsigned long long)tally->layouts,
                      (unsigned long long)tally->refused,
                      (unsigned long long)tally->states);
        for (enum transition t = 0; t < TRANSITIONS; t++)
                print_message("    %-22s %9llu states, %llu refused\n", names[t],
                              (unsigned long long)tally->per[t],
                              (unsigned long long)tally->refused_per[t]);
        assert_true(tally->states > 0);
}

static const uint32_t cluster_sizes[] = {512, 1024, 4096, 65536};
static const uint32_t header_lengths[] = {104, 112, 488, 600};

/* Behind the bitmaps record. */
static const struct test_record tails[][TEST_MAX_RECORDS] = {
    {{0, 0}},
    {{TEST_UNKNOWN, 0}},
    {{TEST_UNKNOWN, 13}, {TEST_UNKNOWN + 1, 490}},
    {{TEST_FEATURE_TABLE, 384}},
    {{QCOW2_EXTENSION_PADDING, 8}},
    {{TEST_UNKNOWN, 5}, {QCOW2_EXTENSION_PADDING, 48}, {TEST_BACKING_FORMAT, 5}},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* END at every place modulo the sector size, by a record of growing length in front. */
static void sweep_places(struct test_layout *layout, struct tally *tally)
{
        layout->before[0] = (struct test_record){0, 0};
        run_all(layout, tally);
        for (uint32_t length = 0; length <= 544; length += 8) {
                layout->before[0] =
                    (struct test_record){TEST_UNKNOWN, length - length / 8 % 3};
                run_all(layout, tally);
        }
}

static void no_crash_state_is_misread_without_a_backing_file(void **state)
{
        struct tally tally = {0};

        (void)state;
        for (unsigned c = 0; c < COUNT(cluster_sizes); c++) {
                for (unsigned h = 0; h < COUNT(header_lengths); h++) {
                        for (unsigned t = 0; t < COUNT(tails); t++) {
                                struct test_layout layout = {
                                    .cluster_size = cluster_sizes[c],
                                    .header_length = header_lengths[h],
                                    .garbage = (t + h) % 2,
                                    .other_autoclear = (t % 2) * 2,
                                };

                                memcpy(layout.after, tails[t], sizeof layout.after);
                                sweep_places(&layout, &tally);
                        }
                }
        }
        print_tally("no backing file", &tally);
}

static void no_crash_state_is_misread_with_a_backing_file(void **state)
{
        static const struct {
                uint32_t length, gap;
        } names[] = {
            {1, 0},    {0, 0},    {20, 0},  {33, 0},   {340, 0}, {1023, 0},  {20, 8},
            {340, 24}, {340, 31}, {20, 32}, {340, 40}, {57, 96}, {340, 513},
        };
        struct tally tally = {0};

        (void)state;
        for (unsigned c = 0; c < COUNT(cluster_sizes); c++) {
                for (unsigned t = 0; t < COUNT(tails); t++) {
                        for (unsigned n = 0; n < COUNT(names); n++) {
                                struct test_layout layout = {
                                    .cluster_size = cluster_sizes[c],
                                    .header_length = n % 2 ? 104 : 112,
                                    .garbage = (t + n) % 2,
                                    .has_name = true,
                                    .name_length = names[n].length,
                                    .name_gap = names[n].gap,
                                };

                                memcpy(layout.after, tails[t], sizeof layout.after);
                                sweep_places(&layout, &tally);
                        }
                }
        }
        print_tally("backing file", &tally);
}

/* The records fill the area to its last byte: QEMU reads that, END or not. */
static void no_crash_state_is_misread_where_end_is_missing(void **state)
{
        static const uint32_t lengths[] = {0, 5, 20, 300};
        struct tally tally = {0};

        (void)state;
        for (unsigned c = 0; c < COUNT(cluster_sizes); c++) {
                for (unsigned n = 0; n < COUNT(lengths); n++) {
                        for (unsigned t = 0; t < COUNT(tails); t++) {
                                struct test_layout layout = {
                                    .cluster_size = cluster_sizes[c],
                                    .header_length = 112,
                                    .no_end = true,
                                    .has_name = true,
                                    .name_length = lengths[n],
                                    .garbage = true,
                                };

                                memcpy(layout.after, tails[t], sizeof layout.after);
                                sweep_places(&layout, &tally);
                                layout.name_in_padding = true;
                                sweep_places(&layout, &tally);
                                layout.has_name = false;
                                sweep_places(&layout, &tally);
                        }
                }
        }
        print_tally("no END", &tally);
}

/* What QEMU writes, and what an interrupted re-seat leaves: several records in front. */
static void no_crash_state_is_misread_with_real_records_in_front(void **state)
{
        static const struct test_record fronts[][TEST_MAX_RECORDS] = {
            {{TEST_FEATURE_TABLE, 384}},
            {{TEST_BACKING_FORMAT, 5}, {TEST_FEATURE_TABLE, 384}},
            {{TEST_DATA_FILE, 490}, {TEST_FEATURE_TABLE, 384}},
            {{TEST_BACKING_FORMAT, 3}, {TEST_DATA_FILE, 481}},
            {{QCOW2_EXTENSION_CRYPTO, 16}, {TEST_FEATURE_TABLE, 384}},
            {{TEST_FEATURE_TABLE, 384}, {QCOW2_EXTENSION_PADDING, 0}},
            {{TEST_FEATURE_TABLE, 384},
             {QCOW2_EXTENSION_PADDING, 456},
             {QCOW2_EXTENSION_PADDING, 8}},
            {{QCOW2_EXTENSION_PADDING, 96},
             {TEST_FEATURE_TABLE, 240},
             {QCOW2_EXTENSION_PADDING, 8}},
            {{TEST_DATA_FILE, 490},
             {TEST_FEATURE_TABLE, 384},
             {QCOW2_EXTENSION_PADDING, 100}},
        };
        struct tally tally = {0};

        (void)state;
        for (unsigned c = 1; c < COUNT(cluster_sizes); c++) {
                for (unsigned f = 0; f < COUNT(fronts); f++) {
                        for (unsigned t = 0; t < COUNT(tails); t++) {
                                struct test_layout layout = {
                                    .cluster_size = cluster_sizes[c],
                                    .header_length = 112,
                                    .garbage = true,
                                };

                                memcpy(layout.before, fronts[f], sizeof layout.before);
                                memcpy(layout.after, tails[t], sizeof layout.after);
                                for (uint32_t name = 0; name <= 400; name += 50) {
                                        layout.has_name = name > 0;
                                        layout.name_length = name;
                                        run_all(&layout, &tally);
                                }
                        }
                }
        }
        print_tally("real records", &tally);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(no_crash_state_is_misread_without_a_backing_file),
            cmocka_unit_test(no_crash_state_is_misread_with_a_backing_file),
            cmocka_unit_test(no_crash_state_is_misread_where_end_is_missing),
            cmocka_unit_test(no_crash_state_is_misread_with_real_records_in_front),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
