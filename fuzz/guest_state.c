/* SPDX-License-Identifier: MIT */
#include "fuzz/guest_state.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

extern uint8_t __start_guest_data[] __attribute__((weak));
extern uint8_t __stop_guest_data[] __attribute__((weak));
extern uint8_t __start_guest_bss[];
extern uint8_t __stop_guest_bss[];

static uint8_t *data_copy;

/* Not memcpy() and memset(): AddressSanitizer's look at the red zones between the
 * variables. */
static void copy(uint8_t *to, const uint8_t *from, size_t length)
{
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

static void clear(uint8_t *to, size_t length)
{
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(0) : "memory");
}

void guest_state_restore(void)
{
        size_t data_length = (size_t)(__stop_guest_data - __start_guest_data);
        if (!data_copy) {
                data_copy = malloc(data_length + 1);
                if (!data_copy)
                        abort();
                copy(data_copy, __start_guest_data, data_length);
        }
        copy(__start_guest_data, data_copy, data_length);
        clear(__start_guest_bss, (size_t)(__stop_guest_bss - __start_guest_bss));
}
