/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/info_reports.h"

#include "tests/unit/cli/cmocka_all.h"

#include <string.h>

struct info info;
struct info_sink sink;

void reports_start(const struct info_view *view)
{
        info.filename = "dir/x.qcow2";
        info.actual_size = 200704;
        info.terminal = false;
        info.journals = NULL;
        info.pending = NULL;
        output_start(&info.output, -1); /* what is printed fits into the buffer */
        info_sink_start(&sink, view, &info);
}

struct abi_report_image ordinary_image(void)
{
        return (struct abi_report_image){.version = 3,
                                         .size = 64 << 20,
                                         .cluster_size = 65536,
                                         .refcount_bits = 16,
                                         .autoclear = 1};
}

struct abi_report_bitmap ordinary_bitmap(void)
{
        return (struct abi_report_bitmap){.table_entries = 1,
                                          .flags = 2,
                                          .granularity = 65536,
                                          .table_clusters = 1,
                                          .type = 1};
}

int report_raw(uint64_t kind, const void *facts, size_t size, const void *behind,
               size_t length)
{
        static uint8_t bytes[ABI_MAX_REPORT + 1];

        memcpy(bytes, facts, size);
        memcpy(bytes + size, behind, length);
        return info_sink_take(&sink, kind, bytes, size + length);
}

static uint32_t append(char *to, const char *string)
{
        size_t length = string ? strlen(string) : 0;

        memcpy(to + strlen(to), string ? string : "", length + 1);
        return (uint32_t)length;
}

int report_image(struct abi_report_image facts, const char *backing, const char *format,
                 const char *data_file)
{
        char strings[8192] = "";

        facts.backing_length = append(strings, backing);
        facts.backing_format_length = append(strings, format);
        facts.data_file_length = append(strings, data_file);
        return report_raw(ABI_REPORT_IMAGE, &facts, sizeof facts, strings,
                          strlen(strings));
}

int report_snapshot(struct abi_report_snapshot facts, const char *id, const char *name)
{
        char strings[1024] = "";

        facts.id_length = append(strings, id);
        facts.name_length = append(strings, name);
        return report_raw(ABI_REPORT_SNAPSHOT, &facts, sizeof facts, strings,
                          strlen(strings));
}

int report_bitmap(struct abi_report_bitmap facts, const void *name, uint32_t length)
{
        facts.name_length = length;
        return report_raw(ABI_REPORT_BITMAP, &facts, sizeof facts, name, length);
}

int report_damage(struct abi_report_damage facts, const char *name)
{
        facts.name_length = (uint32_t)strlen(name);
        return report_raw(ABI_REPORT_DAMAGE, &facts, sizeof facts, name,
                          facts.name_length);
}

const char *reports_finish(void)
{
        sink.view->tail(&info);
        text_bytes(&info.output.text, "", 1);
        return info.output.text.bytes;
}

void expect_printed(const char *expected)
{
        assert_string_equal(reports_finish(), expected);
}

void expect_part(const char *expected)
{
        const char *printed = reports_finish();

        if (!strstr(printed, expected))
                fail_msg("expected \"%s\" in \"%s\"", expected, printed);
}

void start_ordinary(const struct info_view *view)
{
        reports_start(view);
        assert_int_equal(report_image(ordinary_image(), NULL, NULL, NULL), 0);
}
