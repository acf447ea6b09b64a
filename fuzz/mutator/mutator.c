/* SPDX-License-Identifier: MIT */
/*
 * The custom mutator as AFL++ loads it (AFL_CUSTOM_MUTATOR_LIBRARY): a stage of its own
 * for each entry of the queue, and one of the mutations of havoc.  The functions' names
 * and types are AFL++'s (docs/custom_mutators.md there).
 */
#include "fuzz/mutator/mutator.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/harness/guest_input.h"
#include "fuzz/mutator/guest_mutate.h"

#define ROOM          (64u << 10)
#define HAVOC_PERCENT 40u

struct mutator {
        uint64_t random;
        uint8_t buffer[ROOM];
};

void *afl_custom_init(void *afl, unsigned int seed)
{
        struct mutator *mutator = calloc(1, sizeof *mutator);
        (void)afl;
        if (mutator)
                mutator->random = seed * 0x9e3779b97f4a7c15ull | 1;
        return mutator;
}

void afl_custom_deinit(void *data)
{
        free(data);
}

/* Whole pieces: a short last one is filled up with zeros. */
static size_t load(struct mutator *mutator, const uint8_t *input, size_t size,
                   size_t room)
{
        size_t length = size < room ? size : room;
        memcpy(mutator->buffer, input, length);
        if (length < GUEST_INPUT_CALL) {
                memset(mutator->buffer + length, 0, GUEST_INPUT_CALL - length);
                return GUEST_INPUT_CALL;
        }
        size_t rest = (length - GUEST_INPUT_CALL) % GUEST_INPUT_STRIDE;
        size_t gap = rest ? GUEST_INPUT_STRIDE - rest : 0;
        if (length + gap > room)
                return length - rest;
        memset(mutator->buffer + length, 0, gap);
        return length + gap;
}

size_t afl_custom_fuzz(void *data, uint8_t *input, size_t size, uint8_t **output,
                       const uint8_t *other, size_t other_size, size_t most)
{
        struct mutator *mutator = data;
        size_t room = most < ROOM ? most : ROOM;
        struct guest_pieces pieces = {.data = mutator->buffer, .random = mutator->random};
        pieces.room = room;
        if (room < GUEST_INPUT_CALL) {
                *output = input;
                return size;
        }
        pieces.size = load(mutator, input, size, room);
        guest_mutate(&pieces, other, other_size);
        mutator->random = pieces.random;
        *output = mutator->buffer;
        return pieces.size;
}

size_t afl_custom_havoc_mutation(void *data, uint8_t *input, size_t size,
                                 uint8_t **output, size_t most)
{
        return afl_custom_fuzz(data, input, size, output, NULL, 0, most);
}

uint8_t afl_custom_havoc_mutation_probability(void *data)
{
        (void)data;
        return HAVOC_PERCENT;
}
