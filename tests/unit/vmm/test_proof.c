/* SPDX-License-Identifier: MIT */
/*
 * The proof that nothing refers to some ranges, by the guest program in a machine, in a
 * child with its sandbox; and that the caller goes on as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/vmm/proof.h"
#include "host/vmm/signals.h"
#include "tests/native/image_maker.h"
#include "tests/unit/vmm/machine.h"

#define CLUSTER 4096ull

static const struct made_options options = {
    .cluster_bits = 12,
    .data_clusters = 3,
    .snapshots = 1,
    .bitmap_count = 1,
    .bitmaps = {{.name = "b", .fill = MADE_DATA, .granularity_bits = 12}},
};

struct fixture {
        char path[64];
        struct native_image made;
        struct made_places places;
        struct image image;
        struct stat before;
};

/* The image as it is now in memory, in a file, opened and locked. */
static void save(struct fixture *f)
{
        int error;
        image_close(&f->image);
        assert_true(native_image_save_file(&f->made, f->path));
        assert_int_equal(image_open(f->path, &f->image, &error), IMAGE_OK);
        assert_int_equal(image_lock(&f->image, &error), IMAGE_OK);
        assert_int_equal(fstat(f->image.fd, &f->before), 0);
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        f->image.fd = -1;
        snprintf(f->path, sizeof f->path, "proof.%d.qcow2", (int)getpid());
        assert_true(native_image_create(&f->made, 1ull << 30, 512));
        make_image(&f->made, &options, &f->places);
        save(f);
        *state = f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;
        image_close(&f->image);
        unlink(f->path);
        native_image_destroy(&f->made);
        free(f);
        return 0;
}

/* Nothing is written, and no child is left behind. */
static void expect(struct fixture *f, const struct abi_range *ranges, size_t count,
                   enum recovery_proof expected)
{
        enum recovery_proof proof = (enum recovery_proof)99;
        struct stat now;
        assert_int_equal(proof_run(&f->image, ranges, count, &proof), 0);
        assert_int_equal(proof, expected);
        assert_int_equal(fstat(f->image.fd, &now), 0);
        assert_int_equal(now.st_size, f->before.st_size);
        assert_memory_equal(&now.st_mtim, &f->before.st_mtim, sizeof now.st_mtim);
        assert_int_equal(waitpid(-1, NULL, 0), -1);
        assert_int_equal(errno, ECHILD);
}

static void expect_one(struct fixture *f, uint64_t offset, enum recovery_proof expected)
{
        expect(f, &(struct abi_range){offset, CLUSTER}, 1, expected);
}

static void what_nothing_refers_to_is_proved(void **state)
{
        struct fixture *f = *state;
        expect_one(f, f->made.size, RECOVERY_PROVED);
        expect_one(f, 1ull << 40, RECOVERY_PROVED);
        expect(f, NULL, 0, RECOVERY_PROVED);
}

static void what_is_referred_to_is_found(void **state)
{
        struct fixture *f = *state;
        uint64_t l2 = peek64(&f->made, f->places.l1) & 0x00fffffffffffe00ull;
        expect_one(f, f->places.first_data, RECOVERY_REFERENCED);
        expect_one(f, f->places.tables[0], RECOVERY_REFERENCED);
        expect_one(f, 0, RECOVERY_REFERENCED);
        poke64(&f->made, l2 + 8 * 9, f->made.size); /* behind the end of the file */
        save(f);
        expect_one(f, f->made.size, RECOVERY_REFERENCED);
}

/* In whatever part of them it is. */
static void more_ranges_than_a_call_holds_are_proved_in_parts(void **state)
{
        struct fixture *f = *state;
        struct abi_range ranges[2 * ABI_MAX_RANGES + 3];
        const size_t count = sizeof ranges / sizeof *ranges;
        const size_t used[] = {0, ABI_MAX_RANGES - 1, ABI_MAX_RANGES, count - 1};
        for (size_t i = 0; i < count; i++)
                ranges[i] = (struct abi_range){f->made.size + 2 * i * CLUSTER, CLUSTER};
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
        struct fixture *f = *state;
        uint64_t l2 = peek64(&f->made, f->places.l1) & 0x00fffffffffffe00ull;
        poke64(&f->made, l2 + 8 * 9, 2);
        save(f);
        expect_one(f, f->made.size, RECOVERY_PROVED);
        expect_one(f, f->places.first_data, RECOVERY_REFERENCED);
        poke64(&f->made, f->places.l1, 1);
        save(f);
        expect_one(f, f->made.size, RECOVERY_PROVED);
        expect_one(f, f->places.tables[0], RECOVERY_REFERENCED);
        poke64(&f->made, 40, f->places.l1 + 1); /* the header names no L1 table */
        save(f);
        expect_one(f, f->made.size, RECOVERY_UNPROVABLE);
}

static void what_is_no_qcow2_is_not_provable(void **state)
{
        struct fixture *f = *state;
        poke32(&f->made, 0, 0x12345678);
        save(f);
        expect_one(f, f->made.size, RECOVERY_UNPROVABLE);
        native_image_resize(&f->made, 0);
        save(f);
        expect_one(f, 0, RECOVERY_UNPROVABLE);
}

static void an_image_that_cannot_be_read_is_an_error(void **state)
{
        struct fixture *f = *state;
        const struct abi_range range = {f->made.size, CLUSTER};
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
        struct fixture *f = *state;
        struct image other;
        struct vm *vm;
        int error;
        void *machine = NULL;
        assert_int_equal(machine_setup(&machine), 0);
        vm = machine;
        machine_assert_usable(vm);
        expect_one(f, f->made.size, RECOVERY_PROVED);
        machine_assert_usable(vm);
        machine_teardown(&machine);
        assert_int_equal(image_open(f->path, &other, &error), IMAGE_OK);
        assert_int_equal(image_lock(&other, &error), IMAGE_LOCKED);
        image_close(&f->image);
        f->image.fd = -1;
        assert_int_equal(image_lock(&other, &error), IMAGE_OK);
        image_close(&other);
}

/* Ctrl-C during a recovery: that is finished first, and its proof is part of it.  The
 * last test: no machine of this process runs any more. */
static void a_signal_that_the_caller_has_caught_is_no_answer(void **state)
{
        struct fixture *f = *state;
        signals_catch();
        assert_int_equal(raise(SIGINT), 0);
        assert_int_equal(signals_caught(), SIGINT);
        expect_one(f, f->made.size, RECOVERY_PROVED);
        expect_one(f, f->places.l1, RECOVERY_REFERENCED);
        assert_int_equal(signals_caught(), SIGINT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(what_nothing_refers_to_is_proved),
            TEST(what_is_referred_to_is_found),
            TEST(more_ranges_than_a_call_holds_are_proved_in_parts),
            TEST(in_a_damaged_image_what_can_be_followed_counts),
            TEST(what_is_no_qcow2_is_not_provable),
            TEST(an_image_that_cannot_be_read_is_an_error),
            TEST(the_caller_goes_on_with_its_locks_and_a_machine_of_its_own),
            TEST(a_signal_that_the_caller_has_caught_is_no_answer),
        };
        if (machine_absent())
                return 0;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
