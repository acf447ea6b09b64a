/* SPDX-License-Identifier: MIT */
#include "tests/unit/qcow2/extension_crash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/qcow2/ownership_platform.h"

enum abi_code test_plan(const struct test_cluster *cluster,
                        const struct bitmaps_body *wanted, bool publish,
                        struct header_edit *edit)
{
        uint32_t reach = extension_edit_reach(&cluster->header);
        struct header_bytes bytes = {.bytes = malloc(reach), .length = reach};
        enum abi_code code;

        assert_non_null(bytes.bytes);
        assert_true(reach <= cluster->size);
        memcpy(bytes.bytes, cluster->bytes, reach);
        platform_start(NULL, 0, PLATFORM_ARENA);
        code = extension_edit(&cluster->header, &bytes, wanted, publish, edit);
        assert_memory_equal(bytes.bytes, cluster->bytes, reach);
        free(bytes.bytes);
        return code;
}

/* The part of a write that lies in one sector. */
struct piece {
        uint32_t offset;
        uint32_t length;
        const uint8_t *bytes;
        uint8_t old[ABI_SECTOR];
};

#define MAX_PIECES  256u
#define ALL_SUBSETS 10u /* pieces up to which every subset is tried */

struct states {
        struct test_cluster *cluster;
        const struct header_edit *edit;
        bool removed; /* no list is wanted */
        bool old_valid;
        bool new_valid;
        uint8_t new_body[24];
        struct test_view old;
        struct test_view seen;
        bool switched;
        uint32_t phase;
        uint64_t count;
        unsigned pieces;
        struct piece piece[MAX_PIECES];
};

static void bad_state(const struct states *s, const char *what)
{
        const struct header *header = &s->cluster->header;

        fail_msg("phase %u (%s the switch): %s; cluster %u, header %u, record %u, "
                 "END %u, limit %u, name %u bytes",
                 s->phase, s->switched ? "after" : "before", what, s->cluster->size,
                 header->header_length, header->has_bitmaps ? header->bitmaps_record : 0,
                 header->extensions_end, header->extensions_limit, header->backing_size);
}

static bool has_body(const struct test_view *view, const uint8_t body[24])
{
        return view->has_bitmaps && memcmp(view->body, body, 24) == 0;
}

/* A reader that knows bitmaps sees the old list or the new one. */
static const char *check_list(const struct states *s, const struct test_view *v)
{
        static const uint8_t no_count[4];
        bool old_body = s->old.has_bitmaps && has_body(v, s->old.body);
        bool new_body = !s->removed && has_body(v, s->new_body);
        bool gone = !v->has_bitmaps || memcmp(v->body, no_count, 4) == 0;

        if (v->valid != (s->switched ? s->new_valid : s->old_valid))
                return "autoclear bit";
        if (s->switched && !s->removed)
                return new_body ? NULL : "not the new list";
        if (s->switched)
                return gone || (s->old_valid && old_body) ? NULL : "half a dead list";
        if (s->old_valid || !s->new_valid)
                return s->old.has_bitmaps
                           ? (old_body ? NULL : "not the old list")
                           : (v->has_bitmaps ? "a list before its time" : NULL);
        /* Nobody reads the body yet, but a new record comes with its body. */
        return s->old.has_bitmaps || !v->has_bitmaps || new_body ? NULL : "half a list";
}

static void check_state(struct states *s)
{
        struct test_view *v = &s->seen;
        const char *fault;

        test_cluster_view(s->cluster->bytes, s->cluster->size, v);
        s->count++;
        if (v->fault)
                bad_state(s, v->fault);
        fault = check_list(s, v);
        if (fault)
                bad_state(s, fault);
        if (v->other_autoclear != s->old.other_autoclear)
                bad_state(s, "other autoclear bits");
        if (v->fields != s->old.fields)
                bad_state(s, "header fields");
        if (v->name != s->old.name || v->name_length != s->old.name_length)
                bad_state(s, "backing file name");
        if (v->records != s->old.records)
                bad_state(s, "other records");
        if (s->phase == 0 &&
            (v->has_bitmaps != s->old.has_bitmaps ||
             memcmp(v->body, s->old.body, 24) != 0 || v->padding != s->old.padding ||
             v->end != s->old.end || v->name_offset != s->old.name_offset))
                bad_state(s, "the build is visible");
}

