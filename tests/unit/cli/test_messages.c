/* SPDX-License-Identifier: MIT */
/* The table of messages is complete, expands, and agrees with docs/messages.md. */
#include "tests/unit/cli/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/abi_check.h"
#include "host/cli/messages.h"
#include "host/vmm/vm_kind.h"

static struct text text;

/* docs/messages.md of the tree that this file is compiled from. */
static char *read_document(void)
{
        static const char here[] = "tests/unit/cli/test_messages.c";
        char path[4096] = __FILE__;
        char *document = calloc(1, 1 << 20);
        FILE *file;

        assert_true(strlen(path) >= strlen(here));
        strcpy(path + strlen(path) - strlen(here), "docs/messages.md");
        file = fopen(path, "r");
        if (!file)
                fail_msg("cannot open %s", path);
        assert_non_null(document);
        assert_true(fread(document, 1, (1 << 20) - 1, file) > 0);
        fclose(file);
        return document;
}

static void expect(const char *expected)
{
        text_bytes(&text, "", 1);
        assert_string_equal(text.bytes, expected);
}

static void compose(enum message message, const struct message_values *values)
{
        text_start(&text);
        message_append(&text, "instar bitmap", message, values);
}

static void every_message_has_a_text(void **state)
{
        (void)state;
        for (int message = MESSAGE_NONE + 1; message < MESSAGE_COUNT; message++)
                if (!message_row((enum message)message)->text)
                        fail_msg("message %d has no text", message);
}

static void every_word_in_braces_has_a_value(void **state)
{
        static const struct message_values values = {.path = "P",
                                                     .argument = "A",
                                                     .candidates = "C",
                                                     .journal = "J",
                                                     .fault = "F",
                                                     .finding = "G",
                                                     .error = EIO,
                                                     .signal = SIGINT};

        (void)state;
        for (int message = MESSAGE_NONE + 1; message < MESSAGE_COUNT; message++) {
                compose((enum message)message, &values);
                assert_null(memchr(text.bytes, '{', text.length));
                assert_null(memchr(text.bytes, '}', text.length));
        }
}

static void values_are_put_in_and_escaped(void **state)
{
        struct message_values values = {.path = "a\x1b[m", .error = ENOENT};

        (void)state;
        compose(MESSAGE_OPEN_FAILED, &values);
        expect("instar bitmap: cannot open 'a\\x1b[m': No such file or directory\n");
        values =
            (struct message_values){.detail = {0x20000, 7, UINT64_MAX}, .argument = "b0"};
        compose(MESSAGE_BAD_TABLE, &values);
        assert_non_null(strstr(text.bytes,
                               "table of bitmap 'b0' at offset 0x20000: entry 7 is "
                               "0xffffffffffffffff\nhint: "));
        values = (struct message_values){.signal = SIGTERM};
        compose(MESSAGE_SIGNAL, &values);
        expect("instar bitmap: interrupted by SIGTERM; the image is as it was\n");
        values = (struct message_values){.argument = "r\naw"};
        compose(MESSAGE_FORMAT, &values);
        expect("instar bitmap: unsupported format 'r\\x0aaw': only qcow2 is supported\n");
}

static void a_lock_that_is_held_is_told_in_qemus_two_lines(void **state)
{
        struct message_values values = {.path = "x.qcow2"};

        (void)state;
        compose(message_of_image(IMAGE_LOCKED, 0), &values);
        expect("instar bitmap: Failed to get \"write\" lock\n"
               "Is another process using the image [x.qcow2]?\n");
}

static void one_leaked_cluster_is_told_in_the_singular(void **state)
{
        struct message_values values = {.detail = {1}};

        (void)state;
        compose(MESSAGE_WARNING_LEAKED, &values);
        assert_non_null(strstr(text.bytes, "warning: 1 cluster was left leaked because"));
        values.detail[0] = 12;
        compose(MESSAGE_WARNING_LEAKED, &values);
        assert_non_null(
            strstr(text.bytes, "warning: 12 clusters were left leaked because"));
}

