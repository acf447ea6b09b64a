/* SPDX-License-Identifier: MIT */
#include "tests/unit/ops/crash.h"

#include <stdlib.h>
#include <string.h>

#include "guest/ops/unreferenced.h"

#define ALL_SUBSETS_OF 9u

/* The least that reaches the disk, or does not. */
struct piece {
        const struct native_event *event;
        uint64_t offset; /* of a write: inside one sector */
        uint64_t length;
};

struct segment {
        struct piece *pieces;
        size_t count;
        size_t capacity;
        bool holds_switch; /* of the last transaction */
        bool any_switch;   /* of any transaction */
        bool holds_begin;  /* holes of one transaction, then the next */
        size_t end;        /* behind its last event, in the trace */
};

void crash_open(struct crash *crash, struct ops *ops)
{
        uint64_t capacity = ops->image->capacity;
        memset(crash, 0, sizeof *crash);
        crash->ops = ops;
        crash->samples = 60;
        crash->seed = 1;
        crash->prover =
            native_host_create(&(struct native_options){.image_capacity = capacity});
        assert_non_null(crash->prover);
        assert_true(native_image_create(&crash->durable, capacity, 512));
        assert_true(native_image_create(&crash->state, capacity, 512));
        assert_true(native_image_create(&crash->undone, capacity, 512));
        assert_true(native_image_create(&crash->origin, capacity, 512));
}

void crash_close(struct crash *crash)
{
        native_host_destroy(crash->prover);
        native_image_destroy(&crash->durable);
        native_image_destroy(&crash->state);
        native_image_destroy(&crash->undone);
        native_image_destroy(&crash->origin);
}

/* ---- pieces --------------------------------------------------------------------------
 */

static void add_piece(struct segment *segment, struct piece piece)
{
        if (segment->count == segment->capacity) {
                segment->capacity = segment->capacity ? 2 * segment->capacity : 64;
                segment->pieces =
                    realloc(segment->pieces, segment->capacity * sizeof *segment->pieces);
                assert_non_null(segment->pieces);
        }
        segment->pieces[segment->count++] = piece;
}

static void add_event(struct segment *segment, const struct native_event *event)
{
        uint64_t done = 0;
        switch (event->kind) {
        case NATIVE_WRITE:
                while (done < event->length) {
                        uint64_t at = event->offset + done;
                        uint64_t length = ABI_SECTOR - at % ABI_SECTOR;
                        if (length > event->length - done)
                                length = event->length - done;
                        add_piece(segment, (struct piece){event, at, length});
                        done += length;
                }
                break;
        case NATIVE_RESIZE:
        case NATIVE_PUNCH:
        case NATIVE_TRUNCATE:
                add_piece(segment, (struct piece){event, 0, 0});
                break;
        default:
                break;
        }
}

static void apply_piece(struct native_image *image, const struct piece *piece)
{
        const struct native_event *event = piece->event;
        switch (event->kind) {
        case NATIVE_WRITE:
                native_image_write(image, piece->offset,
                                   event->new + (piece->offset - event->offset),
                                   piece->length);
                break;
        case NATIVE_PUNCH:
                native_image_punch(image, event->offset, event->length);
                break;
        case NATIVE_RESIZE: /* a write may have made it larger already */
                if (image->size < event->offset)
                        native_image_resize(image, event->offset);
                break;
        default:
                native_image_resize(image, event->offset);
        }
}

/* Make `state` what `durable` is again, where pieces have changed it. */
static void restore(struct crash *crash, const struct segment *segment,
                    const uint8_t *chosen)
{
        const struct native_image *from = &crash->durable;
        bool all = false;
        for (size_t i = 0; i < segment->count; i++)
                all =
                    all || (chosen[i] && segment->pieces[i].event->kind != NATIVE_WRITE &&
                            segment->pieces[i].event->kind != NATIVE_RESIZE);
        if (all) {
                native_image_copy(&crash->state, from);
                return;
        }
        for (size_t i = 0; i < segment->count; i++) {
                const struct piece *piece = &segment->pieces[i];
                if (chosen[i] && piece->event->kind == NATIVE_WRITE)
                        native_image_write(&crash->state, piece->offset,
                                           from->bytes + piece->offset, piece->length);
        }
        native_image_resize(&crash->state, from->size);
}

/* ---- judgement ------------------------------------------------------------------------
 */

/* What a reader sees of a stale list is nothing. */
static bool same_visible(const struct read_image *a, const struct read_image *b)
{
        struct read_image x = *a;
        struct read_image y = *b;
        if (x.stale)
                x.bitmap_count = 0;
        if (y.stale)
                y.bitmap_count = 0;
        return read_same_list(&x, &y);
}

