/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/cli/terminal.h"

static int open_terminal(unsigned short columns)
{
        const struct winsize size = {.ws_row = 24, .ws_col = columns};
        int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
        return fd;
}

static void the_width_is_the_terminals(void **state)
{
        static const unsigned short widths[] = {1, 80, 132, 65535};

        (void)state;
        for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
                int fd = open_terminal(widths[i]);
                assert_int_equal(terminal_width(fd), widths[i]);
                close(fd);
        }
}

static void an_unknown_width_is_the_usual_one(void **state)
{
        int fd = open_terminal(0);
        int file = open("/dev/null", O_WRONLY | O_CLOEXEC);

        (void)state;
        assert_int_equal(terminal_width(fd), 80);
        assert_int_equal(terminal_width(file), 80);
        close(file);
        close(fd);
}

static bool is_utf8(const char *all, const char *ctype, const char *lang)
{
        setenv("LC_ALL", all, 1);
        setenv("LC_CTYPE", ctype, 1);
        setenv("LANG", lang, 1);
        return terminal_is_utf8();
}

static void the_codeset_is_in_the_locales_name(void **state)
{
        static const char *const utf8[] = {"C.UTF-8", "C.utf8", "en_US.UTF-8",
                                           "de_DE.Utf-8@euro", "de_DE.utf8@euro"};
        static const char *const other[] = {"C",           "POSIX",      "UTF-8",
                                            "de_DE@UTF-8", "C.UTF-16",   "ru_RU.KOI8-R",
                                            "de_DE.UTF",   "C.UTF-8859", "C."};

        (void)state;
        for (size_t i = 0; i < sizeof utf8 / sizeof utf8[0]; i++)
                assert_true(is_utf8("", "", utf8[i]));
        for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
                assert_false(is_utf8("", "", other[i]));
}

static void the_first_variable_that_is_not_empty_counts(void **state)
{
        (void)state;
        assert_true(is_utf8("C.UTF-8", "C", "C"));
        assert_false(is_utf8("C", "C.UTF-8", "C.UTF-8"));
        assert_true(is_utf8("", "C.UTF-8", "C"));
        assert_false(is_utf8("", "C", "C.UTF-8"));
        assert_false(is_utf8("", "", ""));
        unsetenv("LC_ALL");
        unsetenv("LC_CTYPE");
        unsetenv("LANG");
        assert_false(terminal_is_utf8());
        setenv("LANG", "C.UTF-8", 1);
        assert_true(terminal_is_utf8());
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_width_is_the_terminals),
            cmocka_unit_test(an_unknown_width_is_the_usual_one),
            cmocka_unit_test(the_codeset_is_in_the_locales_name),
            cmocka_unit_test(the_first_variable_that_is_not_empty_counts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
