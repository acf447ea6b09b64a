/* SPDX-License-Identifier: MIT */
/* Where the metadata of an image are, and what may stand there. */
#ifndef INSTAR_FUZZ_MUTATOR_GUEST_FIELDS_H
#define INSTAR_FUZZ_MUTATOR_GUEST_FIELDS_H

#include "fuzz/mutator/guest_pieces.h"

struct guest_field {
        uint64_t offset;
        uint32_t bytes;
};

/* One of the image's, by chance: of the header, a record, the directory, a table... */
struct guest_field guest_field_choose(struct guest_pieces *p);

/* A number that means something somewhere. */
uint64_t guest_field_value(struct guest_pieces *p);

/* The offset of some cluster, mostly one that holds metadata. */
uint64_t guest_some_cluster(struct guest_pieces *p);

/* Add to the refcount of the cluster at `offset`. */
void guest_refer(struct guest_pieces *p, uint64_t offset, uint32_t more);

uint32_t guest_cluster_bits(const struct guest_pieces *p);

/* Make true what would stop nearly every run at once. */
void guest_fix_header(struct guest_pieces *p);

#endif
