/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/doorbell_judge.h"

/* A release that failed is never undone: some first changes of it are there. */
static bool is_new(struct model *truth, const struct abi_request *failed)
{
        bool releases = failed && failed->op == ABI_APPLY;

        while (!world_image_is(&truth->image))
                if (!releases || !model_apply_next(truth, failed->step))
                        return false;
        return true;
}

/* Of what is open, nothing is left (invariant 2). */
static bool is_old(const struct model *truth)
{
        return world_image_is(truth->open ? &truth->old : &truth->image);
}

void judge_end(struct model *truth, const struct abi_request *failed)
{
        if (truth->committed)
                MUST(is_new(truth, failed));
        else
                MUST(is_old(truth));
}

/* The switch's write, or the sync behind it, has failed, but the switch is there. */
static void judge_completed(struct model *truth, const struct abi_request *failed)
{
        MUST(truth->open && failed && failed->op == ABI_APPLY &&
             failed->step == truth->switch_step);
        model_accept(truth, failed, NULL);
        MUST(world_image_is(&truth->image));
}

void judge_recovery(struct model *truth, const struct abi_request *failed,
                    enum world_recovery recovery)
{
        if (truth->open && truth->ambiguous && recovery >= WORLD_COMPLETED)
                return;
        switch (recovery) {
        case WORLD_NOTHING:
        case WORLD_UNDONE:
                MUST(!truth->committed && is_old(truth));
                break;
        case WORLD_ENDED:
                MUST(truth->committed && is_new(truth, failed));
                break;
        case WORLD_COMPLETED:
                judge_completed(truth, failed);
                break;
        case WORLD_SUPERSEDED: /* nobody else has written */
                MUST(recovery != WORLD_SUPERSEDED);
        }
}
