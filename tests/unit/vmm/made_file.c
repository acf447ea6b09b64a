/* SPDX-License-Identifier: MIT */
#include "tests/unit/vmm/made_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct made_options options = {
    .cluster_bits = 12,
    .data_clusters = 3,
    .snapshots = 1,
    .bitmap_count = 1,
    .bitmaps = {{.name = "b", .fill = MADE_DATA, .granularity_bits = 12}},
};

void made_file_save(struct made_file *f)
{
        int error;

        image_close(&f->image);
        assert_true(native_image_save_file(&f->made, f->path));
        assert_int_equal(image_open(f->path, &f->image, &error), IMAGE_OK);
        assert_int_equal(image_lock(&f->image, &error), IMAGE_OK);
        assert_int_equal(fstat(f->image.fd, &f->before), 0);
}

int made_file_set_up(void **state)
{
        struct made_file *f = calloc(1, sizeof *f);

        assert_non_null(f);
        f->image.fd = -1;
        snprintf(f->path, sizeof f->path, "made_file.%d.qcow2", (int)getpid());
        assert_true(native_image_create(&f->made, 1ull << 30, 512));
        make_image(&f->made, &options, &f->places);
        made_file_save(f);
        *state = f;
        return 0;
}

int made_file_tear_down(void **state)
{
        struct made_file *f = *state;

        image_close(&f->image);
        unlink(f->path);
        native_image_destroy(&f->made);
        free(f);
        return 0;
}

uint64_t made_file_l2(const struct made_file *f)
{
        return peek64(&f->made, f->places.l1) & 0x00fffffffffffe00ull;
}

void made_file_assert_untouched(const struct made_file *f)
{
        struct stat now;

        assert_int_equal(fstat(f->image.fd, &now), 0);
        assert_int_equal(now.st_size, f->before.st_size);
        assert_memory_equal(&now.st_mtim, &f->before.st_mtim, sizeof now.st_mtim);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), f->process_beside ? 0 : -1);
}
