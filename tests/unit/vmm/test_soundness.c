/* SPDX-License-Identifier: MIT */
/* Whether an image is sound, by the guest's checker in a machine of its own. */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/vmm/soundness.h"
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
};

/* The image as it is now in memory, in a file, opened and locked. */
static void save(struct fixture *f)
{
        int error;
        image_close(&f->image);
        assert_true(native_image_save_file(&f->made, f->path));
        assert_int_equal(image_open(f->path, &f->image, &error), IMAGE_OK);
        assert_int_equal(image_lock(&f->image, &error), IMAGE_OK);
}

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof *f);
        f->image.fd = -1;
        snprintf(f->path, sizeof f->path, "soundness.%d.qcow2", (int)getpid());
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
static void expect(struct fixture *f, enum recovery_soundness expected)
{
        enum recovery_soundness soundness = (enum recovery_soundness)99;
        struct stat before;
        struct stat now;
        assert_int_equal(fstat(f->image.fd, &before), 0);
        assert_int_equal(soundness_run(&f->image, &soundness), 0);
        assert_int_equal(soundness, expected);
        assert_int_equal(fstat(f->image.fd, &now), 0);
        assert_int_equal(now.st_size, before.st_size);
        assert_memory_equal(&now.st_mtim, &before.st_mtim, sizeof now.st_mtim);
        assert_int_equal(waitpid(-1, NULL, 0), -1);
        assert_int_equal(errno, ECHILD);
}

static void a_whole_image_is_sound(void **state)
{
        expect(*state, RECOVERY_SOUND);
}

static void leaked_clusters_are_no_corruption(void **state)
{
        struct fixture *f = *state;
        uint64_t l2 = peek64(&f->made, f->places.l1) & 0x00fffffffffffe00ull;
        poke64(&f->made, l2, 0); /* the first cluster is nobody's any more */
        save(f);
        expect(f, RECOVERY_SOUND);
}

static void a_reference_without_a_refcount_is_corruption(void **state)
{
        struct fixture *f = *state;
        uint64_t l2 = peek64(&f->made, f->places.l1) & 0x00fffffffffffe00ull;
        poke64(&f->made, l2 + 8 * 9, f->made.size); /* behind the end of the file */
        save(f);
        expect(f, RECOVERY_CORRUPT);
}

static void what_cannot_be_opened_cannot_be_checked(void **state)
{
        struct fixture *f = *state;
        poke64(&f->made, f->places.tables[0], 2); /* a table entry with reserved bits */
        save(f);
        expect(f, RECOVERY_UNCHECKABLE);
        poke64(&f->made, 40, f->places.l1 + 1); /* a header with an unaligned L1 table */
        save(f);
        expect(f, RECOVERY_UNCHECKABLE);
        poke32(&f->made, 0, 0x12345678); /* no qcow2 at all */
        save(f);
        expect(f, RECOVERY_UNCHECKABLE);
        native_image_resize(&f->made, 0);
        save(f);
        expect(f, RECOVERY_UNCHECKABLE);
}

static void an_image_that_cannot_be_read_is_an_error(void **state)
{
        struct fixture *f = *state;
        enum recovery_soundness soundness;
        int readable = f->image.fd;
        f->image.fd = open(f->path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(soundness_run(&f->image, &soundness), -EBADF);
        close(f->image.fd);
        f->image.fd = readable;
        expect(f, RECOVERY_SOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_whole_image_is_sound),
            TEST(leaked_clusters_are_no_corruption),
            TEST(a_reference_without_a_refcount_is_corruption),
            TEST(what_cannot_be_opened_cannot_be_checked),
            TEST(an_image_that_cannot_be_read_is_an_error),
        };
        if (machine_absent())
                return 0;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
