/* SPDX-License-Identifier: MIT */
/* Whether an image is sound, by the guest's checker in a machine of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/vmm/soundness.h"
#include "tests/unit/vmm/machine.h"
#include "tests/unit/vmm/made_file.h"

/* Nothing is written, and no child is left behind. */
static void expect(struct made_file *f, enum recovery_soundness expected)
{
        enum recovery_soundness soundness = (enum recovery_soundness)99;
        assert_int_equal(soundness_run(&f->image, &soundness), 0);
        assert_int_equal(soundness, expected);
        made_file_assert_untouched(f);
}

static void a_whole_image_is_sound(void **state)
{
        expect(*state, RECOVERY_SOUND);
}

static void leaked_clusters_are_no_corruption(void **state)
{
        struct made_file *f = *state;
        uint64_t l2 = made_file_l2(f);
        poke64(&f->made, l2, 0); /* the first cluster is nobody's any more */
        made_file_save(f);
        expect(f, RECOVERY_SOUND);
}

static void a_reference_without_a_refcount_is_corruption(void **state)
{
        struct made_file *f = *state;
        uint64_t l2 = made_file_l2(f);
        poke64(&f->made, l2 + 8 * 9, f->made.size); /* behind the end of the file */
        made_file_save(f);
        expect(f, RECOVERY_CORRUPT);
}

static void what_cannot_be_opened_cannot_be_checked(void **state)
{
        struct made_file *f = *state;
        poke64(&f->made, f->places.tables[0], 2); /* a table entry with reserved bits */
        made_file_save(f);
        expect(f, RECOVERY_UNCHECKABLE);
        poke64(&f->made, 40, f->places.l1 + 1); /* a header with an unaligned L1 table */
        made_file_save(f);
        expect(f, RECOVERY_UNCHECKABLE);
        poke32(&f->made, 0, 0x12345678); /* no qcow2 at all */
        made_file_save(f);
        expect(f, RECOVERY_UNCHECKABLE);
        native_image_resize(&f->made, 0);
        made_file_save(f);
        expect(f, RECOVERY_UNCHECKABLE);
}

static void an_image_that_cannot_be_read_is_an_error(void **state)
{
        struct made_file *f = *state;
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
#define TEST(name)                                                                       \
        cmocka_unit_test_setup_teardown(name, made_file_set_up, made_file_tear_down)
        const struct CMUnitTest tests[] = {
            TEST(a_whole_image_is_sound),
            TEST(leaked_clusters_are_no_corruption),
            TEST(a_reference_without_a_refcount_is_corruption),
            TEST(what_cannot_be_opened_cannot_be_checked),
            TEST(an_image_that_cannot_be_read_is_an_error),
        };
        return machine_run_tests(tests, NULL, NULL);
}
