/* SPDX-License-Identifier: MIT */
#include "tests/unit/qcow2/extension_images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

const struct bitmaps_body old_body = {3, 0x160, 5ull << 16};
const struct bitmaps_body new_body = {4, 0x1d8, 9ull << 16};

struct test_layout plain_image(void)
{
        return (struct test_layout){
            .cluster_size = 65536,
            .header_length = 112,
            .before = {{TEST_FEATURE_TABLE, 384}},
        };
}

struct test_layout overlay_image(void)
{
        return (struct test_layout){
            .cluster_size = 65536,
            .header_length = 112,
            .before = {{TEST_BACKING_FORMAT, 5}, {TEST_FEATURE_TABLE, 384}},
            .has_name = true,
            .name_length = 40,
        };
}

struct test_layout crossing_image(uint32_t bytes_in_front)
{
        return (struct test_layout){
            .cluster_size = 65536,
            .header_length = 112,
            .before = {{TEST_DATA_FILE, 1024 - bytes_in_front - 8 - 120},
                       {TEST_UNKNOWN, 0}},
            .has_bitmaps = true,
            .valid = true,
            .body = old_body,
        };
}

void build(const struct test_layout *layout, struct test_cluster *cluster)
{
        assert_true(test_cluster_build(layout, cluster));
}

void edit_cluster(struct test_cluster *cluster, const struct bitmaps_body *wanted,
                  bool publish, struct header_edit *edit, struct test_view *view)
{
        assert_int_equal(test_plan(cluster, wanted, publish, edit), ABI_OK);
        test_crash_states(cluster, edit, wanted, wanted && publish, view);
}

uint32_t phases(const struct header_edit *edit)
{
        return edit->writes[edit->count - 1].phase;
}

void assert_write(const struct header_write *write, uint32_t phase, bool is_switch,
                  uint32_t offset, uint32_t length)
{
        assert_int_equal(write->phase, phase);
        assert_int_equal(write->is_switch, is_switch);
        assert_int_equal(write->offset, offset);
        assert_int_equal(write->length, length);
}

void reparse(struct test_cluster *cluster, const struct test_view *view,
             const struct bitmaps_body *body)
{
        struct header *header = &cluster->header;

        header->extensions_end = view->end;
        if (header->backing_offset) {
                header->backing_offset = view->name_offset;
                header->extensions_limit = view->name_offset;
        }
        header->autoclear = view->other_autoclear | view->valid;
        header->has_bitmaps = view->has_bitmaps;
        header->bitmaps_record = view->record;
        if (body) {
                header->bitmap_count = body->count;
                header->directory_size = body->directory_size;
                header->directory_offset = body->directory_offset;
        }
}
