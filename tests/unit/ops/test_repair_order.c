/* SPDX-License-Identifier: MIT */
/*
 * The order of a repair's writes: whatever came before the switch can be undone; the
 * switch lies in one sector; no cluster is free before it; and where the writes end, no
 * more is wrong than was.
 */
#include <string.h>

#include "tests/unit/ops/disk.h"
#include "tests/unit/ops/damage.h"
#include "tests/unit/ops/random_edits.h"
#include "tests/unit/ops/repairs.h"

#define MASK  0x00fffffffffffe00ull
#define TABLE 48u /* the refcount table's offset, in the header */
#define RUNS  150u

static const struct made_options base = {
    .cluster_bits = 9,
    .virtual_size = (2ull << 20) + 512,
    .data_clusters = 70,
    .free_clusters = 9,
    .snapshots = 1,
    .bitmap_count = 3,
    .bitmaps = {{.name = "one", .granularity_bits = 9, .fill = MADE_DATA},
                {.name = "two", .granularity_bits = 9, .fill = MADE_SPARSE},
                {.name = "three", .granularity_bits = 10, .fill = MADE_DATA}},
};

static struct ops ops;
static struct native_image old;   /* before the repair */
static struct native_image state; /* after some of its writes */
static struct native_image undone;

static int set_up(void **unused)
{
        (void)unused;
        ops_open(&ops);
        assert_true(native_image_create(&old, 1ull << 30, 512));
        assert_true(native_image_create(&state, 1ull << 30, 512));
        assert_true(native_image_create(&undone, 1ull << 30, 512));
        return 0;
}

static int tear_down(void **unused)
{
        (void)unused;
        native_image_destroy(&old);
        native_image_destroy(&state);
        native_image_destroy(&undone);
        ops_close(&ops);
        return 0;
}

/* ---- undo ----------------------------------------------------------------------------
 */

static void apply(struct native_image *image, const struct native_event *event)
{
        if (event->kind == NATIVE_WRITE)
                native_image_write(image, event->offset, event->new, event->length);
        if (event->kind == NATIVE_RESIZE)
                native_image_resize(image, event->offset);
}

static void undo(const struct native_trace *trace, size_t count)
{
        native_image_copy(&undone, &state);
        for (size_t i = count; i--;)
                if (trace->events[i].kind == NATIVE_WRITE)
                        native_image_write(&undone, trace->events[i].offset,
                                           trace->events[i].old, trace->events[i].length);
        native_image_resize(&undone, old.size);
        assert_true(native_image_equal(&undone, &old));
}

/* ---- the image meanwhile -------------------------------------------------------------
 */

/* The state, looked at by the checker and as a disk. */
static void look(const struct native_image *image, struct repairs_check *check,
                 struct disk *disk)
{
        native_image_copy(ops.image, image);
        repairs_check(&ops, check);
        disk_read(ops.image, disk);
}

/* What entries name behind the end of the file reads otherwise as soon as it grows. */
static void forget_beyond(struct disk *disk)
{
        struct disk grown;
        uint8_t bytes[512];
        uint64_t end = (old.size + (1u << 16) - 1) >> 16 << 16;
        memset(bytes, 0xee, sizeof bytes);
        native_image_copy(&undone, &old);
        for (uint64_t at = (old.size + 511) / 512 * 512; at < end + (1u << 20); at += 512)
                native_image_write(&undone, at, bytes, sizeof bytes);
        disk_read(&undone, &grown);
        for (uint64_t i = 0; i < disk->count; i++)
                if (i >= grown.count || grown.clusters[i] != disk->clusters[i])
                        disk->clusters[i] = 0;
        disk_free(&grown);
}

/* But for flags, which follow the refcounts: both are wrong until all is done. */
static uint64_t corruptions(const struct repairs_check *check)
{
        return check->sums.corruptions - check->findings[ABI_FINDING_COPIED_L2] -
               check->findings[ABI_FINDING_COPIED_DATA];
}

/* As much can be read, and no more corruptions are there, than before. */
static void judge_state(const struct repairs_check *was, const struct disk *before)
{
        struct repairs_check is;
        struct disk now;
        look(&state, &is, &now);
        uint64_t cluster = disk_difference(before, &now);
        disk_free(&now);
        assert_int_equal(cluster, UINT64_MAX);
        if (was->code || was->sums.incomplete)
                return;
        assert_int_equal(is.code, ABI_OK);
        assert_false(is.sums.incomplete);
        assert_in_range(corruptions(&is), 0, corruptions(was));
}

/* ---- the trace -----------------------------------------------------------------------
 */

static void judge_switch(const struct native_event *event)
{
        assert_true(event->flags & ABI_CHANGE_SWITCH);
        assert_int_equal(event->offset / ABI_SECTOR,
                         (event->offset + event->length - 1) / ABI_SECTOR);
        assert_int_not_equal(memcmp(event->old, event->new, event->length), 0);
}

