/* SPDX-License-Identifier: MIT */
#include "guest/rt/reader.h"

#include "guest/rt/doorbell.h"

void read_queue(uint64_t offset, void *destination, uint64_t length)
{
        uint8_t *to = destination;

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
}
