/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "host/cli/bitmap_report.h"

static struct text out;
static struct text err;

static const struct bitmap_options human = {
    .filename = "x.qcow2", .target = "b0", .source_count = 2, .sources = {"s0", "s1"}};
static const struct bitmap_options json = {
    .filename = "x.qcow2", .target = "b0", .common.json = true};

static struct edit_report done(void)
{
        return (struct edit_report){.outcome = EDIT_GUEST_RESULT,
                                    .committed = true,
                                    .result = {.actions_applied = 2, .bitmaps = 3}};
}

static int tell(const struct bitmap_options *options, const struct edit_report *report,
                bool debug)
{
        int exit_code;

        text_start(&out);
        text_start(&err);
        exit_code = bitmap_report(options, report, debug, &out, &err);
        text_bytes(&out, "", 1);
        text_bytes(&err, "", 1);
        return exit_code;
}

static void success_is_silent(void **state)
{
        struct edit_report report = done();

        (void)state;
        assert_int_equal(tell(&human, &report, true), 0);
        assert_string_equal(out.bytes, "");
        assert_string_equal(err.bytes, "");
}

static void json_is_the_exact_envelope(void **state)
{
        struct edit_report report = done();

        (void)state;
        assert_int_equal(tell(&json, &report, false), 0);
        assert_string_equal(
            out.bytes, "{\n  \"actions-applied\": 2,\n  \"resulting-bitmaps\": 3\n}\n");
        assert_string_equal(err.bytes, "");
}

static void where_all_went_json_says_how_many(void **state)
{
        const struct bitmap_options all = {
            .filename = "x.qcow2", .remove_all = true, .common.json = true};
        struct edit_report report = done();

        (void)state;
        report.result = (struct abi_result){.actions_applied = 1, .affected = 70};
        assert_int_equal(tell(&all, &report, false), 0);
        assert_string_equal(out.bytes,
                            "{\n  \"actions-applied\": 1,\n  \"resulting-bitmaps\": 0,\n"
                            "  \"removed-bitmaps\": 70\n}\n");
        report.result.code = ABI_DIRTY; /* there is no name to tell */
        report.committed = false;
        assert_int_equal(tell(&all, &report, false), 1);
}

static void a_net_no_op_is_a_success(void **state)
{
        struct edit_report report = done();

        (void)state;
        report.committed = false;
        assert_int_equal(tell(&json, &report, false), 0);
        assert_string_equal(
            out.bytes, "{\n  \"actions-applied\": 2,\n  \"resulting-bitmaps\": 3\n}\n");
}

static void failure_leaves_stdout_empty_and_tells_the_row_first(void **state)
{
        struct edit_report report = {.result = {.code = ABI_EXISTS, .bitmaps = 1}};

        (void)state;
        assert_int_equal(tell(&json, &report, false), 1);
        assert_string_equal(out.bytes, "");
        assert_string_equal(err.bytes, "instar bitmap: bitmap already exists\n");
}

static void leaked_clusters_are_a_warning_not_a_failure(void **state)
{
        struct edit_report report = done();

        (void)state;
        report.result.leaked_clusters = 4;
        assert_int_equal(tell(&human, &report, false), 0);
        assert_non_null(strstr(
            err.bytes, "instar bitmap: warning: 4 clusters were left leaked because"));
}

static void a_failed_index_is_a_warning_where_the_edit_was_done(void **state)
{
        struct edit_report report = done();

        (void)state;
        report.index_error = -ETIMEDOUT;
        assert_int_equal(tell(&human, &report, false), 0);
        assert_ptr_equal(strstr(err.bytes, "instar bitmap: warning: the index"),
                         err.bytes);
        report.committed = false;
        report.result.code = ABI_NOT_FOUND;
        assert_int_equal(tell(&human, &report, false), 1);
        assert_ptr_equal(strstr(err.bytes, "instar bitmap: bitmap not found\n"),
                         err.bytes);
        assert_null(strstr(err.bytes, "warning: the index"));
}

