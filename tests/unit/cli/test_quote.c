/* SPDX-License-Identifier: MIT */
#include "tests/unit/cli/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "host/cli/quote.h"

static void expect(int argc, char **argv, const char *expected)
{
        char *command = quote_command(argc, argv);

        assert_non_null(command);
        assert_string_equal(command, expected);
        free(command);
}

static void plain_words_stay_plain(void **state)
{
        (void)state;
        expect(5,
               (char *[]){"bitmap", "--add", "-g64k", "/srv/a_b+c=d.qcow2", "b0", NULL},
               "instar bitmap --add -g64k /srv/a_b+c=d.qcow2 b0");
}

static void a_shell_would_read_the_same_words_again(void **state)
{
        (void)state;
        expect(6, (char *[]){"bitmap", "", "a b", "it's", "$(x)`y`\\", "a\nb", NULL},
               "instar bitmap '' 'a b' 'it'\\''s' '$(x)`y`\\' 'a\nb'");
        expect(2, (char *[]){"~", "caf\xc3\xa9", NULL}, "instar '~' 'caf\xc3\xa9'");
}

static void the_worst_words_fit(void **state)
{
        static char quotes[4097];
        char *command;

        (void)state;
        memset(quotes, '\'', sizeof quotes - 1);
        command = quote_command(3, (char *[]){quotes, quotes, quotes, NULL});
        assert_non_null(command);
        assert_int_equal(strlen(command), strlen("instar") + 3 * (4 * 4096 + 3));
        free(command);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(plain_words_stay_plain),
            cmocka_unit_test(a_shell_would_read_the_same_words_again),
            cmocka_unit_test(the_worst_words_fit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
