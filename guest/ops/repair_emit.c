/* SPDX-License-Identifier: MIT */
/*
 * The plan as one transaction.  New clusters come first, to which nothing refers; then
 * refcounts rise, tables change, refcounts fall to what still refers, COPIED flags say
 * so, and the header's first sector publishes what it has to say in one write: that is
 * the switch.  Where the header does not change, the last change is the switch; where
 * there are only clusters to be freed, the first of them.  Clusters are freed behind the
 * switch, which is never undone; and where it is the switch that takes references away,
 * all that rests on it.
 */
#include <string.h>

#include "guest/ops/repair_state.h"
#include "guest/rt/arena.h"
#include "guest/rt/bytes.h"
#include "guest/rt/checked.h"
#include "guest/rt/reader.h"
#include "guest/rt/transaction.h"

enum step {
        STEP_BUILD = 1,
        STEP_RAISE,
        STEP_MEND,
        STEP_LOWER, /* to what still refers */
        STEP_FLAGS,
        STEP_HIDE,   /* a list whose record changes in two sectors */
        STEP_HEADER, /* behind its first sector */
        STEP_SWITCH,
        STEP_RECORD, /* that the switch has made invalid */
        STEP_FREE,
        STEP_LATE_FLAGS,
};

/* Changes that are declared before they are applied in part. */
#define PART 2048u

/* Old content of a device that is read at a time. */
#define PIECE (512u << 10)

struct emission {
        struct repair *repair;
        uint64_t switch_word; /* index + 1 of the run's first word; 0: the header's */
        enum step switch_step;
        uint32_t declared;
        enum abi_code code;
};

/* ---- words
 * ------------------------------------------------------------------------------ */

/* The header's first sector is the switch.  Where that makes the list of bitmaps invalid,
 * its record goes behind it: the autoclear bit without a record loses the disk as soon as
 * QEMU writes to it, and a record without the bit is passed over. */
static enum step step_of_header(const struct repair *r, const struct overlay_word *w)
{
        if (w->offset < ABI_SECTOR)
                return STEP_SWITCH;
        return r->was_valid && w->offset == r->late_record ? STEP_RECORD : STEP_HEADER;
}

/* What a step makes of a word; false if the step has nothing to do with it. */
static bool values_of(const struct repair *r, const struct overlay_word *w,
                      enum step step, uint64_t *from, uint64_t *to)
{
        bool counts = w->kind == OVERLAY_REFCOUNTS;
        bool header = w->kind == OVERLAY_HEADER;
        switch (step) {
        case STEP_RAISE:
        case STEP_MEND:
        case STEP_HEADER:
        case STEP_RECORD:
                *from = w->old;
                *to = w->values.first;
                return step == (header   ? step_of_header(r, w)
                                : counts ? STEP_RAISE
                                         : STEP_MEND);
        case STEP_LOWER:
        case STEP_FLAGS:
                *from = w->values.first;
                *to = w->values.between;
                return !header && step == (counts ? STEP_LOWER : STEP_FLAGS);
        case STEP_FREE:
        case STEP_LATE_FLAGS:
                *from = w->values.between;
                *to = w->values.now;
                return !header && step == (counts ? STEP_FREE : STEP_LATE_FLAGS);
        default:
                return false;
        }
}

static bool changes(const struct emission *e, uint64_t i, enum step step)
{
        uint64_t from;
        uint64_t to;
        return values_of(e->repair, &e->repair->overlay.words[i], step, &from, &to) &&
               from != to;
}

/* Words of one sector that follow each other, from `first` on. */
static uint64_t run_length(const struct emission *e, uint64_t first, enum step step)
{
        const struct overlay *o = &e->repair->overlay;
        uint64_t n = 1;
        while (first + n < o->count && changes(e, first + n, step) &&
               o->words[first + n].offset == o->words[first].offset + n * 8 &&
               o->words[first + n].offset % ABI_SECTOR)
                n++;
        return n;
}

/* One write of words [first, first + count), as `step` changes them; the switch does it
 * in a step of its own. */
