/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "journal/crc32c.h"

/* RFC 3720, appendix B.4. */
static void gives_the_sums_of_rfc_3720(void **state)
{
        uint8_t bytes[32];
        (void)state;

        memset(bytes, 0, sizeof bytes);
        assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
        memset(bytes, 0xff, sizeof bytes);
        assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
        for (uint8_t i = 0; i < 32; i++)
                bytes[i] = i;
        assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46dd794e);
        for (uint8_t i = 0; i < 32; i++)
                bytes[i] = (uint8_t)(31 - i);
        assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x113fdb5c);
        assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
        assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
}

static void portable_and_fast_agree_at_every_length_and_split(void **state)
{
        uint8_t bytes[100];
        unsigned int seed = 7;
        (void)state;

        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t)rand_r(&seed);
        for (size_t length = 0; length <= sizeof bytes; length++) {
                uint32_t whole = crc32c_portable(0, bytes, length);

                assert_int_equal(crc32c(0, bytes, length), whole);
                for (size_t split = 0; split <= length; split++) {
                        uint32_t first = crc32c(0, bytes, split);
                        assert_int_equal(crc32c(first, bytes + split, length - split),
                                         whole);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(gives_the_sums_of_rfc_3720),
            cmocka_unit_test(portable_and_fast_agree_at_every_length_and_split),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
