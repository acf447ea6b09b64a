/* SPDX-License-Identifier: MIT */
#include "host/recovery/recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int recovery_start(struct recovery *recovery, struct image *image, recovery_prover *prove)
{
        memset(recovery, 0, sizeof *recovery);
        recovery->image = image;
        recovery->prove = prove;
        return journal_image_describe(image->fd, &recovery->facts);
}

/* ---- the report --------------------------------------------------------------- */

static void describe(struct recovery_item *item, struct journal_found *found)
{
        const struct journal_header *header = &found->reader.header;

        memcpy(item->transaction, found->transaction, sizeof item->transaction);
        item->asked = found->asked;
        found->asked = NULL;
        item->image_path = found->image_path;
        found->image_path = NULL;
        item->identity = header->identity;
        item->begun = header->time;
        item->extents = found->extents;
        item->bytes = found->bytes;
        item->old_size = header->old_size;
        item->final_size = header->final_size;
}

static void stop(struct recovery_item *item, enum recovery_state state, int error)
{
        item->state = state;
        item->error = error;
}

/* ---- one journal ---------------------------------------------------------------- */

static void remove_journal(const struct recovery *r, struct journal_found *found,
                           struct recovery_item *item, enum recovery_state done,
                           enum recovery_state would)
{
        int error = r->dry_run ? 0 : journal_found_remove(found);

        item->state = r->dry_run ? would : done;
        if (error)
                stop(item, RECOVERY_FAILED, error);
}

static void discard(const struct recovery *r, struct journal_found *found,
                    struct recovery_item *item, enum recovery_state done,
                    enum recovery_state would)
{
        int error = r->dry_run ? 0 : journal_found_discard(found);

        item->state = r->dry_run ? would : done;
        if (error)
                stop(item, RECOVERY_FAILED, error);
}

static void set_aside(const struct recovery *r, struct journal_found *found,
                      struct recovery_item *item)
{
        int error = r->dry_run ? 0 : journal_found_set_aside(found, &item->new_path);

        item->state = r->dry_run ? RECOVERY_WOULD_SET_ASIDE : RECOVERY_SET_ASIDE;
        if (error)
                stop(item, RECOVERY_FAILED, error);
}

static void undo(const struct recovery *r, struct journal_found *found,
                 struct recovery_item *item)
{
        struct image_io io = image_io(r->image);
        int error = r->dry_run ? 0 : journal_found_undo(found, &io);

        /* The bytes may go through the next time: a failed sync tells of pages that are
         * lost, and those are written again (invariant 3). */
        if (error)
                error = journal_found_undo(found, &io);
        item->state = r->dry_run ? RECOVERY_WOULD_UNDO : RECOVERY_UNDONE;
        if (error)
                stop(item, RECOVERY_FAILED, error);
        image_refresh_size(r->image);
}

/*
 * Another program may have taken the very clusters that the edit had taken, and have
 * written what was there: the bytes then look like the edit's (invariant 7).
 */
static bool may_be_undone(const struct recovery *r, struct journal_found *found,
                          struct recovery_item *item)
{
        enum recovery_proof proof = RECOVERY_PROVED;
        struct journal_range *claims = NULL;
        size_t count = 0;
        int error = journal_found_claims(found, &claims, &count);

        _Static_assert(sizeof *claims == sizeof(struct abi_range),
                       "the same two numbers");
        if (!error && count && r->prove)
                error =
                    r->prove(r->image, (const struct abi_range *)claims, count, &proof);
        free(claims);
        if (error) {
                stop(item, RECOVERY_FAILED, error);
                item->reason = "the proof that nothing uses its clusters was not made";
        } else if (proof != RECOVERY_PROVED) {
                stop(item, RECOVERY_CONFLICT, 0);
                item->reason = proof == RECOVERY_REFERENCED
                                   ? "it uses clusters that the edit had taken"
                                   : "its metadata is damaged";
        }
        return !error && proof == RECOVERY_PROVED;
}

static void decide(const struct recovery *r, struct journal_found *found,
                   struct recovery_item *item)
{
        static const char *const conflicts[] = {
            [JOURNAL_VERDICT_SIZE] = "it has a size that the edit did not give it",
            [JOURNAL_VERDICT_CONTENT] = "it holds bytes that are not the edit's",
        };
        struct image_io io = image_io(r->image);
        enum journal_verdict verdict;
        int error = journal_found_judge(found, &io, &verdict);

        if (error) {
                stop(item, error == -EBADMSG ? RECOVERY_DAMAGED : RECOVERY_FAILED, error);
        } else if (verdict == JOURNAL_VERDICT_COMPLETE) {
                error = r->dry_run ? 0 : journal_found_complete(found, &io);
                item->state = r->dry_run ? RECOVERY_WOULD_COMPLETE : RECOVERY_COMPLETE;
                if (error)
                        stop(item, RECOVERY_FAILED, error);
        } else if (verdict == JOURNAL_VERDICT_SUPERSEDED) {
                discard(r, found, item, RECOVERY_SUPERSEDED, RECOVERY_WOULD_SUPERSEDE);
        } else if (verdict == JOURNAL_VERDICT_UNDO) {
                if (may_be_undone(r, found, item))
                        undo(r, found, item);
        } else {
                stop(item, RECOVERY_CONFLICT, 0);
                item->reason = conflicts[verdict];
        }
}

