/* SPDX-License-Identifier: MIT */
/*
 * Header clusters made of bytes, and a reader of them that shares no code with
 * guest/: it does what QEMU does when it opens an image.
 */
#ifndef INSTAR_TESTS_UNIT_QCOW2_EXTENSION_CLUSTER_H
#define INSTAR_TESTS_UNIT_QCOW2_EXTENSION_CLUSTER_H

#include "guest/qcow2/extension_edit.h"

#define TEST_MAX_RECORDS 4u

#define TEST_BACKING_FORMAT 0xe2792acau
#define TEST_FEATURE_TABLE  0x6803f857u
#define TEST_DATA_FILE      0x44415441u
#define TEST_UNKNOWN        0x75756e6bu

struct test_record {
        uint32_t type;
        uint32_t length; /* of the data; type 0: not there */
};

/* What a header cluster is to be. */
struct test_layout {
        uint32_t cluster_size;
        uint32_t header_length;
        struct test_record before[TEST_MAX_RECORDS];
        struct test_record after[TEST_MAX_RECORDS];
        bool has_bitmaps;
        bool valid; /* the autoclear bit */
        struct bitmaps_body body;
        uint64_t other_autoclear;
        bool no_end;
        bool name_in_padding; /* no_end: right behind the last record's data */
        bool has_name;
        uint32_t name_length;
        uint32_t name_gap; /* between END and the name */
        bool garbage;      /* in all bytes that nobody reads */
};

struct test_cluster {
        uint32_t size;
        uint8_t *bytes;
        struct header header; /* what a parser would say */
};

/* False if the layout does not fit into its cluster.  The bytes are malloc()ed. */
bool test_cluster_build(const struct test_layout *layout, struct test_cluster *cluster);

/* What a program sees that opens the image. */
struct test_view {
        const char *fault; /* NULL: it opens */
        bool valid;        /* the autoclear bit */
        uint64_t other_autoclear;
        bool has_bitmaps;
        uint32_t record;
        uint8_t body[24];
        uint64_t records; /* digest of all other records: type, length, data, order */
        uint32_t padding; /* bytes of our own padding records */
        uint32_t end;     /* where the chain ends */
        uint32_t name_offset;
        uint32_t name_length;
        uint64_t name;   /* digest */
        uint64_t fields; /* digest of the header fields that are nobody's to change */
};

void test_cluster_view(const uint8_t *bytes, uint32_t cluster_size,
                       struct test_view *view);

void test_body_bytes(const struct bitmaps_body *body, uint8_t bytes[24]);

#endif