static void a_signal_before_the_switch_exits_with_128_and_its_number(void **state)
{
        struct edit_report report = {.outcome = EDIT_SIGNAL, .signal = SIGTERM};

        (void)state;
        assert_int_equal(tell(&human, &report, false), 143);
        assert_ptr_equal(strstr(err.bytes, "instar bitmap: interrupted by SIGTERM"),
                         err.bytes);
}

static void what_happens_behind_the_switch_does_not_undo_success(void **state)
{
        static const enum edit_outcome outcomes[] = {
            EDIT_SIGNAL, EDIT_WRITE_ERROR, EDIT_DIED, EDIT_TIMEOUT, EDIT_PROTOCOL};

        (void)state;
        for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
                struct edit_report report = done();
                report.outcome = outcomes[i];
                report.signal = SIGINT;
                assert_int_equal(tell(&json, &report, false), 0);
                assert_non_null(strstr(out.bytes, "\"resulting-bitmaps\": 3"));
                assert_non_null(strstr(err.bytes, "warning: the edit was done"));
        }
}

static void numbers_that_the_guest_never_told_are_not_made_up(void **state)
{
        struct edit_report report = {.outcome = EDIT_DIED, .committed = true};

        (void)state;
        assert_int_equal(tell(&json, &report, false), 1);
        assert_string_equal(out.bytes, "");
        assert_ptr_equal(strstr(err.bytes, "instar bitmap: the edit was done, but"),
                         err.bytes);
        assert_int_equal(tell(&human, &report, false), 0);
}

static void a_missing_source_is_told_by_name(void **state)
{
        struct edit_report report = {
            .result = {.code = ABI_SOURCE_NOT_FOUND, .detail = {1}}};

        (void)state;
        assert_int_equal(tell(&human, &report, false), 1);
        assert_string_equal(err.bytes, "instar bitmap: merge source bitmap not found\n"
                                       "hint: the image has no bitmap 's1'\n");
}

static void a_malformed_table_is_told_by_the_bitmaps_name(void **state)
{
        struct edit_report report = {.result = {.code = ABI_BAD_TABLE}};

        (void)state;
        tell(&human, &report, false);
        assert_non_null(strstr(err.bytes, "table of bitmap 'b0'"));
        report.result.detail[3] = 2;
        tell(&human, &report, false);
        assert_non_null(strstr(err.bytes, "table of bitmap 's1'"));
}

static void a_hostile_index_of_a_source_is_survived(void **state)
{
        static const uint64_t hostile[] = {2, 8, 1 << 20, UINT64_MAX};

        (void)state;
        for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
                struct edit_report report = {
                    .result = {.code = ABI_SOURCE_NOT_FOUND, .detail = {hostile[i]}}};
                assert_int_equal(tell(&human, &report, false), 1);
                report.result = (struct abi_result){.code = ABI_BAD_TABLE,
                                                    .detail = {0, 0, 0, hostile[i] + 1}};
                assert_int_equal(tell(&human, &report, false), 1);
        }
}

static void errors_of_the_system_are_told(void **state)
{
        struct edit_report report = {.outcome = EDIT_WRITE_ERROR, .error = -ENOSPC};

        (void)state;
        assert_int_equal(tell(&human, &report, false), 1);
        assert_ptr_equal(strstr(err.bytes, "instar bitmap: I/O error writing the image\n"
                                           "hint: No space left on device; "),
                         err.bytes);
}

static void the_journals_path_is_told_and_escaped(void **state)
{
        struct edit_report report = {.outcome = EDIT_ROLLBACK_FAILED,
                                     .journal_path = "/d/x\n.instar-journal"};

        (void)state;
        assert_int_equal(tell(&human, &report, false), 1);
        assert_non_null(strstr(err.bytes, "kept: /d/x\\x0a.instar-journal\n"));
        report = (struct edit_report){.outcome = EDIT_JOURNAL_ERROR, .error = -EACCES};
        assert_int_equal(tell(&human, &report, false), 1);
        assert_ptr_equal(strstr(err.bytes,
                                "instar bitmap: cannot write the undo journal of "
                                "the image: Permission denied;"),
                         err.bytes);
}