static void judge_list(const struct crash *crash, const struct read_image *read,
                       const struct segment *segment)
{
        bool old = same_visible(read, &crash->old);
        bool new = same_visible(read, &crash->new);
        if (!old && !new)
                fail_msg("state %llu: neither the old list nor the new one",
                         (unsigned long long)crash->states);
        if (!segment->holds_switch && !crash->committed && !old)
                fail_msg("state %llu: the new list before the commit point",
                         (unsigned long long)crash->states);
        if (crash->committed && !new)
                fail_msg("state %llu: the old list behind the commit point",
                         (unsigned long long)crash->states);
}

/* Invariant 2: the recorded old bytes give back the old file, byte for byte. */
static void judge_undo(struct crash *crash, const struct segment *segment)
{
        const struct native_trace *trace = native_host_trace(crash->ops->host);
        const struct native_event *events = trace->events;
        size_t i = segment->end;
        if (segment->holds_begin || (i && events[i - 1].release))
                return;
        native_image_copy(&crash->undone, &crash->state);
        while (i-- > 0 && events[i].kind != NATIVE_BEGIN)
                if (events[i].kind == NATIVE_WRITE)
                        native_image_write(&crash->undone, events[i].offset,
                                           events[i].old, events[i].length);
        native_image_resize(&crash->undone, crash->origin.size);
        if (!native_image_equal(&crash->undone, &crash->origin))
                fail_msg("state %llu: undo does not give back the old file",
                         (unsigned long long)crash->states);
}

/* What the open transaction has claimed up to the segment's end. */
static void note_claims(const struct crash *crash, const struct segment *segment,
                        struct abi_call *call)
{
        const struct native_event *events = native_host_trace(crash->ops->host)->events;
        size_t i = segment->end;
        while (i-- > 0 && events[i].kind != NATIVE_BEGIN) {
                if (events[i].kind != NATIVE_CLAIM)
                        continue;
                assert_true(call->range_count < ABI_MAX_RANGES);
                call->ranges[call->range_count++] =
                    (struct abi_range){events[i].offset, events[i].length};
        }
}

/* Invariant 7: recovery gives clusters back only where this is proved, so it must be
 * provable in every state that the edit itself can leave. */
static void judge_proof(struct crash *crash, const struct segment *segment)
{
        const struct native_event *events = native_host_trace(crash->ops->host)->events;
        struct abi_call call;
        if (segment->any_switch || segment->holds_begin || !segment->end ||
            events[segment->end - 1].release)
                return;
        memset(&call, 0, sizeof call);
        note_claims(crash, segment, &call);
        if (!call.range_count)
                return;
        crash->proofs++;
        native_image_copy(native_host_image(crash->prover), &crash->state);
        struct native_outcome outcome =
            native_run(crash->prover, unreferenced_main, &call);
        assert_int_equal(outcome.status, NATIVE_OK);
        if (outcome.result.code)
                fail_msg("state %llu: not proved: code %u, at %llu",
                         (unsigned long long)crash->states, outcome.result.code,
                         (unsigned long long)outcome.result.detail[0]);
}

static void judge(struct crash *crash, const struct segment *segment)
{
        struct read_image read;
        crash->states++;
        read_image(&crash->state, &read);
        const char *difference = read_difference(&read, &crash->old);
        if (read.error[0])
                fail_msg("state %llu: unreadable: %s", (unsigned long long)crash->states,
                         read.error);
        if (difference)
                fail_msg("state %llu: changed: %s", (unsigned long long)crash->states,
                         difference);
        if (read.corruptions)
                fail_msg("state %llu: cluster %llu is used, and its refcount too low",
                         (unsigned long long)crash->states,
                         (unsigned long long)read.first_corruption);
        judge_list(crash, &read, segment);
        read_image_free(&read);
        judge_undo(crash, segment);
        judge_proof(crash, segment);
}

/* ---- states ---------------------------------------------------------------------------
 */

static void try_state(struct crash *crash, const struct segment *segment,
                      const uint8_t *chosen)
{
        for (size_t i = 0; i < segment->count; i++)
                if (chosen[i])
                        apply_piece(&crash->state, &segment->pieces[i]);
        judge(crash, segment);
        restore(crash, segment, chosen);
}

static uint64_t next_random(struct crash *crash)
{
        crash->seed ^= crash->seed << 13;
        crash->seed ^= crash->seed >> 7;
        crash->seed ^= crash->seed << 17;
        return crash->seed;
}