static void refuse(struct journal_found *found, struct recovery_item *item)
{
        switch (found->state) {
        case JOURNAL_BUSY:
                stop(item, RECOVERY_BUSY, 0);
                break;
        case JOURNAL_UNTRUSTED:
                stop(item, RECOVERY_UNTRUSTED, 0);
                item->reason = journal_distrust_text(found->distrust);
                break;
        case JOURNAL_DAMAGED:
                stop(item, RECOVERY_DAMAGED, 0);
                item->reason = journal_fault_text(found->reader.fault);
                break;
        case JOURNAL_NEWER:
                stop(item, RECOVERY_NEWER, 0);
                break;
        default:
                stop(item, RECOVERY_UNREADABLE, found->error);
        }
}

static void deal_with(const struct recovery *r, struct journal_found *found,
                      struct recovery_item *item)
{
        if (found->state == JOURNAL_ENDED || found->state == JOURNAL_EMPTY)
                remove_journal(r, found, item, RECOVERY_REMOVED, RECOVERY_WOULD_REMOVE);
        else if (found->state == JOURNAL_OTHERS)
                set_aside(r, found, item);
        else if (r->discard && found->state != JOURNAL_BUSY)
                discard(r, found, item, RECOVERY_DISCARDED, RECOVERY_WOULD_DISCARD);
        else if (found->state == JOURNAL_HOT)
                decide(r, found, item);
        else
                refuse(found, item);
}

/* ---- where ------------------------------------------------------------------------ */

static bool was_seen(const struct recovery *r, const char *path)
{
        for (unsigned int i = 0; i < r->count; i++)
                if (strcmp(r->items[i].path, path) == 0)
                        return true;
        return false;
}

/* By its header, whatever else is wrong with it. */
static bool is_ours(const struct recovery *r, const struct journal_found *found)
{
        return found->reader.has_header &&
               journal_identity_equal(&found->reader.header.identity, &r->facts.identity);
}

/* `by_place`: this is where a journal of ours would be made, so we have to deal with
 * whatever is there. */
static int look_closer(struct recovery *r, const char *path, bool by_place)
{
        struct recovery_item *item = &r->items[r->count];
        struct journal_found *found;
        int error;

        if (was_seen(r, path))
                return 0;
        if (r->count == RECOVERY_ITEMS_MAX)
                return -E2BIG;
        error = journal_found_open(path, &r->facts, r->dry_run, &found);
        if (error)
                return error == -ENOENT || error == -ENOTDIR ? 0 : error;
        /* What cannot be read is ours as far as anybody knows: the index says so. */
        if (found->state != JOURNAL_GONE &&
            (by_place || is_ours(r, found) || found->state == JOURNAL_UNREADABLE)) {
                item->path = strdup(path);
                if (item->path) {
                        describe(item, found);
                        deal_with(r, found, item);
                        r->count++;
                } else {
                        error = -ENOMEM;
                }
        }
        journal_found_close(found);
        return error ? error : recovery_stop(r) != NULL;
}

static int look_at(struct recovery *r, const char *path, bool by_place)
{
        int status = look_closer(r, path, by_place);

        if (status < 0)
                r->error = status;
        return status;
}

static int at_place(void *recovery, const char *path)
{
        return look_at(recovery, path, true);
}

int recovery_at_index(void *recovery, const char *path)
{
        return look_at(recovery, path, false);
}

int recovery_search(struct recovery *r, struct journal_search search)
{
        search.identity = &r->facts.identity;
        return journal_place_search(&search, at_place, r);
}

void recovery_remember(const struct recovery *r, struct journal_index *index)
{
        for (unsigned int i = 0; i < r->count; i++) {
                const struct recovery_item *item = &r->items[i];
                struct journal_index_entry entry = {
                    .image_path = item->image_path ? item->image_path : "",
                    .journal_path = item->new_path,
                    .identity = &item->identity,
                    .time = item->begun / 1000000000u,
                    .asked = item->asked ? item->asked : "",
                };

                if (item->state != RECOVERY_SET_ASIDE)
                        continue;
                memcpy(entry.transaction, item->transaction, sizeof entry.transaction);
                (void)journal_index_put(index, &entry);
        }
}

const struct recovery_item *recovery_stop(const struct recovery *r)
{
        const struct recovery_item *last = r->count ? &r->items[r->count - 1] : NULL;

        return last && last->state >= RECOVERY_FIRST_STOP ? last : NULL;
}

void recovery_release(struct recovery *r)
{
        for (unsigned int i = 0; i < r->count; i++) {
                free(r->items[i].path);
                free(r->items[i].new_path);
                free(r->items[i].asked);
                free(r->items[i].image_path);
        }
        r->count = 0;
}
