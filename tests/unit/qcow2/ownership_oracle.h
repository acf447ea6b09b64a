/* SPDX-License-Identifier: MIT */
/*
 * What a proof of ownership has to find out, found out the slow way: one byte for
 * each cluster of the file, every structure followed from wherever it is named, nothing
 * shared with guest/.
 */
#ifndef INSTAR_TESTS_UNIT_QCOW2_OWNERSHIP_ORACLE_H
#define INSTAR_TESTS_UNIT_QCOW2_OWNERSHIP_ORACLE_H

#include "guest/qcow2/header.h"

struct oracle {
        const struct header *header;
        const uint8_t *bytes;
        uint64_t size; /* of the file */
        uint64_t clusters;
        bool provable;
        uint8_t *owned;   /* a byte per cluster */
        uint32_t *claims; /* a count per cluster */
};

void oracle_begin(struct oracle *oracle, const struct header *header,
                  const uint8_t *bytes, uint64_t size);
void oracle_end(struct oracle *oracle);

void oracle_claim(struct oracle *oracle, uint64_t first, uint64_t count);
void oracle_bitmap_table(struct oracle *oracle, uint64_t offset, uint64_t entries);
void oracle_image(struct oracle *oracle, bool scan_l2);
bool oracle_holds(const struct oracle *oracle, uint64_t cluster);

#endif