static void without_a_place_for_the_journal_the_reason_is_told(void **state)
{
        struct edit_report report = {.outcome = EDIT_JOURNAL_ERROR, .error = -EPERM};

        (void)state;
        assert_int_equal(tell(&human, &report, false), 1);
        assert_non_null(
            strstr(err.bytes, "the state directory must belong to this user"));
        report.error = -EDESTADDRREQ;
        assert_int_equal(tell(&human, &report, false), 1);
        assert_non_null(strstr(err.bytes, "there is no state directory"));
        report.error = -EXDEV;
        assert_int_equal(tell(&human, &report, false), 1);
        assert_non_null(strstr(err.bytes, "tmpfs"));
        report = (struct edit_report){
            .outcome = EDIT_JOURNAL_ERROR, .error = -EPERM, .journal_path = "/d/j"};
        assert_int_equal(tell(&human, &report, false), 1);
        assert_non_null(strstr(err.bytes, "undo journal /d/j: Operation not permitted"));
}

static void a_journal_that_stays_behind_a_done_edit_is_named(void **state)
{
        struct edit_report report = done();

        (void)state;
        report.outcome = EDIT_JOURNAL_KEPT;
        report.error = -EIO;
        strcpy(report.journal_path, "/d/j");
        assert_int_equal(tell(&human, &report, false), 0);
        assert_non_null(strstr(
            err.bytes, "warning: the edit was done, but its undo journal could not be "
                       "ended (Input/output error) and is still there: /d/j\n"));
        report.committed = false;
        assert_int_equal(tell(&human, &report, false), 1);
        assert_non_null(strstr(err.bytes, "the edit failed and was undone, but its undo "
                                          "journal could not be ended (Input/output "
                                          "error): /d/j\n"));
        report.outcome = EDIT_ROLLBACK_FAILED;
        assert_int_equal(tell(&human, &report, false), 1);
        assert_non_null(strstr(err.bytes,
                               "undoing it failed too: Input/output error; the "
                               "undo journal is kept: /d/j\n"));
}

static void debug_tells_exit_reason_rip_and_fault(void **state)
{
        struct edit_report report = {.outcome = EDIT_DIED,
                                     .trace = {.fault = "request 3: READ outside\x1b",
                                               .diagnosis = {.exit_reason = 8,
                                                             .rip = 0x10abc,
                                                             .registers_valid = true}}};

        (void)state;
        tell(&human, &report, false);
        assert_null(strstr(err.bytes, "debug:"));
        tell(&human, &report, true);
        assert_ptr_equal(strstr(err.bytes, "instar bitmap: the guest program died"),
                         err.bytes);
        assert_non_null(strstr(err.bytes, "vm exit reason 8, rip 0x10abc"));
        assert_non_null(
            strstr(err.bytes, "debug: fault: request 3: READ outside\\x1b\n"));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(success_is_silent),
            cmocka_unit_test(json_is_the_exact_envelope),
            cmocka_unit_test(where_all_went_json_says_how_many),
            cmocka_unit_test(a_net_no_op_is_a_success),
            cmocka_unit_test(failure_leaves_stdout_empty_and_tells_the_row_first),
            cmocka_unit_test(leaked_clusters_are_a_warning_not_a_failure),
            cmocka_unit_test(a_failed_index_is_a_warning_where_the_edit_was_done),
            cmocka_unit_test(a_signal_before_the_switch_exits_with_128_and_its_number),
            cmocka_unit_test(what_happens_behind_the_switch_does_not_undo_success),
            cmocka_unit_test(numbers_that_the_guest_never_told_are_not_made_up),
            cmocka_unit_test(a_missing_source_is_told_by_name),
            cmocka_unit_test(a_malformed_table_is_told_by_the_bitmaps_name),
            cmocka_unit_test(a_hostile_index_of_a_source_is_survived),
            cmocka_unit_test(errors_of_the_system_are_told),
            cmocka_unit_test(the_journals_path_is_told_and_escaped),
            cmocka_unit_test(without_a_place_for_the_journal_the_reason_is_told),
            cmocka_unit_test(a_journal_that_stays_behind_a_done_edit_is_named),
            cmocka_unit_test(debug_tells_exit_reason_rip_and_fault),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
