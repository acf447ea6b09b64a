/* SPDX-License-Identifier: MIT */
/* What becomes of one journal. */
#include "host/recovery/decide.h"

#include <errno.h>
#include <stdlib.h>

static void stop(struct recovery_item *item, enum recovery_state state, int error)
{
        item->state = state;
        item->error = error;
}

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

static void judge(const struct recovery *r, struct journal_found *found,
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

void recovery_decide(const struct recovery *r, struct journal_found *found,
                     struct recovery_item *item)
{
        if (found->state == JOURNAL_ENDED || found->state == JOURNAL_EMPTY)
                remove_journal(r, found, item, RECOVERY_REMOVED, RECOVERY_WOULD_REMOVE);
        else if (found->state == JOURNAL_OTHERS)
                set_aside(r, found, item);
        else if (r->discard && found->state != JOURNAL_BUSY)
                discard(r, found, item, RECOVERY_DISCARDED, RECOVERY_WOULD_DISCARD);
        else if (found->state == JOURNAL_HOT)
                judge(r, found, item);
        else
                refuse(found, item);
}
