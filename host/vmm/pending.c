/* SPDX-License-Identifier: MIT */
#include "host/vmm/pending.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static void *reserve(size_t length)
{
        void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return memory == MAP_FAILED ? NULL : memory;
}

static void give_back(void *memory, size_t length)
{
        if (memory)
                munmap(memory, length);
}

int pending_create(struct pending *pending)
{
        memset(pending, 0, sizeof *pending);
        pending->changes = reserve(ABI_MAX_PENDING * sizeof *pending->changes);
        pending->bytes = reserve(PENDING_BYTES);
        pending->hashes = reserve(PENDING_HASHES * sizeof *pending->hashes);
        if (pending->changes && pending->bytes && pending->hashes)
                return 0;
        pending_destroy(pending);
        return -ENOMEM;
}

void pending_destroy(struct pending *pending)
{
        give_back(pending->changes, ABI_MAX_PENDING * sizeof *pending->changes);
        give_back(pending->bytes, PENDING_BYTES);
        give_back(pending->hashes, PENDING_HASHES * sizeof *pending->hashes);
        memset(pending, 0, sizeof *pending);
}

void pending_clear(struct pending *pending)
{
        pending->count = 0;
        pending->bytes_used = 0;
        pending->hashes_used = 0;
}

struct pending_change *pending_add(struct pending *pending, size_t bytes, size_t hashes)
{
        if (pending->count == ABI_MAX_PENDING ||
            bytes > PENDING_BYTES - pending->bytes_used ||
            hashes > PENDING_HASHES - pending->hashes_used)
                return NULL;
        struct pending_change *change = &pending->changes[pending->count++];
        memset(change, 0, sizeof *change);
        change->store = hashes ? pending->hashes_used : pending->bytes_used;
        pending->bytes_used += bytes;
        pending->hashes_used += hashes;
        return change;
}

void pending_overlay(const struct pending *pending, uint64_t offset, uint8_t *buffer,
                     size_t length)
{
        for (uint32_t i = 0; i < pending->count; i++) {
                const struct pending_change *change = &pending->changes[i];
                const uint64_t other =
                    ABI_CHANGE_FRESH | ABI_CHANGE_PUNCH | ABI_CHANGE_TRUNCATE;
                uint64_t end = change->offset + change->length;
                uint64_t from = change->offset > offset ? change->offset : offset;
                uint64_t to = end < offset + length ? end : offset + length;
                if (change->flags & other || from >= to)
                        continue;
                memcpy(buffer + (from - offset),
                       pending->bytes + change->store + (from - change->offset),
                       to - from);
        }
}

bool pending_fresh_overlaps(const struct pending *pending, uint64_t offset,
                            uint64_t length)
{
        for (uint32_t i = 0; i < pending->count; i++) {
                const struct pending_change *change = &pending->changes[i];
                if (change->flags & ABI_CHANGE_FRESH &&
                    change->offset < offset + length &&
                    offset < change->offset + change->length)
                        return true;
        }
        return false;
}
