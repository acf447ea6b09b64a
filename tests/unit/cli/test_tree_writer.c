/* SPDX-License-Identifier: MIT */
/* The layouts are what qemu-img 7.2 printed of the same members. */
#include "tests/unit/cli/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "host/cli/tree_writer.h"

static struct output output;
static struct tree_writer tree;

/* Nothing is ever written to it: what is printed here fits into the buffer. */
#define NO_FD (-1)

static void start(const struct tree_style *style)
{
        output_start(&output, NO_FD);
        tree_start(&tree, style, &output);
}

static void expect(const char *expected)
{
        text_bytes(&output.text, "", 1);
        assert_string_equal(output.text.bytes, expected);
}

static void expect_json_string(const char *bytes, size_t length, const char *expected)
{
        start(&json_style);
        tree_bytes(&tree, NULL, bytes, length);
        expect(expected);
}

#define EXPECT_JSON_STRING(bytes, expected)                                              \
        expect_json_string(bytes, sizeof(bytes) - 1, expected)

static void a_json_string_is_escaped_as_qemu_escapes_it(void **state)
{
        (void)state;
        EXPECT_JSON_STRING("", "\"\"");
        EXPECT_JSON_STRING("b0 ~/'!", "\"b0 ~/'!\"");
        EXPECT_JSON_STRING("\"\\", "\"\\\"\\\\\"");
        EXPECT_JSON_STRING("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
        EXPECT_JSON_STRING("\x01\x1b\x1f\x7f", "\"\\u0001\\u001B\\u001F\\u007F\"");
        EXPECT_JSON_STRING("\xc3\xa9\xe2\x82\xac", "\"\\u00E9\\u20AC\"");
        EXPECT_JSON_STRING("\xf0\x9f\x92\xbe", "\"\\uD83D\\uDCBE\"");
        EXPECT_JSON_STRING("\xf0\x90\x80\x80\xf4\x8f\xbf\xbd",
                           "\"\\uD800\\uDC00\\uDBFF\\uDFFD\"");
        EXPECT_JSON_STRING("\xef\xbf\xbd", "\"\\uFFFD\"");
        EXPECT_JSON_STRING("\xff\xc3(\xe2\x82z", "\"\\uFFFD\\uFFFD(\\uFFFDz\"");
        EXPECT_JSON_STRING("\xc0\x80", "\"\\u0000\"");
        EXPECT_JSON_STRING("a\0b", "\"a\\u0000b\"");
}

/* One of everything. */
static void write_members(void)
{
        tree_string(&tree, "file-name", "x\n");
        tree_array(&tree, "bitmaps");
        tree_object(&tree, NULL);
        tree_array(&tree, "flags");
        tree_end(&tree);
        tree_bool(&tree, "corrupt-bit", false);
        tree_end(&tree);
        tree_object(&tree, NULL);
        tree_array(&tree, "flags");
        tree_string(&tree, NULL, "in-use");
        tree_string(&tree, NULL, "auto");
        tree_end(&tree);
        tree_number(&tree, "granularity", UINT64_MAX);
        tree_signed(&tree, "vm-state-size", INT64_MIN);
        tree_end(&tree);
        tree_end(&tree);
        tree_real(&tree, "fraction", 0.1);
        tree_object(&tree, "empty-one");
        tree_end(&tree);
        tree_bool(&tree, "last", true);
}

static void json_has_qemus_layout(void **state)
{
        (void)state;
        start(&json_style);
        tree_object(&tree, NULL);
        write_members();
        tree_end(&tree);
        expect("{\n"
               "    \"file-name\": \"x\\n\",\n"
               "    \"bitmaps\": [\n"
               "        {\n"
               "            \"flags\": [\n"
               "            ],\n"
               "            \"corrupt-bit\": false\n"
               "        },\n"
               "        {\n"
               "            \"flags\": [\n"
               "                \"in-use\",\n"
               "                \"auto\"\n"
               "            ],\n"
               "            \"granularity\": 18446744073709551615,\n"
               "            \"vm-state-size\": -9223372036854775808\n"
               "        }\n"
               "    ],\n"
               "    \"fraction\": 0.10000000000000001,\n"
               "    \"empty-one\": {\n"
               "    },\n"
               "    \"last\": true\n"
               "}");
}

static const char human_text[] = "    bitmaps:\n"
                                 "        [0]:\n"
                                 "            flags:\n"
                                 "            corrupt bit: false\n"
                                 "        [1]:\n"
                                 "            flags:\n"
                                 "                [0]: in-use\n"
                                 "                [1]: auto\n"
                                 "            granularity: 18446744073709551615\n"
                                 "            vm state size: -9223372036854775808\n"
                                 "    fraction: 0.10000000000000001\n"
                                 "    empty one:\n"
                                 "    last: true\n";

static void human_text_has_qemus_layout_and_bytes_as_they_are(void **state)
{
        static const char first[] = "    file name: x\n\n";

        (void)state;
        start(&human_style);
        write_members();
        text_bytes(&output.text, "", 1);
        assert_memory_equal(output.text.bytes, first, sizeof first - 1);
        assert_string_equal(output.text.bytes + sizeof first - 1, human_text);
}

static void a_terminal_gets_the_same_with_strings_that_cannot_steer_it(void **state)
{
        static const char first[] = "    file name: x\\x0a\n";

        (void)state;
        start(&terminal_style);
        write_members();
        text_bytes(&output.text, "", 1);
        assert_memory_equal(output.text.bytes, first, sizeof first - 1);
        assert_string_equal(output.text.bytes + sizeof first - 1, human_text);
}

static void a_value_of_janssons_is_written_with_all_that_is_in_it(void **state)
{
        json_t *value = json_pack("{s:[{s:s, s:I}, []], s:b}", "journals", "path",
                                  "\xc3\xa9", "bytes", (json_int_t)7, "set", 1);

        (void)state;
        assert_non_null(value);
        start(&json_style);
        tree_object(&tree, NULL);
        tree_json(&tree, "pending", value);
        tree_end(&tree);
        json_decref(value);
        expect("{\n"
               "    \"pending\": {\n"
               "        \"journals\": [\n"
               "            {\n"
               "                \"path\": \"\\u00E9\",\n"
               "                \"bytes\": 7\n"
               "            },\n"
               "            [\n"
               "            ]\n"
               "        ],\n"
               "        \"set\": true\n"
               "    }\n"
               "}");
}

/* U+202E, which is escaped in both ways, more often than the buffer could hold. */
#define MANY 30000u

static void write_much(const struct tree_style *style, FILE *file)
{
        static char bytes[3 * MANY];

        for (size_t i = 0; i < sizeof bytes; i += 3)
                memcpy(bytes + i, "\xe2\x80\xae", 3);
        output_start(&output, fileno(file));
        tree_start(&tree, style, &output);
        tree_bytes(&tree, "k", bytes, sizeof bytes);
        assert_int_equal(output_finish(&output), 0);
        rewind(file);
}

static void expect_much(const struct tree_style *style, const char *before,
                        const char *escape, const char *behind)
{
        FILE *file = tmpfile();
        char read[16];

        assert_non_null(file);
        write_much(style, file);
        assert_int_equal(fread(read, 1, strlen(before), file), strlen(before));
        assert_memory_equal(read, before, strlen(before));
        for (unsigned i = 0; i < MANY; i++) {
                assert_int_equal(fread(read, 1, strlen(escape), file), strlen(escape));
                assert_memory_equal(read, escape, strlen(escape));
        }
        assert_int_equal(fread(read, 1, sizeof read, file), strlen(behind));
        assert_memory_equal(read, behind, strlen(behind));
        fclose(file);
}

static void a_string_may_be_longer_than_the_buffer(void **state)
{
        (void)state;
        expect_much(&json_style, "\"", "\\u202E", "\"");
        expect_much(&terminal_style, "    k: ", "\\xe2\\x80\\xae", "\n");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_json_string_is_escaped_as_qemu_escapes_it),
            cmocka_unit_test(json_has_qemus_layout),
            cmocka_unit_test(human_text_has_qemus_layout_and_bytes_as_they_are),
            cmocka_unit_test(a_terminal_gets_the_same_with_strings_that_cannot_steer_it),
            cmocka_unit_test(a_value_of_janssons_is_written_with_all_that_is_in_it),
            cmocka_unit_test(a_string_may_be_longer_than_the_buffer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
