/* SPDX-License-Identifier: MIT */
/*
 * `instar bitmap` inside the guest: from the call to the result.
 */
#include "guest/ops/bitmap.h"

#include <string.h>

#include "guest/ops/bitmap_edit.h"
#include "guest/rt/arena.h"
#include "guest/rt/doorbell.h"
#include "guest/rt/failure.h"
#include "guest/rt/fingerprint.h"
#include "guest/rt/platform.h"
#include "guest/rt/transaction.h"

/* Another writer between the host's look and ours: the host tries again. */
static bool header_is_what_the_host_saw(const struct image *image,
                                        const struct abi_call *call)
{
        uint64_t length =
            image->file_size < ABI_PROBE_SIZE ? image->file_size : ABI_PROBE_SIZE;
        return fingerprint(image->header_bytes.bytes, length) == call->header_fingerprint;
}

/* Queue the refcounts that nearly every edit needs, so that they come in one read. */
static enum abi_code prefetch(struct image *image)
{
        const struct directory *d = &image->directory;
        enum abi_code code = allocator_prefetch(image);
        if (!code && d->bytes)
                code = refcounts_want(&image->refcounts,
                                      d->offset >> image->header.cluster_bits,
                                      d->capacity >> image->header.cluster_bits);
        return code;
}

static enum abi_code run(const struct abi_call *call, struct edit *edit)
{
        struct image *image = edit->image;
        enum abi_code code =
            image_open(image, call->file_size, call->flags & ABI_CALL_BLOCK_DEVICE);
        bool dry_run = call->flags & ABI_CALL_DRY_RUN;
        if (image->header_bytes.bytes && !dry_run &&
            !header_is_what_the_host_saw(image, call))
                return ABI_HEADER_CHANGED;
        if (code || (code = target_apply_actions(image, call, &edit->target)) ||
            (code = prefetch(image)) || (code = edit_read_content(edit)))
                return code;
        if ((code = edit_choose(edit)) || edit->how == EDIT_NOTHING)
                return code;
        if ((code = edit_prove(edit)) || (code = edit_allocate(edit)) || dry_run)
                return code;
        return edit_emit(edit);
}

void guest_main(void)
{
        struct abi_result result;
        memset(&result, 0, sizeof result);
        arena_reset();
        doorbell_reset();
        struct edit *edit = arena_alloc(sizeof *edit);
        struct image *image = arena_alloc(sizeof *image);
        if (!edit || !image) {
                result.code = ABI_TOO_LARGE;
                program_end(&result);
                return;
        }
        edit->image = image;
        edit->call = rt_call();
        result.code = run(rt_call(), edit);
        if (result.code)
                failure_details(result.detail);
        result.actions_applied = edit->target.actions_applied;
        result.bitmaps = edit->target.bitmaps;
        result.affected = edit->target.affected;
        result.leaked_clusters = edit->release.leaked + edit->growth.leaked;
        program_end(&result);
}