/* Every code of guest/abi.h, by name so that a new one is missed here. */
static const enum abi_code codes[] = {
    ABI_NOT_QCOW2,
    ABI_QCOW2_V2,
    ABI_BAD_HEADER,
    ABI_HEADER_CHANGED,
    ABI_NOT_FOUND,
    ABI_EXISTS,
    ABI_IN_USE,
    ABI_NAME_TOO_LONG,
    ABI_BAD_GRANULARITY,
    ABI_TOO_MANY_BITMAPS,
    ABI_NO_SPACE,
    ABI_WRITE_ERROR,
    ABI_READ_ERROR,
    ABI_TOO_LARGE,
    ABI_OVERFLOW,
    ABI_SOURCE_NOT_FOUND,
    ABI_BAD_ACTION,
    ABI_REFCOUNT_WIDTH,
    ABI_GRANULARITY_MISMATCH,
    ABI_DIRTY,
    ABI_CORRUPT,
    ABI_UNKNOWN_INCOMPATIBLE,
    ABI_BAD_EXTENSION,
    ABI_BAD_DIRECTORY,
    ABI_BAD_TABLE,
    ABI_BAD_REFCOUNTS,
    ABI_NO_AUTOCLEAR_EXTENSION,
    ABI_HAS_BITMAPS,
    ABI_SHRINKS,
    ABI_BAD_RESIZE,
};

static void every_result_code_has_a_message_of_its_own(void **state)
{
        bool used[MESSAGE_COUNT] = {false};

        (void)state;
        for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
                struct abi_result result = {.code = codes[i]};
                struct message_values values = {0};
                enum message message = message_of_result(&result, &values);

                assert_true(message != MESSAGE_NONE && message != MESSAGE_PROTOCOL);
                assert_false(used[message]);
                used[message] = true;
        }
}

static void a_result_code_that_is_none_is_a_broken_protocol(void **state)
{
        static const uint32_t none[] = {20, 31, 40, 1000, UINT32_MAX};
        struct message_values values = {0};

        (void)state;
        for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
                struct abi_result result = {.code = none[i]};
                assert_int_equal(message_of_result(&result, &values), MESSAGE_PROTOCOL);
        }
        assert_int_equal(message_of_result(&(struct abi_result){0}, &values),
                         MESSAGE_NONE);
}

static void every_fault_has_words_and_a_number_that_is_none_is_survived(void **state)
{
        static const struct {
                enum abi_code code;
                uint64_t last;
        } kinds[] = {{ABI_BAD_HEADER, ABI_HEADER_SNAPSHOT_EXTRA},
                     {ABI_BAD_EXTENSION, ABI_EXTENSION_LUKS},
                     {ABI_BAD_DIRECTORY, ABI_DIRECTORY_DUPLICATE_IN_USE},
                     {ABI_BAD_REFCOUNTS, ABI_REFCOUNT_IN_USE},
                     {ABI_BAD_BITMAP, ABI_BITMAP_BEYOND_END},
                     {ABI_UNREPAIRABLE, ABI_UNREPAIRABLE_FULL},
                     {ABI_BAD_RESIZE, ABI_RESIZE_DAMAGED}};

        (void)state;
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
                for (uint64_t fault = 1; fault <= kinds[i].last; fault++)
                        assert_string_not_equal(message_fault(kinds[i].code, fault),
                                                "unknown fault");
                assert_string_equal(message_fault(kinds[i].code, 0), "unknown fault");
                assert_string_equal(message_fault(kinds[i].code, kinds[i].last + 1),
                                    "unknown fault");
                assert_string_equal(message_fault(kinds[i].code, UINT64_MAX),
                                    "unknown fault");
        }
}

