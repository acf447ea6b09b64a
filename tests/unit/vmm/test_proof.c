/* SPDX-License-Identifier: MIT */
/*
 * The proof that nothing refers to some ranges, by the guest program in a machine, in a
 * child with its sandbox; and that the caller goes on as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/vmm/proof.h"
#include "host/vmm/signals.h"
#include "tests/unit/vmm/machine.h"
#include "tests/unit/vmm/made_file.h"

/* Nothing is written, and no child is left behind. */
static void expect(struct made_file *f, const struct abi_range *ranges, size_t count,
                   enum recovery_proof expected)
{
        enum recovery_proof proof = (enum recovery_proof)99;
        assert_int_equal(proof_run(&f->image, ranges, count, &proof), 0);
        assert_int_equal(proof, expected);
        made_file_assert_untouched(f);
}

static void expect_one(struct made_file *f, uint64_t offset, enum recovery_proof expected)
{
        expect(f, &(struct abi_range){offset, MADE_FILE_CLUSTER}, 1, expected);
}

static void what_nothing_refers_to_is_proved(void **state)
{
        struct made_file *f = *state;
        expect_one(f, f->made.size, RECOVERY_PROVED);
        expect_one(f, 1ull << 40, RECOVERY_PROVED);
        expect(f, NULL, 0, RECOVERY_PROVED);
}

static void what_is_referred_to_is_found(void **state)
{
        struct made_file *f = *state;
        uint64_t l2 = made_file_l2(f);
        expect_one(f, f->places.first_data, RECOVERY_REFERENCED);
        expect_one(f, f->places.tables[0], RECOVERY_REFERENCED);
        expect_one(f, 0, RECOVERY_REFERENCED);
        poke64(&f->made, l2 + 8 * 9, f->made.size); /* behind the end of the file */
        made_file_save(f);
        expect_one(f, f->made.size, RECOVERY_REFERENCED);
}

/* In whatever part of them it is. */
static void more_ranges_than_a_call_holds_are_proved_in_parts(void **state)
{
        struct made_file *f = *state;
        struct abi_range ranges[2 * ABI_MAX_RANGES + 3];
        const size_t count = sizeof ranges / sizeof *ranges;
        const size_t used[] = {0, ABI_MAX_RANGES - 1, ABI_MAX_RANGES, count - 1};
        for (size_t i = 0; i < count; i++)
                ranges[i] = (struct abi_range){f->made.size + 2 * i * MADE_FILE_CLUSTER,
                                               MADE_FILE_CLUSTER};
        expect(f, ranges, count, RECOVERY_PROVED);
        for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
                struct abi_range was = ranges[used[i]];
                ranges[used[i]].offset = f->places.l1;
                expect(f, ranges, count, RECOVERY_REFERENCED);
                ranges[used[i]] = was;
        }
}

/* A repair that was interrupted leaves one: what a reader could follow counts. */
static void in_a_damaged_image_what_can_be_followed_counts(void **state)
{
        struct made_file *f = *state;
        uint64_t l2 = made_file_l2(f);
        poke64(&f->made, l2 + 8 * 9, 2);
        made_file_save(f);
        expect_one(f, f->made.size, RECOVERY_PROVED);
        expect_one(f, f->places.first_data, RECOVERY_REFERENCED);
        poke64(&f->made, f->places.l1, 1);
        made_file_save(f);
        expect_one(f, f->made.size, RECOVERY_PROVED);
        expect_one(f, f->places.tables[0], RECOVERY_REFERENCED);
        poke64(&f->made, 40, f->places.l1 + 1); /* the header names no L1 table */
        made_file_save(f);
        expect_one(f, f->made.size, RECOVERY_UNPROVABLE);
}

static void what_is_no_qcow2_is_not_provable(void **state)
{
        struct made_file *f = *state;
        poke32(&f->made, 0, 0x12345678);
        made_file_save(f);
        expect_one(f, f->made.size, RECOVERY_UNPROVABLE);
        native_image_resize(&f->made, 0);
        made_file_save(f);
        expect_one(f, 0, RECOVERY_UNPROVABLE);
}

static void an_image_that_cannot_be_read_is_an_error(void **state)
{
        struct made_file *f = *state;
        const struct abi_range range = {f->made.size, MADE_FILE_CLUSTER};
        enum recovery_proof proof;
        int readable = f->image.fd;
        f->image.fd = open(f->path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(proof_run(&f->image, &range, 1, &proof), -EBADF);
        close(f->image.fd);
        f->image.fd = -1;
        assert_int_equal(proof_run(&f->image, &range, 1, &proof), -EBADF);
        f->image.fd = readable;
        expect_one(f, f->made.size, RECOVERY_PROVED);
}

/* The child had the image's locks, too, and its machine's end is not ours. */
static void the_caller_goes_on_with_its_locks_and_a_machine_of_its_own(void **state)
{
        struct made_file *f = *state;
        struct image other;
        struct vm *vm;
        int error;
        void *machine = NULL;
        assert_int_equal(machine_setup(&machine), 0);
        vm = machine;
        machine_assert_usable(vm);
        f->process_beside = vm_kind() == VM_KIND_PROCESS;
        expect_one(f, f->made.size, RECOVERY_PROVED);
        f->process_beside = false;
        machine_assert_usable(vm);
        machine_teardown(&machine);
        assert_int_equal(image_open(f->path, &other, &error), IMAGE_OK);
        assert_int_equal(image_lock(&other, &error), IMAGE_LOCKED);
        image_close(&f->image);
        f->image.fd = -1;
        assert_int_equal(image_lock(&other, &error), IMAGE_OK);
        image_close(&other);
}

/* Ctrl-C during a recovery: that is finished first, and its proof is part of it.  Behind
 * all others: no machine of this process runs any more. */
static void a_signal_that_the_caller_has_caught_is_no_answer(void **state)
{
        struct made_file *f = *state;
        signals_catch();
        assert_int_equal(raise(SIGINT), 0);
        assert_int_equal(signals_caught(), SIGINT);
        expect_one(f, f->made.size, RECOVERY_PROVED);
        expect_one(f, f->places.l1, RECOVERY_REFERENCED);
        assert_int_equal(signals_caught(), SIGINT);
}

int main(void)
{
#define TEST(name)                                                                       \
        cmocka_unit_test_setup_teardown(name, made_file_set_up, made_file_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(what_nothing_refers_to_is_proved),
            TEST(what_is_referred_to_is_found),
            TEST(more_ranges_than_a_call_holds_are_proved_in_parts),
            TEST(in_a_damaged_image_what_can_be_followed_counts),
            TEST(what_is_no_qcow2_is_not_provable),
            TEST(an_image_that_cannot_be_read_is_an_error),
            TEST(the_caller_goes_on_with_its_locks_and_a_machine_of_its_own),
        };
        const struct CMUnitTest last[] = {
            TEST(a_signal_that_the_caller_has_caught_is_no_answer),
        };
        return machine_run_tests(tests, NULL, NULL) + machine_run_tests(last, NULL, NULL);
}