/* A copy of the last run's: looking at states makes runs, too. */
static struct native_trace take_trace(void)
{
        struct native_trace copy = {0};
        const struct native_trace *trace = native_host_trace(ops.host);
        for (size_t i = 0; i < trace->count; i++) {
                struct native_event *event = native_trace_add(&copy, &trace->events[i]);
                if (event->kind != NATIVE_WRITE)
                        continue;
                event->old = native_bytes(trace->events[i].old, event->length);
                event->new = native_bytes(trace->events[i].new, event->length);
        }
        return copy;
}

/* Number of writes: before the switch, behind it. */
struct order {
        uint32_t before;
        uint32_t behind;
        bool freed_before; /* of 16 bits each, a refcount has become 0 */
};

static bool frees(const struct native_event *event)
{
        uint64_t block = ops.places.refcount_block;
        if (event->offset < block || event->offset >= block + 512)
                return false;
        for (uint64_t i = 0; i + 1 < event->length; i += 2)
                if ((event->old[i] || event->old[i + 1]) && !event->new[i] &&
                    !event->new[i + 1])
                        return true;
        return false;
}

/* Repair; then every state that the writes go through.  False: there is nothing to be
 * done, or it was refused. */
static bool explore(struct order *order)
{
        struct repairs_check was;
        struct disk before;
        bool committed = false;
        memset(order, 0, sizeof *order);
        native_image_copy(&old, ops.image);
        native_image_copy(&state, ops.image);
        look(&old, &was, &before);
        forget_beyond(&before);
        repairs_run_only(&ops, ABI_CALL_REPAIR_ALL);
        assert_int_equal(ops.outcome.status, NATIVE_OK);
        struct native_trace trace = take_trace();
        /* Refcounts that are built anew count copies only from the switch on; and a table
         * that is copied may be a refcount block, too. */
        bool late =
            repairs_count(ABI_REPAIR_REBUILT) || repairs_count(ABI_REPAIR_TABLE_COPIED);
        for (size_t i = 0; i < trace.count; i++) {
                const struct native_event *event = &trace.events[i];
                apply(&state, event);
                if (event->kind == NATIVE_COMMIT)
                        committed = true;
                if (event->kind != NATIVE_WRITE && event->kind != NATIVE_RESIZE)
                        continue;
                assert_int_equal(event->release, committed);
                bool is_switch = event->flags & ABI_CHANGE_SWITCH;
                if (is_switch)
                        judge_switch(event);
                if (!committed && event->kind == NATIVE_WRITE && !is_switch)
                        order->freed_before |= frees(event);
                if (!committed)
                        undo(&trace, i + 1);
                order->before += !committed && !is_switch;
                order->behind += committed;
                if (committed || is_switch || !late)
                        judge_state(&was, &before);
        }
        bool any = trace.count;
        assert_int_equal(any, committed);
        native_trace_free(&trace);
        disk_free(&before);
        return any;
}

/* ---- damages -------------------------------------------------------------------------
 */

static uint64_t l2_entry(uint64_t index)
{
        return (peek64(ops.image, ops.places.l1) & MASK) + index * 8;
}

static void clusters_are_free_behind_the_switch(void **unused)
{
        struct order order;
        (void)unused;
        ops_make(&ops, &base);
        poke64(ops.image, l2_entry(3), 1ull << 40);          /* its cluster leaks */
        poke64(ops.image, ops.places.tables[0], 1ull << 41); /* a bitmap goes */
        poke_refcount(ops.image, ops.places.free_clusters >> 9, 3);
        poke_refcount(ops.image, ops.places.first_data >> 9, 9);
        poke_refcount(ops.image, ops.places.tables[2] >> 9, 0);
        assert_true(explore(&order));
        assert_false(order.freed_before);
        assert_true(order.before >= 3 && order.behind >= 1);
}

static void the_first_of_mere_leaks_is_the_switch(void **unused)
{
        struct order order;
        (void)unused;
        ops_make(&ops, &base);
        poke_refcount(ops.image, ops.places.free_clusters >> 9, 1);
        poke_refcount(ops.image, (ops.places.free_clusters >> 9) + 8, 2);
        assert_true(explore(&order));
        assert_false(order.freed_before);
        assert_int_equal(order.before, 0);
        assert_int_equal(order.behind, 1);
}

static void a_new_structure_is_there_before_the_switch(void **unused)
{
        struct order order;
        (void)unused;
        ops_make(&ops, &base);
        poke64(ops.image, TABLE, 0);
        assert_true(explore(&order));
        assert_true(order.before >= 1);
        assert_int_equal(order.behind, 0);
}

