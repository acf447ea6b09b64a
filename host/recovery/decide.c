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

/* ---- another program has written ------------------------------------------------ */

/* Its state stands.  What it wrote may be in memory alone: without the journal a power
 * loss would leave neither that nor the old image. */
static void supersede(const struct recovery *r, struct journal_found *found,
                      struct recovery_item *item)
{
        struct image_io io = image_io(r->image);
        int error = r->dry_run ? 0 : io.sync(io.context);

        if (error)
                stop(item, RECOVERY_FAILED, error);
        else
                discard(r, found, item, RECOVERY_SUPERSEDED, RECOVERY_WOULD_SUPERSEDE);
        if (item->state == RECOVERY_FAILED)
                item->reason = NULL; /* not the other program is */
}

/*
 * It began from a valid image (invariant 4), so what it has left is the truth, unless the
 * checker finds that it is corrupt: then somebody has to decide.
 */
static void respect(const struct recovery *r, struct journal_found *found,
                    struct recovery_item *item, const char *reason)
{
        static const char *const findings[] = {
            [RECOVERY_CORRUPT] = "it is corrupt",
            [RECOVERY_UNCHECKABLE] = "it is so damaged that it cannot be checked",
            [RECOVERY_TOO_LARGE] = "it is too large to be checked with so little memory",
        };
        enum recovery_soundness soundness = RECOVERY_UNCHECKABLE;
        int error = r->examiner ? r->examiner->check(r->image, &soundness) : 0;

        item->reason = reason;
        if (error) {
                stop(item, RECOVERY_FAILED, error);
                item->reason = "what another program has left was not checked";
        } else if (r->examiner && soundness == RECOVERY_SOUND) {
                supersede(r, found, item);
        } else {
                stop(item, RECOVERY_CONFLICT, 0);
                item->finding = r->examiner ? findings[soundness] : NULL;
        }
}

/* ---- a hot journal --------------------------------------------------------------- */

static int prove(const struct recovery *r, struct journal_found *found,
                 enum recovery_proof *proof)
{
        struct journal_range *claims = NULL;
        size_t count = 0;
        int error = journal_found_claims(found, &claims, &count);

        _Static_assert(sizeof *claims == sizeof(struct abi_range),
                       "the same two numbers");
        *proof = RECOVERY_PROVED;
        if (!error && count && r->examiner)
                error = r->examiner->prove(r->image, (const struct abi_range *)claims,
                                           count, proof);
        free(claims);
        return error;
}

/*
 * Another program may have taken the very clusters that the edit had taken, and have
 * written what was there: the bytes then look like the edit's (invariant 7).
 *
 * Where that can neither be proved nor refuted, undoing is just as forbidden, and no
 * later run will know more: a sound image is then better left as it is, with the old
 * bitmaps and leaked clusters at worst (invariant 4), than kept from every writer.
 * Invariant 2's old file to the byte is given up for invariant 7.
 */
static void undo_if_unreferenced(const struct recovery *r, struct journal_found *found,
                                 struct recovery_item *item)
{
        enum recovery_proof proof;
        int error = prove(r, found, &proof);

        if (error) {
                stop(item, RECOVERY_FAILED, error);
                item->reason = "the proof that nothing uses its clusters was not made";
        } else if (proof == RECOVERY_PROVED) {
                undo(r, found, item);
        } else {
                respect(r, found, item,
                        proof == RECOVERY_REFERENCED
                            ? "it uses clusters that the edit had taken"
                            : "it may use clusters that the edit had taken");
        }
}

static void complete(const struct recovery *r, struct journal_found *found,
                     struct recovery_item *item)
{
        struct image_io io = image_io(r->image);
        int error = r->dry_run ? 0 : journal_found_complete(found, &io);

        item->state = r->dry_run ? RECOVERY_WOULD_COMPLETE : RECOVERY_COMPLETE;
        if (error)
                stop(item, RECOVERY_FAILED, error);
}

static void judge(const struct recovery *r, struct journal_found *found,
                  struct recovery_item *item)
{
        struct image_io io = image_io(r->image);
        enum journal_verdict verdict;
        int error = journal_found_judge(found, &io, &verdict);

        if (error) {
                stop(item, error == -EBADMSG ? RECOVERY_DAMAGED : RECOVERY_FAILED, error);
                return;
        }
        switch (verdict) {
        case JOURNAL_VERDICT_COMPLETE:
                complete(r, found, item);
                break;
        case JOURNAL_VERDICT_SUPERSEDED: /* the edit was done: nobody misses it */
                supersede(r, found, item);
                break;
        case JOURNAL_VERDICT_UNDO:
                undo_if_unreferenced(r, found, item);
                break;
        case JOURNAL_VERDICT_SIZE:
                respect(r, found, item, "it has a size that the edit did not give it");
                break;
        case JOURNAL_VERDICT_CONTENT:
                respect(r, found, item, "it holds bytes that are not the edit's");
                break;
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
