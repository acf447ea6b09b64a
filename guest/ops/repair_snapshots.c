/* SPDX-License-Identifier: MIT */
/*
 * The snapshot table ("Snapshots").  A snapshot whose L1 table cannot be read is lost
 * and taken out; what version 3 demands of an entry and an older program has left out is
 * added.
 */
#include <string.h>

#include "guest/ops/repair_state.h"
#include "guest/qcow2/snapshots.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/reader.h"

#define MIN_EXTRA 16u   /* VM state size, virtual disk size */
#define MAX_EXTRA 1024u /* that QEMU takes */

#define ENTRY_VM_STATE_SIZE 32u
#define ENTRY_EXTRA_SIZE    36u

struct table {
        struct repair *repair;
        uint8_t *bytes; /* the new one */
        uint64_t size;
        uint64_t capacity;
        uint32_t count;
        uint32_t completed;
};

static bool can_be_kept(const struct repair *r, const struct snapshot *s)
{
        uint64_t bytes = (uint64_t)s->entries * 8;
        return s->offset % r->h.cluster_size == 0 && bytes <= QCOW2_MAX_L1_BYTES &&
               range_inside(s->offset, bytes, repair_end_at(r, s->offset));
}

/* Bytes of an entry in the new table. */
static uint64_t new_length(const struct repair *r, const struct snapshot *s)
{
        uint64_t extra = s->extra_length < MAX_EXTRA ? s->extra_length : MAX_EXTRA;
        if (r->h.version >= 3 && extra < MIN_EXTRA)
                extra = MIN_EXTRA;
        return (SNAPSHOT_FIXED + extra + s->id_length + s->name_length + 7) & ~7ull;
}

/* Of an entry without them: the state's size is the 32-bit field's, the disk's size has
 * not changed ("Snapshots", extra data). */
static void complete(struct table *t, const struct snapshot *s, uint8_t *entry)
{
        if (t->repair->h.version < 3 || s->extra_length >= MIN_EXTRA)
                return;
        t->completed++;
        if (s->extra_length < 8)
                store_be64(entry + SNAPSHOT_FIXED,
                           load_be32(entry + ENTRY_VM_STATE_SIZE));
        store_be64(entry + SNAPSHOT_FIXED + 8, t->repair->h.size);
        store_be32(entry + ENTRY_EXTRA_SIZE, MIN_EXTRA);
}

static bool add(struct table *t, const struct snapshot *s)
{
        uint64_t length = new_length(t->repair, s);
        uint64_t strings = (uint64_t)s->id_length + s->name_length;
        uint64_t extra = s->extra_length < MAX_EXTRA ? s->extra_length : MAX_EXTRA;
        if (length > t->capacity - t->size)
                return false;
        uint8_t *entry = t->bytes + t->size;
        repair_read(s->position, entry, SNAPSHOT_FIXED + extra);
        if (extra != s->extra_length) {
                store_be32(entry + ENTRY_EXTRA_SIZE, MAX_EXTRA);
                t->completed++;
        }
        complete(t, s, entry);
        extra = load_be32(entry + ENTRY_EXTRA_SIZE);
        repair_read(s->position + SNAPSHOT_FIXED + s->extra_length,
                    entry + SNAPSHOT_FIXED + extra, strings);
        t->size += length;
        t->count++;
        return true;
}

/* Bytes of the new table at most: the old one's, and what may be added. */
static enum abi_code walk(struct table *t, bool measure)
{
        struct repair *r = t->repair;
        struct snapshot_walk w;
        struct snapshot s;
        enum snapshot_step step;
        uint32_t index = 0;
        enum abi_code code =
            snapshot_walk_begin(&w, &r->h, repair_end_at(r, r->h.snapshots_offset));
        if (code)
                return code;
        read_flush();
        while ((step = snapshot_walk_next(&w, &s)) == SNAPSHOT_ENTRY) {
                if (measure)
                        t->capacity += new_length(r, &s);
                else if (!can_be_kept(r, &s))
                        repair_tell(ABI_REPAIR_SNAPSHOT_REMOVED, index, 0, 0);
                if (!measure && can_be_kept(r, &s) && !add(t, &s))
                        return ABI_OVERFLOW;
                index++;
        }
        for (; !measure && index < r->h.snapshot_count; index++)
                repair_tell(ABI_REPAIR_SNAPSHOT_REMOVED, index, 0, 0);
        return ABI_OK;
}

static enum abi_code replace(struct table *t)
{
        struct repair *r = t->repair;
        uint8_t *fields = r->header.now + QCOW2_SNAPSHOT_FIELDS;
        uint64_t offset = 0;
        if (t->count) {
                uint8_t *bytes;
                offset =
                    repair_allocate(r, divide_up(t->size, r->h.cluster_size), &bytes);
                if (!offset)
                        return ABI_TOO_LARGE;
                memcpy(bytes, t->bytes, t->size);
        }
        store_be32(fields, t->count);
        store_be64(fields + 4, offset);
        if (t->completed)
                repair_tell(ABI_REPAIR_SNAPSHOT_TABLE, t->completed, 0, 0);
        return ABI_OK;
}

enum abi_code repair_snapshots(struct repair *r)
{
        struct table t = {.repair = r};
        uint64_t mark = arena_mark();
        if (!r->h.snapshot_count)
                return ABI_OK;
        enum abi_code code = walk(&t, true);
        if (code)
                return code;
        t.bytes = arena_alloc(t.capacity + 8);
        if (!t.bytes)
                return ABI_TOO_LARGE;
        code = walk(&t, false);
        if (!code && (t.count != r->h.snapshot_count || t.completed))
                code = replace(&t);
        arena_release(mark);
        return code;
}