/* Each state that the writes go through has the records of the old header. */
static void judge_records(uint32_t before, uint32_t behind)
{
        struct read_image was;
        ops_make(&ops, &(struct made_options){.cluster_bits = 12,
                                              .virtual_size = 2ull << 20,
                                              .record_before = before,
                                              .record_behind = behind,
                                              .stale = true,
                                              .bitmap_count = 1,
                                              .bitmaps = {{.name = "one"}}});
        native_image_copy(&old, ops.image);
        native_image_copy(&state, ops.image);
        read_image(&old, &was);
        assert_string_equal(was.error, "");
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        native_image_copy(ops.image, &old);
        repairs_run_only(&ops, ABI_CALL_REPAIR_ALL);
        const struct native_trace *trace = native_host_trace(ops.host);
        assert_true(native_trace_changes(trace));
        for (size_t i = 0; i < trace->count; i++) {
                struct read_image is;
                apply(&state, &trace->events[i]);
                read_image(&state, &is);
                assert_string_equal(is.error, "");
                assert_null(read_difference(&was, &is));
                read_image_free(&is);
        }
        read_image_free(&was);
        read_image(ops.image, &was);
        assert_int_equal(was.extension_at, 0);
        read_image_free(&was);
}

/* What QEMU would do with the header: without the bit it passes the record over, with it
 * the record has to be there, and whole. */
static void judge_list(struct native_image *image, const uint8_t bodies[2][24])
{
        uint8_t body[24];
        struct read_image is;
        if (!(peek64(image, 88) & 1))
                return;
        read_image(image, &is);
        assert_int_not_equal(is.extension_at, 0);
        native_image_read(image, is.extension_at + 8, body, sizeof body);
        assert_true(memcmp(body, bodies[0], sizeof body) == 0 ||
                    memcmp(body, bodies[1], sizeof body) == 0);
        read_image_free(&is);
}

/* Of `bitmaps`, of which the first loses its table, each write leaves the old list or the
 * new one, or none. */
static void judge_lists(uint32_t bitmaps, uint32_t before, uint32_t behind)
{
        uint8_t bodies[2][24];
        ops_make(&ops,
                 &(struct made_options){.cluster_bits = 12,
                                        .virtual_size = 2ull << 20,
                                        .record_before = before,
                                        .record_behind = behind,
                                        .bitmap_count = bitmaps,
                                        .bitmaps = {{.name = "one"}, {.name = "two"}}});
        uint64_t body = ops.places.bitmaps_record + 8;
        poke64(ops.image, ops.places.tables[0], 1ull << 41);
        native_image_copy(&old, ops.image);
        native_image_copy(&state, ops.image);
        native_image_read(ops.image, body, bodies[0], sizeof bodies[0]);
        assert_int_equal(repairs_run(&ops, ABI_CALL_REPAIR_ALL), ABI_OK);
        native_image_read(ops.image, body, bodies[1], sizeof bodies[1]);
        if (bitmaps > 1)
                assert_memory_not_equal(bodies[0], bodies[1], sizeof bodies[0]);
        native_image_copy(ops.image, &old);
        repairs_run_only(&ops, ABI_CALL_REPAIR_ALL);
        struct native_trace trace = take_trace();
        for (size_t i = 0; i < trace.count; i++) {
                apply(&state, &trace.events[i]);
                judge_list(&state, bodies);
        }
        native_trace_free(&trace);
}

static void a_list_is_whole_or_not_there(void **unused)
{
        (void)unused;
        for (uint32_t bitmaps = 1; bitmaps <= 2; bitmaps++) {
                judge_lists(bitmaps, 0, 0);
                judge_lists(bitmaps, 20, 500); /* more than the first sector behind it */
                judge_lists(bitmaps, 368, 0);  /* crosses behind its size */
                judge_lists(bitmaps, 376, 0);  /* crosses behind its count */
                judge_lists(bitmaps, 376, 40); /* not the last */
                judge_lists(bitmaps, 600, 40); /* all in the second sector */
                judge_lists(bitmaps, 888, 40); /* crosses into the third */
        }
}

static void records_are_whole_where_a_stale_list_goes(void **unused)
{
        (void)unused;
        judge_records(0, 0);
        judge_records(20, 12);
        judge_records(20, 500);  /* what is behind it goes beyond the first sector */
        judge_records(376, 0);   /* it crosses itself, the last */
        judge_records(376, 40);  /* not the last */
        judge_records(600, 40);  /* all in the second sector */
        judge_records(600, 900); /* as far as the third */
}

static void random_damage_can_be_undone_at_any_write(void **unused)
{
        uint32_t explored = 0;
        (void)unused;
        for (uint64_t seed = 1; seed <= RUNS; seed++) {
                struct made_options options;
                struct order order;
                random_start(seed * 31);
                random_image(&options);
                ops_make(&ops, &options);
                for (uint64_t i = random_below(6) + 1; i; i--)
                        damage_once(&ops);
                print_message("\rseed %llu ", (unsigned long long)seed);
                explored += explore(&order);
        }
        print_message("\r%u of %u explored\n", explored, RUNS);
        assert_true(explored > RUNS / 2);
}

int main(void)
{
#define ORDER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
            ORDER(clusters_are_free_behind_the_switch),
            ORDER(the_first_of_mere_leaks_is_the_switch),
            ORDER(a_new_structure_is_there_before_the_switch),
            ORDER(a_list_is_whole_or_not_there),
            ORDER(records_are_whole_where_a_stale_list_goes),
            ORDER(random_damage_can_be_undone_at_any_write),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
