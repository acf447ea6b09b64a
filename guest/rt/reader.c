/* SPDX-License-Identifier: MIT */
#include "guest/rt/reader.h"

#include <stddef.h>

#include "guest/rt/doorbell.h"

static const struct read_overlay *through;

void read_through(const struct read_overlay *overlay)
{
        through = overlay;
}

void read_queue(uint64_t offset, void *destination, uint64_t length)
{
        uint8_t *to = destination;

        if (through && length)
                through->queued(offset, destination, length);
        while (length) {
                uint64_t piece = length < ABI_MAX_TRANSFER ? length : ABI_MAX_TRANSFER;
                struct abi_request *request = doorbell_add(ABI_READ, piece);
                request->offset = offset;
                request->length = piece;
                request->addr = (guest_addr_t)(uintptr_t)to;
                offset += piece;
                to += piece;
                length -= piece;
        }
}

void read_flush(void)
{
        doorbell_ring();
        if (through)
                through->arrived();
}