/* Split the writes of s->phase at sector borders; what changes nothing is left out. */
static void collect(struct states *s)
{
        s->pieces = 0;
        for (uint32_t i = 0; i < s->edit->count; i++) {
                const struct header_write *write = &s->edit->writes[i];
                uint32_t done = 0;

                while (write->phase == s->phase && done < write->length) {
                        uint32_t offset = write->offset + done;
                        uint32_t length = ABI_SECTOR - offset % ABI_SECTOR;
                        struct piece *piece = &s->piece[s->pieces];

                        if (length > write->length - done)
                                length = write->length - done;
                        *piece = (struct piece){offset, length, write->bytes + done, {0}};
                        memcpy(piece->old, s->cluster->bytes + offset, length);
                        done += length;
                        if (memcmp(piece->old, piece->bytes, length) != 0)
                                s->pieces++;
                        assert_true(s->pieces < MAX_PIECES);
                }
        }
}

/* Piece i is there if bit i % 64 of the mask is set. */
static void try_subset(struct states *s, uint64_t mask)
{
        for (unsigned i = 0; i < s->pieces; i++) {
                const struct piece *piece = &s->piece[i];
                bool there = mask >> i % 64 & 1;

                memcpy(s->cluster->bytes + piece->offset,
                       there ? piece->bytes : piece->old, piece->length);
        }
        check_state(s);
}

static void try_phase(struct states *s)
{
        uint64_t random = 0x9e3779b97f4a7c15ull;

        if (s->pieces <= ALL_SUBSETS) {
                for (uint64_t mask = 0; mask + 1 < 1ull << s->pieces; mask++)
                        try_subset(s, mask);
                return;
        }
        for (unsigned i = 0; i < 64; i++) {
                try_subset(s, (1ull << i) - 1); /* a prefix */
                try_subset(s, 1ull << i);
                try_subset(s, ~(1ull << i));
        }
        for (unsigned i = 0; i < 100; i++) {
                random = random * 6364136223846793005ull + 1442695040888963407ull;
                try_subset(s, random ^ random >> 29);
        }
}

/* The order of phases, and the one switch, are as the header file promises. */
static uint32_t check_shape(const struct states *s)
{
        uint32_t last = 0, switches = 0;

        for (uint32_t i = 0; i < s->edit->count; i++) {
                const struct header_write *write = &s->edit->writes[i];
                uint32_t end = write->offset + write->length;

                assert_true(write->length > 0);
                assert_true(end <= extension_edit_reach(&s->cluster->header));
                assert_true(write->phase >= last && write->phase <= last + 1);
                last = write->phase;
                if (!write->is_switch)
                        continue;
                switches++;
                assert_true(write->phase > 0);
                assert_int_equal(write->offset / ABI_SECTOR, (end - 1) / ABI_SECTOR);
                assert_true(i == 0 || write[-1].phase < last);
                assert_true(i + 1 == s->edit->count || write[1].phase > last);
        }
        assert_int_equal(switches, 1);
        return last;
}

static bool phase_switches(const struct states *s)
{
        for (uint32_t i = 0; i < s->edit->count; i++) {
                if (s->edit->writes[i].phase == s->phase && s->edit->writes[i].is_switch)
                        return true;
        }
        return false;
}

uint64_t test_crash_states(struct test_cluster *cluster, const struct header_edit *edit,
                           const struct bitmaps_body *wanted, bool new_valid,
                           struct test_view *last)
{
        static struct states s;
        uint32_t last_phase;

        memset(&s, 0, sizeof s);
        s.cluster = cluster;
        s.edit = edit;
        s.removed = !wanted;
        s.new_valid = new_valid;
        if (wanted)
                test_body_bytes(wanted, s.new_body);
        test_cluster_view(cluster->bytes, cluster->size, &s.old);
        assert_null(s.old.fault);
        s.old_valid = s.old.valid;
        last_phase = check_shape(&s);
        for (s.phase = 0; s.phase <= last_phase; s.phase++) {
                collect(&s);
                try_phase(&s);
                s.switched |= phase_switches(&s);
                try_subset(&s, UINT64_MAX);
        }
        *last = s.seen;
        return s.count;
}