static void declare(struct emission *e, uint64_t first, uint64_t count, enum step step,
                    bool is_switch)
{
        const struct overlay_word *words = e->repair->overlay.words + first;
        uint8_t *old = arena_alloc(count * 16);
        if (!old) {
                e->code = ABI_TOO_LARGE;
                return;
        }
        uint8_t *new = old + count * 8;
        for (uint64_t i = 0; i < count; i++) {
                uint64_t from = 0;
                uint64_t to = 0;
                values_of(e->repair, &words[i], step, &from, &to);
                store_be64(old + i * 8, from);
                store_be64(new + i * 8, to);
        }
        transaction_write(is_switch ? STEP_SWITCH : step,
                          is_switch ? ABI_CHANGE_SWITCH : 0, words[0].offset, old, new,
                          count * 8);
}

static void apply_part(struct emission *e, uint32_t step)
{
        if (++e->declared % PART == 0)
                transaction_apply(step, ABI_APPLY_PART);
}

/* All runs of a step but the switch's. */
static void emit_step(struct emission *e, enum step step)
{
        const struct overlay *o = &e->repair->overlay;
        uint64_t count;
        bool any = false;
        for (uint64_t i = 0; i < o->count && !e->code; i += count) {
                count = 1;
                if (!changes(e, i, step))
                        continue;
                count = run_length(e, i, step);
                if (i + 1 == e->switch_word && step == e->switch_step)
                        continue;
                declare(e, i, count, step, false);
                apply_part(e, step);
                any = true;
        }
        if (any && !e->code)
                transaction_apply(step, 0);
}

/* ---- the switch
 * --------------------------------------------------------------------------- */

static bool choose(struct emission *e, enum step step, bool last)
{
        const struct overlay *o = &e->repair->overlay;
        uint64_t count;
        for (uint64_t i = 0; i < o->count; i += count) {
                count = 1;
                if (!changes(e, i, step))
                        continue;
                count = run_length(e, i, step);
                e->switch_word = i + 1;
                e->switch_step = step;
                if (!last)
                        return true;
        }
        return e->switch_word;
}

static void choose_switch(struct emission *e)
{
        static const enum step in_front[] = {STEP_HEADER, STEP_FLAGS, STEP_LOWER,
                                             STEP_MEND, STEP_RAISE};
        static const enum step behind[] = {STEP_FREE, STEP_LATE_FLAGS};
        for (int i = 0; i < 5 && !e->switch_word; i++)
                choose(e, in_front[i], true);
        for (int i = 0; i < 2 && !e->switch_word; i++)
                choose(e, behind[i], false);
}

/* The first sector of the header, from its first change to its last, is one write. */
static bool emit_header_switch(struct emission *e)
{
        const struct repair_header_bytes *h = &e->repair->header;
        uint32_t first = 0;
        uint32_t end = ABI_SECTOR;
        while (first < end && h->old[first] == h->now[first])
                first++;
        while (end > first && h->old[end - 1] == h->now[end - 1])
                end--;
        if (first == end)
                return false;
        transaction_write(STEP_SWITCH, ABI_CHANGE_SWITCH, first, h->old + first,
                          h->now + first, end - first);
        return true;
}

/*
 * Half of a record's body would keep QEMU from opening the image, and without the bit
 * nobody reads it.  A program that writes to the image meanwhile drops the list; no other
 * order of writes spares both.
 */
static void emit_hiding(struct emission *e)
{
        struct repair_header_bytes *h = &e->repair->header;
        uint32_t body = e->repair->h.bitmaps_record + QCOW2_EXTENSION_HEADER;
        uint8_t *field = h->old + QCOW2_AUTOCLEAR_FIELD;
        uint32_t end = body + QCOW2_BITMAPS_BODY;
        uint32_t border = (end - 1) / ABI_SECTOR * ABI_SECTOR;
        static uint8_t hidden[8]; /* until the doorbell is rung */
        if (!e->repair->was_valid || !e->repair->h.has_bitmaps || border <= body ||
            memcmp(h->old + body, h->now + body, border - body) == 0 ||
            memcmp(h->old + border, h->now + border, end - border) == 0)
                return;
        store_be64(hidden, load_be64(field) & ~(uint64_t)QCOW2_AUTOCLEAR_BITMAPS);
        transaction_write(STEP_HIDE, 0, QCOW2_AUTOCLEAR_FIELD, field, hidden,
                          sizeof hidden);
        transaction_apply(STEP_HIDE, 0);
        memcpy(field, hidden, sizeof hidden); /* for the switch */
        e->switch_word = 0;
}

