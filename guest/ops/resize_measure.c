/* SPDX-License-Identifier: MIT */
/* Old and new size, and what is refused for them: in the order in which qemu-img does. */
#include "guest/ops/resize_state.h"
#include "guest/rt/checked.h"
#include "guest/rt/failure.h"

enum abi_code resize_refuse(enum abi_resize_fault fault, uint64_t value)
{
        return fail(ABI_BAD_RESIZE, fault, value, 0, 0);
}

static enum abi_code find_sizes(struct resize *r)
{
        const struct abi_call *call = r->call;
        bool fits = true;
        r->old_size = header_disk_size(&r->image->header);
        r->new_size = call->size;
        if (call->size_mode == ABI_SIZE_MORE)
                fits = checked_add(r->old_size, call->size, &r->new_size);
        if (call->size_mode == ABI_SIZE_LESS) {
                fits = call->size <= r->old_size;
                r->new_size = r->old_size - call->size;
        }
        if (call->size_mode > ABI_SIZE_LESS)
                return ABI_BAD_ACTION;
        if (!fits || !r->new_size || r->new_size > INT64_MAX)
                return resize_refuse(ABI_RESIZE_NOT_POSITIVE, 0);
        return ABI_OK;
}

static enum abi_code check_backing(const struct resize *r)
{
        const struct header *h = &r->image->header;
        if (r->new_size < r->old_size || !h->backing_offset)
                return ABI_OK;
        /* Zeros cannot be told from what the backing file has: only version 3 has the
         * flag for it. */
        return h->version == 2 ? resize_refuse(ABI_RESIZE_BACKING_V2, 0) : ABI_OK;
}

enum abi_code resize_measure(struct resize *r)
{
        struct header *h = &r->image->header;
        enum abi_code code = find_sizes(r);
        if (code || r->new_size == r->old_size)
                return code;
        if (r->new_size < r->old_size && !(r->call->flags & ABI_CALL_SHRINK))
                return ABI_SHRINKS;
        if (r->new_size % ABI_SECTOR)
                return resize_refuse(ABI_RESIZE_UNALIGNED, r->new_size);
        if (h->snapshot_count && h->version == 2)
                return resize_refuse(ABI_RESIZE_V2_SNAPSHOTS, 0);
        if (h->incompatible & QCOW2_INCOMPATIBLE_DATA_FILE)
                return resize_refuse(ABI_RESIZE_DATA_FILE, 0);
        struct header larger = *h;
        larger.size = r->new_size;
        if (header_l1_entries(&larger) > QCOW2_MAX_L1_BYTES / 8)
                return resize_refuse(ABI_RESIZE_L1_TOO_LARGE, 0);
        return check_backing(r);
}