static void a_malformed_header_is_the_verbatim_row_with_the_fault_as_hint(void **state)
{
        struct abi_result result = {.code = ABI_BAD_HEADER,
                                    .detail = {ABI_HEADER_CLUSTER_BITS, 40}};
        struct message_values values = {0};

        (void)state;
        assert_int_equal(message_of_result(&result, &values), MESSAGE_BAD_HEADER);
        compose(MESSAGE_BAD_HEADER, &values);
        expect("instar bitmap: the image header could not be parsed\n"
               "hint: the cluster size is not between 512 bytes and 2 MiB; value 0x28; "
               "nothing was written\n");
}

static void missing_kvm_is_told_with_the_way_to_get_it(void **state)
{
        (void)state;
        assert_int_equal(message_of_outcome(EDIT_KVM_ERROR, ENOENT), MESSAGE_KVM_MISSING);
        assert_int_equal(message_of_outcome(EDIT_KVM_ERROR, EACCES), MESSAGE_KVM_DENIED);
        assert_int_equal(message_of_outcome(EDIT_KVM_ERROR, ENOTTY), MESSAGE_KVM_FOREIGN);
        assert_int_equal(message_of_outcome(EDIT_KVM_ERROR, EBUSY), MESSAGE_KVM_BUSY);
        assert_int_equal(message_of_outcome(EDIT_KVM_ERROR, EIO), MESSAGE_KVM_ERROR);
        assert_non_null(strstr(message_row(MESSAGE_KVM_MISSING)->hint, "modprobe"));
        assert_non_null(strstr(message_row(MESSAGE_KVM_DENIED)->hint, "group kvm"));
}

static void what_helps_without_kvm_is_told_wherever_there_is_none(void **state)
{
        static const int errors[] = {ENOENT, EACCES, ENOTTY, EBUSY};

        (void)state;
        for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
                enum message message = message_of_outcome(EDIT_KVM_ERROR, errors[i]);

                assert_non_null(strstr(message_row(message)->hint, "--sandbox=process"));
        }
}

static void errors_of_a_process_are_not_told_as_those_of_kvm(void **state)
{
        (void)state;
        vm_choose_kind(VM_KIND_PROCESS);
        for (int error = 1; error < 134; error++)
                assert_int_equal(message_of_outcome(EDIT_KVM_ERROR, error),
                                 MESSAGE_PROCESS_ERROR);
        vm_choose_kind(VM_KIND_KVM);
}

static void every_outcome_has_a_message(void **state)
{
        (void)state;
        for (int outcome = EDIT_READ_ERROR; outcome <= EDIT_ROLLBACK_FAILED; outcome++)
                assert_true(message_of_outcome((enum edit_outcome)outcome, EIO) !=
                            MESSAGE_NONE);
        assert_int_equal(message_of_outcome(EDIT_CHANGED, 0), MESSAGE_HEADER_CHANGED);
        assert_int_equal(message_of_outcome(EDIT_JOURNAL_ERROR, EXDEV),
                         MESSAGE_JOURNAL_TMPFS);
}

static void every_image_error_has_a_message(void **state)
{
        (void)state;
        for (int error = IMAGE_OPEN_FAILED; error <= IMAGE_NOT_QCOW2; error++)
                assert_true(message_of_image((enum image_error)error, EIO) !=
                            MESSAGE_NONE);
        assert_int_equal(message_of_image(IMAGE_OPEN_FAILED, EROFS),
                         MESSAGE_OPEN_READ_ONLY_FILE_SYSTEM);
        assert_int_equal(message_of_image(IMAGE_OPEN_FAILED, EACCES),
                         MESSAGE_OPEN_DENIED);
        assert_int_equal(message_of_image(IMAGE_NOT_QCOW2, 0), MESSAGE_NOT_QCOW2);
}

