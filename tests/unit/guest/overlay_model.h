/* SPDX-License-Identifier: MIT */
/* A plan on top of an image of random bytes, and a model of what reads are to show.
 * Include it in one file of a program. */
#ifndef INSTAR_TESTS_UNIT_GUEST_OVERLAY_MODEL_H
#define INSTAR_TESTS_UNIT_GUEST_OVERLAY_MODEL_H

#include "tests/unit/guest/in_guest.h"

#include "guest/qcow2/overlay.h"
#include "guest/rt/bytes.h"
#include "guest/rt/reader.h"

#define SIZE    65536u          /* of the image */
#define PLANNED (SIZE + 16384u) /* with what is planned behind it */

static struct overlay overlay;
static uint8_t model[PLANNED]; /* what reads are to show */
static uint64_t random_state;

static uint64_t below(uint64_t limit)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (random_state >> 11) % limit;
}

static int set_up(void **state)
{
        guest_set_up(state);
        overlay_stop(); /* the test before may have failed under way */
        random_state = 0x9e3779b97f4a7c15ull;
        memset(model, 0, sizeof model);
        for (size_t i = 0; i < SIZE; i++)
                model[i] = (uint8_t)below(256);
        assert_true(native_image_load(guest_image, model, SIZE));
        return 0;
}

#define OVERLAY(name) cmocka_unit_test_setup_teardown(name, set_up, guest_tear_down)

/* Nothing of it may reach the image. */
static void plan(void (*part)(void))
{
        static uint8_t before[SIZE];
        memcpy(before, model, sizeof before);
        in_guest(part);
        overlay_stop();
        assert_int_equal(guest_image->size, SIZE);
        assert_memory_equal(guest_image->bytes, before, SIZE);
}

static void set(uint64_t offset, uint64_t now)
{
        uint64_t seen = load_be64(model + offset);
        assert_int_equal(overlay_set(&overlay, OVERLAY_TABLE, offset, seen, now), ABI_OK);
        store_be64(model + offset, now);
}

static void expect(uint64_t offset, uint64_t length)
{
        static uint8_t bytes[PLANNED];
        memset(bytes, 0xee, sizeof bytes);
        read_queue(offset, bytes, length);
        read_flush();
        assert_memory_equal(bytes, model + offset, length);
        assert_int_equal(bytes[length], 0xee);
}

#endif
