/* SPDX-License-Identifier: MIT */
/* What AFL++ looks for in a custom mutator. */
#ifndef INSTAR_FUZZ_MUTATOR_MUTATOR_H
#define INSTAR_FUZZ_MUTATOR_MUTATOR_H

#include <stddef.h>
#include <stdint.h>

/* `afl` is AFL++'s state: not used. */
void *afl_custom_init(void *afl, unsigned int seed);
void afl_custom_deinit(void *data);

size_t afl_custom_fuzz(void *data, uint8_t *input, size_t size, uint8_t **output,
                       const uint8_t *other, size_t other_size, size_t most);

size_t afl_custom_havoc_mutation(void *data, uint8_t *input, size_t size,
                                 uint8_t **output, size_t most);
uint8_t afl_custom_havoc_mutation_probability(void *data);

#endif
