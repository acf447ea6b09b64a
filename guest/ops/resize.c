/* SPDX-License-Identifier: MIT */
/*
 * `instar resize` inside the guest: from the call to the result.
 */
#include "guest/ops/resize.h"

#include <string.h>

#include "guest/ops/resize_state.h"
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

static enum abi_code run(const struct abi_call *call, struct resize *resize)
{
        struct image *image = resize->image;
        enum abi_code code =
            image_open_any(image, call->file_size, call->flags & ABI_CALL_BLOCK_DEVICE);
        if (image->header_bytes.bytes && !header_is_what_the_host_saw(image, call))
                return ABI_HEADER_CHANGED;
        /* Whatever the list is worth: a bitmap must have the size of its disk. */
        if (image->header.has_bitmaps)
                return ABI_HAS_BITMAPS;
        if (code || (code = resize_measure(resize)) ||
            resize->new_size == resize->old_size)
                return code;
        if ((code = resize_map(resize)) || (code = resize_prove(resize)) ||
            (code = resize_allocate(resize)))
                return code;
        return resize_emit(resize);
}

void resize_main(void)
{
        struct abi_result result;
        memset(&result, 0, sizeof result);
        arena_reset();
        doorbell_reset();
        struct resize *resize = arena_alloc(sizeof *resize);
        struct image *image = arena_alloc(sizeof *image);
        if (!resize || !image) {
                result.code = ABI_TOO_LARGE;
                program_end(&result);
                return;
        }
        resize->image = image;
        resize->call = rt_call();
        result.code = run(rt_call(), resize);
        if (result.code) {
                failure_details(result.detail);
        } else {
                result.actions_applied = 1;
                result.detail[0] = resize->old_size;
                result.detail[1] = resize->new_size;
        }
        result.leaked_clusters = resize->release.leaked + resize->growth.leaked;
        program_end(&result);
}
