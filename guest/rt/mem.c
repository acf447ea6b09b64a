/* SPDX-License-Identifier: MIT */
/*
 * The four functions that the compiler may call by itself.  Not linked natively:
 * there libc has them, where the sanitizers can see through them.
 *
 * String instructions keep them to a few bytes each, and are as fast as anything
 * for the sizes that matter here (a sector and up).
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
        void *destination = to;
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
        return destination;
}

void *memset(void *to, int value, size_t length)
{
        void *destination = to;
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(value) : "memory");
        return destination;
}

/* From the last byte to the first: eight at a time, then what is left. */
static void move_backward(uint8_t *to, const uint8_t *from, size_t length)
{
        while (length >= sizeof(uint64_t)) {
                uint64_t word;
                length -= sizeof word;
                __builtin_memcpy(&word, from + length, sizeof word);
                /* The whole word is read before any of it is written, and the
                 * compiler must not see a memmove in this loop. */
                __asm__ volatile("" : "+r"(word) : : "memory");
                __builtin_memcpy(to + length, &word, sizeof word);
        }
        while (length--) {
                to[length] = from[length];
                __asm__ volatile("" : : : "memory");
        }
}

void *memmove(void *to, const void *from, size_t length)
{
        /* Forward is right unless `to` lies inside [from, from + length). */
        if ((uintptr_t)to - (uintptr_t)from >= length)
                return memcpy(to, from, length);
        move_backward(to, from, length);
        return to;
}

int memcmp(const void *left, const void *right, size_t length)
{
        const uint8_t *a = left;
        const uint8_t *b = right;
        size_t i = 0;

        for (; length - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
                uint64_t x, y;
                __builtin_memcpy(&x, a + i, sizeof x);
                __builtin_memcpy(&y, b + i, sizeof y);
                if (x != y)
                        break;
        }
        for (; i < length; i++)
                if (a[i] != b[i])
                        return a[i] < b[i] ? -1 : 1;
        return 0;
}
