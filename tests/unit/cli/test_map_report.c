/* SPDX-License-Identifier: MIT */
/* How a run of the map's guest ended, in words. */
#include "tests/unit/cli/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/cli/map_report.h"

static const struct look_options options = {.filename = "x.qcow2", .bitmap = "b\n0"};

static struct map_sink sink;
static struct text err;
static char out[2 * TEXT_MAX];

static void start(uint32_t columns)
{
        int fd = memfd_create("map", MFD_CLOEXEC);

        assert_true(fd >= 0);
        map_sink_start(&sink, fd, &map_json, columns, false);
}

static void take_extents(unsigned count)
{
        for (uint64_t i = 0; i < count; i++) {
                struct abi_range extent = {2 * i, 1};
                assert_int_equal(map_sink_take(&sink, ABI_REPORT_EXTENTS,
                                               (const uint8_t *)&extent, sizeof extent),
                                 0);
        }
}

static int tell(struct inspect_report report, bool debug)
{
        int exit_code;
        ssize_t length;

        text_start(&err);
        exit_code = map_report(&options, &report, &sink, debug, &err);
        text_bytes(&err, "", 1);
        length = pread(sink.output.fd, out, sizeof out - 1, 0);
        assert_true(length >= 0);
        out[length] = '\0';
        close(sink.output.fd);
        return exit_code;
}

static void success_prints_what_is_left(void **state)
{
        (void)state;
        start(0);
        take_extents(2);
        assert_int_equal(tell((struct inspect_report){0}, true), 0);
        assert_string_equal(err.bytes, "");
        assert_string_equal(out, "[{ \"start\": 0, \"length\": 1, \"depth\": 0, "
                                 "\"present\": true, \"zero\": false, \"data\": true},\n"
                                 "{ \"start\": 2, \"length\": 1, \"depth\": 0, "
                                 "\"present\": true, \"zero\": false, \"data\": "
                                 "true}]\n");
}

static void failure_leaves_stdout_empty_and_tells_the_row_first(void **state)
{
        struct inspect_report report = {.result = {.code = ABI_IN_USE}};

        (void)state;
        start(0);
        assert_int_equal(tell(report, false), 1);
        assert_string_equal(out, "");
        assert_ptr_equal(strstr(err.bytes, "instar map: bitmap is in use / inconsistent"),
                         err.bytes);
}

static void what_is_still_in_the_buffer_is_not_printed(void **state)
{
        struct inspect_report report = {.outcome = EDIT_READ_ERROR, .error = -EIO};

        (void)state;
        start(0);
        take_extents(10);
        assert_int_equal(tell(report, false), 1);
        assert_string_equal(out, "");
        assert_null(strstr(err.bytes, "incomplete"));
}

static void a_failure_in_the_middle_leaves_the_array_open_and_says_so(void **state)
{
        struct inspect_report report = {.outcome = EDIT_READ_ERROR, .error = -EIO};

        (void)state;
        start(0);
        take_extents(1000);
        assert_int_equal(tell(report, false), 1);
        assert_string_equal(err.bytes, "instar map: I/O error reading the image\n"
                                       "hint: Input/output error; the image is as it was"
                                       "\ninstar map: what was printed is incomplete\n");
        assert_int_equal(out[0], '[');
        assert_string_equal(strrchr(out, '}'), "}");
}

static void an_output_that_failed_is_told_once(void **state)
{
        struct inspect_report report = {.outcome = EDIT_OUTPUT_ERROR, .error = -EPIPE};

        (void)state;
        start(0);
        take_extents(1000);
        assert_int_equal(tell(report, false), 1);
        assert_string_equal(err.bytes,
                            "instar map: cannot write to standard output: Broken pipe\n");
}

static void an_output_that_fails_at_the_end_is_told(void **state)
{
        int full = open("/dev/full", O_RDWR | O_CLOEXEC);

        (void)state;
        assert_true(full >= 0);
        map_sink_start(&sink, full, &map_json, 0, false);
        assert_int_equal(tell((struct inspect_report){0}, false), 1);
        assert_string_equal(err.bytes, "instar map: cannot write to standard output: No "
                                       "space left on device\n");
}

static void a_guest_that_owes_the_picture_has_broken_the_protocol(void **state)
{
        (void)state;
        start(10);
        assert_int_equal(tell((struct inspect_report){0}, false), 1);
        assert_string_equal(out, "");
        assert_ptr_equal(strstr(err.bytes, "instar map: the guest program broke the "
                                           "protocol"),
                         err.bytes);
}

static void a_malformed_table_is_told_by_the_bitmaps_name_escaped(void **state)
{
        struct inspect_report report = {
            .result = {.code = ABI_BAD_TABLE, .detail = {0x30000, 3, 0x99}}};

        (void)state;
        start(0);
        assert_int_equal(tell(report, false), 1);
        assert_ptr_equal(strstr(err.bytes, "instar map: malformed table of bitmap "
                                           "'b\\x0a0' at offset 0x30000: entry 3 is "
                                           "0x99\n"),
                         err.bytes);
}

static void debug_tells_the_outcome_and_the_rule(void **state)
{
        struct inspect_report report = {.outcome = EDIT_PROTOCOL,
                                        .trace = {.fault = "report: content"}};

        (void)state;
        start(0);
        assert_int_equal(tell(report, false), 1);
        assert_null(strstr(err.bytes, "debug:"));
        start(0);
        assert_int_equal(tell(report, true), 1);
        assert_non_null(strstr(err.bytes, "\ndebug: outcome "));
        assert_non_null(strstr(err.bytes, "\ndebug: fault: report: content\n"));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(success_prints_what_is_left),
            cmocka_unit_test(failure_leaves_stdout_empty_and_tells_the_row_first),
            cmocka_unit_test(what_is_still_in_the_buffer_is_not_printed),
            cmocka_unit_test(a_failure_in_the_middle_leaves_the_array_open_and_says_so),
            cmocka_unit_test(an_output_that_failed_is_told_once),
            cmocka_unit_test(an_output_that_fails_at_the_end_is_told),
            cmocka_unit_test(a_guest_that_owes_the_picture_has_broken_the_protocol),
            cmocka_unit_test(a_malformed_table_is_told_by_the_bitmaps_name_escaped),
            cmocka_unit_test(debug_tells_the_outcome_and_the_rule),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
