/* SPDX-License-Identifier: MIT */
/* Refcounts of all seven widths, against a model that counts bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guest/qcow2/refcount_bits.h"

#define BYTES  64u
#define ORDERS 7u

/* Where bit `bit` of refcount `index` is: below 8 bits from the lowest of a byte on, else
 * big-endian. */
static uint32_t place_of(uint32_t order, uint32_t index, uint32_t bit)
{
        uint32_t width = 1u << order;
        if (width < 8)
                return index * width + bit;
        return index * width + width - 8 - bit / 8 * 8 + bit % 8;
}

static uint64_t model_load(uint32_t order, const uint8_t *bytes, uint32_t index)
{
        uint64_t value = 0;
        for (uint32_t bit = 0; bit < 1u << order; bit++) {
                uint32_t place = place_of(order, index, bit);
                value |= (uint64_t)(bytes[place / 8] >> place % 8 & 1) << bit;
        }
        return value;
}

static void model_store(uint32_t order, uint8_t *bytes, uint32_t index, uint64_t value)
{
        for (uint32_t bit = 0; bit < 1u << order; bit++) {
                uint32_t place = place_of(order, index, bit);
                uint8_t mask = (uint8_t)(1u << place % 8);
                bytes[place / 8] &= (uint8_t)~mask;
                if (value >> bit & 1)
                        bytes[place / 8] |= mask;
        }
}

static void fill(uint8_t *bytes, uint32_t seed)
{
        uint32_t state = seed * 2654435761u + 1;
        for (uint32_t i = 0; i < BYTES; i++) {
                state = state * 1664525u + 1013904223u;
                bytes[i] = (uint8_t)(state >> 24);
        }
}

static void what_is_loaded_is_what_stands_there(void **state)
{
        uint8_t bytes[BYTES];
        (void)state;
        for (uint32_t order = 0; order < ORDERS; order++) {
                fill(bytes, order);
                for (uint32_t i = 0; i < BYTES * 8 >> order; i++)
                        assert_int_equal(refcount_load(order, bytes, i),
                                         model_load(order, bytes, i));
        }
}

static void store_and_compare(uint32_t order, uint32_t index, uint64_t value)
{
        uint8_t bytes[BYTES];
        uint8_t model[BYTES];
        fill(bytes, order + index);
        memcpy(model, bytes, sizeof model);
        refcount_store(order, bytes, index, value);
        model_store(order, model, index, value);
        assert_memory_equal(bytes, model, sizeof bytes);
        uint64_t all = order < 6 ? (1ull << (1u << order)) - 1 : UINT64_MAX;
        assert_int_equal(refcount_load(order, bytes, index), value & all);
}

/* Bits of the value beyond the width are left out, too. */
static void a_store_changes_no_neighbour(void **state)
{
        static const uint64_t values[] = {0, 1, 2, 0x5a5a5a5a5a5a5a5a, UINT64_MAX};
        (void)state;
        for (uint32_t order = 0; order < ORDERS; order++)
                for (uint32_t i = 0; i < BYTES * 8 >> order; i++)
                        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
                                store_and_compare(order, i, values[v]);
}

static void the_word_of_a_refcount_holds_all_of_it(void **state)
{
        (void)state;
        for (uint32_t order = 0; order < ORDERS; order++)
                for (uint32_t i = 0; i < 1000; i++) {
                        uint64_t word = refcount_byte(order, i);
                        uint64_t first_bit = (uint64_t)i << order;
                        assert_int_equal(word % 8, 0);
                        assert_true(word * 8 <= first_bit);
                        assert_true(first_bit + (1u << order) <= word * 8 + 64);
                }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_loaded_is_what_stands_there),
            cmocka_unit_test(a_store_changes_no_neighbour),
            cmocka_unit_test(the_word_of_a_refcount_holds_all_of_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