static void emit_switch(struct emission *e)
{
        if (!e->switch_word) {
                emit_header_switch(e);
        } else {
                uint64_t first = e->switch_word - 1u;
                declare(e, first, run_length(e, first, e->switch_step), e->switch_step,
                        true);
        }
        if (!e->code)
                transaction_apply(STEP_SWITCH, 0);
}

/* ---- extents
 * -------------------------------------------------------------------------------- */

/* On a device something may be there. */
static void emit_over_old(struct emission *e, const struct overlay_extent *x)
{
        for (uint64_t done = 0; done < x->length && !e->code; done += PIECE) {
                uint64_t length = x->length - done < PIECE ? x->length - done : PIECE;
                uint8_t *old = arena_alloc(length);
                if (!old) {
                        e->code = ABI_TOO_LARGE;
                        return;
                }
                read_queue(x->offset + done, old, length);
                read_flush();
                transaction_write(STEP_BUILD, 0, x->offset + done, old, x->bytes + done,
                                  length);
        }
}

static void emit_extents(struct emission *e, bool device)
{
        const struct overlay *o = &e->repair->overlay;
        for (uint32_t i = 0; i < o->extent_count && !e->code; i++) {
                const struct overlay_extent *x = &o->extents[i];
                uint64_t left = x->length;
                if (device)
                        emit_over_old(e, x);
                for (uint64_t done = 0; !device && left; left = x->length - done) {
                        uint64_t length = left < PIECE ? left : PIECE;
                        transaction_fresh(STEP_BUILD, x->offset + done, x->bytes + done,
                                          length);
                        done += length;
                }
        }
        if (o->extent_count && !e->code)
                transaction_apply(STEP_BUILD, 0);
}

static uint64_t final_size(const struct repair *r, bool device)
{
        uint64_t end = r->call->file_size;
        for (uint32_t i = 0; i < r->overlay.extent_count && !device; i++) {
                const struct overlay_extent *x = &r->overlay.extents[i];
                if (x->offset + x->length > end)
                        end = x->offset + x->length;
        }
        /* A table that the end of the file cuts off is written to behind it. */
        const struct overlay *o = &r->overlay;
        uint64_t size = r->h.cluster_size;
        if (!device && o->count && o->words[o->count - 1].offset + 8 > end)
                end = divide_up(o->words[o->count - 1].offset + 8, size) * size;
        return end;
}

/*
 * Recovery gives clusters back only where nothing has come to refer to them: but for
 * those to which the repair itself refers before the switch.  Where QEMU does not open
 * the image there is nobody who could, and nobody could tell.
 */
static void claim(const struct repair *r)
{
        if (r->unopenable || r->named_beyond)
                return;
        for (uint32_t i = 0; i < r->overlay.extent_count; i++)
                if (!r->overlay.extents[i].early)
                        transaction_claim(r->overlay.extents[i].offset,
                                          r->overlay.extents[i].length);
}

enum abi_code repair_emit(struct repair *r)
{
        struct emission e = {.repair = r};
        bool device = r->call->flags & ABI_CALL_BLOCK_DEVICE;
        r->was_valid =
            r->h.version >= 3 &&
            load_be64(r->header.old + QCOW2_AUTOCLEAR_FIELD) & QCOW2_AUTOCLEAR_BITMAPS;
        overlay_sort(&r->overlay);
        if (memcmp(r->header.old, r->header.now, ABI_SECTOR) == 0)
                choose_switch(&e);
        transaction_begin(r->call->file_size, final_size(r, device), 0);
        transaction_assert(0, r->header.old, r->header.length);
        claim(r);
        emit_extents(&e, device);
        for (enum step step = STEP_RAISE; step < STEP_HIDE; step++)
                emit_step(&e, step);
        emit_hiding(&e);
        emit_step(&e, STEP_HEADER);
        emit_switch(&e);
        emit_step(&e, STEP_RECORD);
        emit_step(&e, STEP_FREE);
        emit_step(&e, STEP_LATE_FLAGS);
        return e.code;
}
