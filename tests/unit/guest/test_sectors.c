/* SPDX-License-Identifier: MIT */
/* The sector cache: what is read, what is emitted. */
#include "tests/unit/guest/in_guest.h"

#include "guest/qcow2/sectors.h"
#include "guest/rt/reader.h"

static struct sectors sectors;

static void fill_image(void)
{
        uint8_t bytes[65536];
        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t)(i * 7 + i / 512);
        native_image_load(guest_image, bytes, sizeof bytes);
        memset(&sectors, 0, sizeof sectors);
}

static struct sector *get(uint64_t offset)
{
        struct sector *sector = NULL;
        assert_int_equal(sectors_get(&sectors, offset, &sector), ABI_OK);
        assert_int_equal(sector->offset, offset);
        return sector;
}

/* Apply what is emitted as step 1, with a switch behind it so that it is kept. */
static void emit_and_apply(void)
{
        static const uint8_t mark[8] = "switched";
        static uint8_t old[8];
        transaction_begin(guest_image->size, guest_image->size + 512, 0);
        assert_int_equal(sectors_emit(&sectors, 1), ABI_OK);
        native_image_read(guest_image, 0, old, sizeof old);
        transaction_write(2, ABI_CHANGE_SWITCH, 0, old, mark, sizeof mark);
        transaction_apply(1, 0);
        transaction_apply(2, 0);
        transaction_flush();
}

static void many_wanted(void)
{
        for (uint64_t i = 0; i < 128; i++)
                assert_int_equal(sectors_want(&sectors, i * 37 % 128 * 512), ABI_OK);
        sectors_load(&sectors);
        for (uint64_t i = 0; i < 128; i++)
                assert_memory_equal(get(i * 512)->now, guest_image->bytes + i * 512, 512);
}

static void what_is_wanted_comes_in_one_doorbell(void **state)
{
        (void)state;
        fill_image();
        struct native_outcome outcome = in_guest(many_wanted);
        assert_int_equal(outcome.doorbells, 2); /* the end is the second */
        assert_int_equal(outcome.bytes_read, 65536);
}

static void change_two_bytes(void)
{
        get(512);
        get(1024)->now[100] ^= 1;
        get(1024)->now[103] ^= 1;
        emit_and_apply();
}

static void only_changed_bytes_are_written(void **state)
{
        (void)state;
        fill_image();
        in_guest(change_two_bytes);
        const struct native_trace *trace = native_host_trace(guest_host);
        assert_int_equal(trace->events[2].kind, NATIVE_WRITE);
        assert_int_equal(trace->events[2].offset, 1024 + 100);
        assert_int_equal(trace->events[2].length, 4);
        assert_int_equal(native_trace_changes(trace), 3); /* resize, this, the switch */
}

static void make_fresh(void)
{
        struct sector *sector;
        assert_int_equal(sectors_get_fresh(&sectors, 65536, &sector), ABI_OK);
        for (int i = 0; i < 512; i++)
                assert_int_equal(sector->now[i], 0);
        sector->now[5] = 9;
        emit_and_apply();
        assert_int_equal(get(65536)->base[5], 9);
}

static void fresh_sector_is_written_whole_and_not_read(void **state)
{
        (void)state;
        fill_image();
        struct native_outcome outcome = in_guest(make_fresh);
        const struct native_trace *trace = native_host_trace(guest_host);
        assert_int_equal(trace->events[2].length, 512);
        assert_int_equal(outcome.bytes_read, 0);
}

static void emit_twice(void)
{
        get(2048)->now[0] ^= 1;
        transaction_begin(guest_image->size, guest_image->size, 0);
        assert_int_equal(sectors_emit(&sectors, 1), ABI_OK);
        uint32_t declared = rt_doorbell()->count;
        assert_int_equal(sectors_emit(&sectors, 1), ABI_OK);
        assert_int_equal(rt_doorbell()->count, declared);
        doorbell_reset();
}

static void what_is_emitted_is_taken_for_applied(void **state)
{
        (void)state;
        fill_image();
        in_guest(emit_twice);
}

/* The bytes come with whatever is read next. */
static void want_and_read_something_else(void)
{
        uint8_t other[512];
        assert_int_equal(sectors_want(&sectors, 512), ABI_OK);
        read_queue(1024, other, sizeof other);
        read_flush();
        transaction_begin(guest_image->size, guest_image->size, 0);
        uint32_t before = rt_doorbell()->count;
        assert_int_equal(sectors_emit(&sectors, 1), ABI_OK);
        assert_int_equal(rt_doorbell()->count, before);
        doorbell_reset();
}

static void what_was_only_wanted_is_not_emitted(void **state)
{
        (void)state;
        fill_image();
        in_guest(want_and_read_something_else);
}

static void exhaust_arena(void)
{
        enum abi_code code = ABI_OK;
        uint64_t offset = 0;
        for (; code == ABI_OK; offset += 512)
                code = sectors_want(&sectors, offset);
        assert_int_equal(code, ABI_TOO_LARGE);
        assert_true(offset > 100 * 512);
        sectors_load(&sectors);
}

static void exhausted_arena_is_an_answer(void **state)
{
        (void)state;
        fill_image();
        native_host_set_memory_limit(guest_host, ABI_ARENA_BASE + (1 << 20));
        in_guest(exhaust_arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            IN_GUEST(what_is_wanted_comes_in_one_doorbell),
            IN_GUEST(only_changed_bytes_are_written),
            IN_GUEST(fresh_sector_is_written_whole_and_not_read),
            IN_GUEST(what_is_emitted_is_taken_for_applied),
            IN_GUEST(what_was_only_wanted_is_not_emitted),
            IN_GUEST(exhausted_arena_is_an_answer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