static void try_all_subsets(struct crash *crash, const struct segment *segment,
                            uint8_t *chosen)
{
        for (uint32_t set = 0; set < 1u << segment->count; set++) {
                for (size_t i = 0; i < segment->count; i++)
                        chosen[i] = set >> i & 1;
                try_state(crash, segment, chosen);
        }
}

/* All, none, and for a spread of pieces: it alone, and all but it. */
static void try_singles(struct crash *crash, const struct segment *segment,
                        uint8_t *chosen)
{
        size_t stride = segment->count / crash->samples + 1;
        for (int value = 0; value < 2; value++) {
                memset(chosen, value, segment->count);
                try_state(crash, segment, chosen);
                for (size_t i = 0; i < segment->count; i += stride) {
                        chosen[i] = !value;
                        try_state(crash, segment, chosen);
                        chosen[i] = (uint8_t)value;
                }
        }
}

static void try_sample(struct crash *crash, const struct segment *segment,
                       uint8_t *chosen)
{
        for (uint64_t n = 0; n < crash->samples; n++) {
                uint64_t density = next_random(crash) % 5 + 1;
                for (size_t i = 0; i < segment->count; i++)
                        chosen[i] = next_random(crash) % 6 < density;
                try_state(crash, segment, chosen);
        }
}

static void try_segment(struct crash *crash, const struct segment *segment)
{
        uint8_t *chosen = calloc(segment->count + 1, 1);
        assert_non_null(chosen);
        if (segment->count <= ALL_SUBSETS_OF) {
                try_all_subsets(crash, segment, chosen);
        } else {
                try_singles(crash, segment, chosen);
                try_sample(crash, segment, chosen);
        }
        free(chosen);
        for (size_t i = 0; i < segment->count; i++) {
                apply_piece(&crash->durable, &segment->pieces[i]);
                apply_piece(&crash->state, &segment->pieces[i]);
        }
}

/* ---- the trace
 * ------------------------------------------------------------------------- */

/* Collect the events from `first` to the next barrier; the index behind it. */
static size_t collect(struct crash *crash, size_t first, struct segment *segment)
{
        const struct native_trace *trace = native_host_trace(crash->ops->host);
        size_t i = first;
        segment->count = 0;
        segment->holds_switch = false;
        segment->any_switch = false;
        segment->holds_begin = false;
        for (; i < trace->count && trace->events[i].kind != NATIVE_BARRIER; i++) {
                const struct native_event *event = &trace->events[i];
                if (event->kind == NATIVE_BEGIN) {
                        segment->holds_begin = true;
                        native_image_copy(&crash->origin, &crash->durable);
                        for (size_t p = 0; p < segment->count; p++)
                                apply_piece(&crash->origin, &segment->pieces[p]);
                }
                add_event(segment, event);
                segment->any_switch |=
                    event->kind == NATIVE_WRITE && event->flags & ABI_CHANGE_SWITCH;
                if (event->flags & ABI_CHANGE_SWITCH &&
                    event->transaction == crash->last_transaction)
                        segment->holds_switch = true;
        }
        segment->end = i;
        return i < trace->count ? i + 1 : i;
}

/* What follows a barrier without being a change. */
static size_t pass_marks(struct crash *crash, size_t i)
{
        const struct native_trace *trace = native_host_trace(crash->ops->host);
        for (; i < trace->count; i++) {
                const struct native_event *event = &trace->events[i];
                if (event->kind == NATIVE_BEGIN)
                        native_image_copy(&crash->origin, &crash->durable);
                else if (event->kind == NATIVE_CLAIM)
                        continue;
                else if (event->kind == NATIVE_COMMIT)
                        crash->committed = event->transaction == crash->last_transaction;
                else
                        break;
        }
        return i;
}

void crash_explore(struct crash *crash)
{
        const struct native_trace *trace = native_host_trace(crash->ops->host);
        struct segment segment = {0};
        assert_true(trace->count > 0);
        crash->committed = false;
        crash->last_transaction = trace->events[trace->count - 1].transaction;
        native_image_copy(&crash->durable, &crash->ops->before);
        native_image_copy(&crash->state, &crash->ops->before);
        read_image(&crash->ops->before, &crash->old);
        read_image(crash->ops->image, &crash->new);
        for (size_t i = pass_marks(crash, 0); i < trace->count;) {
                i = collect(crash, i, &segment);
                try_segment(crash, &segment);
                i = pass_marks(crash, i);
        }
        assert_true(native_image_equal(&crash->durable, crash->ops->image));
        assert_true(crash->committed);
        read_image_free(&crash->old);
        read_image_free(&crash->new);
        free(segment.pieces);
}
