/* SPDX-License-Identifier: MIT */
/* One mutation of an input of the guest harness that knows the format. */
#ifndef INSTAR_FUZZ_MUTATOR_GUEST_MUTATE_H
#define INSTAR_FUZZ_MUTATOR_GUEST_MUTATE_H

#include "fuzz/mutator/guest_pieces.h"

/* Change the input in place; `other` is another one to take from, or empty. */
void guest_mutate(struct guest_pieces *p, const uint8_t *other, size_t other_size);

#endif