/* The block of the document that shows a row: each line indented by four blanks. */
static void format_block(const struct message_row *row, const char *command, char *block)
{
        char *to = stpcpy(stpcpy(stpcpy(block, "\n    "), command), ": ");

        for (const char *from = row->text; *from; from++) {
                *to++ = *from;
                if (*from == '\n')
                        to = stpcpy(to, "    ");
        }
        *to++ = '\n';
        if (row->hint)
                to = stpcpy(stpcpy(stpcpy(to, "    hint: "), row->hint), "\n");
        stpcpy(to, "\n* Cause: ");
}

static void the_document_has_every_message_with_its_hint(void **state)
{
        static const char *const commands[] = {"instar bitmap", "instar journal",
                                               "instar info",   "instar map",
                                               "instar resize", "instar"};
        const size_t count = sizeof commands / sizeof commands[0];
        char *document = read_document();

        (void)state;
        for (int message = MESSAGE_NONE + 1; message < MESSAGE_COUNT; message++) {
                const struct message_row *row = message_row((enum message)message);
                char block[2048];
                size_t i = 0;

                do
                        format_block(row, commands[i], block);
                while (!strstr(document, block) && ++i < count);
                if (i == count)
                        fail_msg("docs/messages.md lacks:%s", block);
        }
        free(document);
}

static unsigned count(const char *document, const char *words)
{
        unsigned found = 0;

        while ((document = strstr(document, words))) {
                document += strlen(words);
                found++;
        }
        return found;
}

static void the_document_has_no_message_that_does_not_exist(void **state)
{
        char *document = read_document();

        (void)state;
        assert_int_equal(count(document, "\n    instar"), MESSAGE_COUNT - 1);
        assert_int_equal(count(document, "\n* Cause: "), MESSAGE_COUNT - 1);
        assert_int_equal(count(document, "\n* Remedy: "), MESSAGE_COUNT - 1);
        free(document);
}

static void the_document_has_every_fault(void **state)
{
        static const enum abi_code kinds[] = {
            ABI_BAD_HEADER, ABI_BAD_EXTENSION, ABI_BAD_DIRECTORY, ABI_BAD_REFCOUNTS,
            ABI_BAD_BITMAP, ABI_UNREPAIRABLE,  ABI_BAD_RESIZE};
        char *document = read_document();
        unsigned faults = 0;

        (void)state;
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
                for (uint64_t fault = 1; fault < 64; fault++) {
                        const char *words = message_fault(kinds[i], fault);
                        char line[512];

                        if (strcmp(words, "unknown fault") == 0)
                                break;
                        snprintf(line, sizeof line, "\n* `%s`\n", words);
                        if (!strstr(document, line))
                                fail_msg("docs/messages.md lacks: %s", words);
                        faults++;
                }
        }
        assert_int_equal(count(document, "\n* `"), faults);
        free(document);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_message_has_a_text),
            cmocka_unit_test(every_word_in_braces_has_a_value),
            cmocka_unit_test(values_are_put_in_and_escaped),
            cmocka_unit_test(a_lock_that_is_held_is_told_in_qemus_two_lines),
            cmocka_unit_test(one_leaked_cluster_is_told_in_the_singular),
            cmocka_unit_test(every_result_code_has_a_message_of_its_own),
            cmocka_unit_test(a_result_code_that_is_none_is_a_broken_protocol),
            cmocka_unit_test(every_fault_has_words_and_a_number_that_is_none_is_survived),
            cmocka_unit_test(
                a_malformed_header_is_the_verbatim_row_with_the_fault_as_hint),
            cmocka_unit_test(missing_kvm_is_told_with_the_way_to_get_it),
            cmocka_unit_test(what_helps_without_kvm_is_told_wherever_there_is_none),
            cmocka_unit_test(errors_of_a_process_are_not_told_as_those_of_kvm),
            cmocka_unit_test(every_outcome_has_a_message),
            cmocka_unit_test(every_image_error_has_a_message),
            cmocka_unit_test(the_document_has_every_message_with_its_hint),
            cmocka_unit_test(the_document_has_no_message_that_does_not_exist),
            cmocka_unit_test(the_document_has_every_fault),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
