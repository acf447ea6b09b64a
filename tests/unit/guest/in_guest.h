/* SPDX-License-Identifier: MIT */
/*
 * Parts of the guest on their own: a function that runs as a guest program over an
 * image in memory.  Include it in one file of a program.
 */
#ifndef INSTAR_TESTS_UNIT_GUEST_IN_GUEST_H
#define INSTAR_TESTS_UNIT_GUEST_IN_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Before cmocka, which has a macro of the name fail. */
#include "guest/rt/arena.h"
#include "guest/rt/doorbell.h"
#include "guest/rt/failure.h"
#include "guest/rt/transaction.h"

#include <cmocka.h>

#include "tests/native/image_maker.h"
#include "tests/native/native_host.h"

static struct native_host *guest_host;
static struct native_image *guest_image;
static void (*guest_part)(void);

static int guest_set_up(void **state)
{
        struct native_options options = {.image_capacity = 1ull << 30};
        (void)state;
        guest_host = native_host_create(&options);
        assert_non_null(guest_host);
        guest_image = native_host_image(guest_host);
        return 0;
}

static int guest_tear_down(void **state)
{
        (void)state;
        native_host_destroy(guest_host);
        return 0;
}

static void guest_program(void)
{
        struct abi_result result = {.code = ABI_OK};
        arena_reset();
        doorbell_reset();
        guest_part();
        program_end(&result);
}

/* Run `part`; it may use everything that a guest program may, and cmocka. */
static struct native_outcome in_guest(void (*part)(void))
{
        struct abi_call call = {0};
        guest_part = part;
        struct native_outcome outcome = native_run(guest_host, guest_program, &call);
        if (outcome.status == NATIVE_PROTOCOL)
                fail_msg("the guest broke a rule: %s", outcome.rule);
        assert_int_equal(outcome.status, NATIVE_OK);
        return outcome;
}

#define IN_GUEST(name)                                                                   \
        cmocka_unit_test_setup_teardown(name, guest_set_up, guest_tear_down)

#endif
