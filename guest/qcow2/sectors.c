/* SPDX-License-Identifier: MIT */
#include "guest/qcow2/sectors.h"

#include <string.h>

#include "guest/rt/arena.h"
#include "guest/rt/reader.h"
#include "guest/rt/transaction.h"

static uint64_t hash(uint64_t offset)
{
        return (offset / ABI_SECTOR) * 0x9e3779b97f4a7c15ull >> 20;
}

static struct sector **find_slot(const struct sectors *sectors, uint64_t offset)
{
        uint64_t mask = sectors->capacity - 1;
        uint64_t slot = hash(offset) & mask;
        while (sectors->slots[slot] && sectors->slots[slot]->offset != offset)
                slot = (slot + 1) & mask;
        return &sectors->slots[slot];
}

static enum abi_code grow(struct sectors *sectors)
{
        struct sectors larger = *sectors;
        larger.capacity = sectors->capacity ? sectors->capacity * 4 : 64;
        larger.slots = arena_alloc(larger.capacity * sizeof(struct sector *));
        if (!larger.slots)
                return ABI_TOO_LARGE;
        for (uint64_t i = 0; i < sectors->capacity; i++)
                if (sectors->slots[i])
                        *find_slot(&larger, sectors->slots[i]->offset) =
                            sectors->slots[i];
        *sectors = larger;
        return ABI_OK;
}

/* The sector at `offset`, made if it is not there: *made says which. */
static enum abi_code intern(struct sectors *sectors, uint64_t offset,
                            struct sector **sector, bool *made)
{
        *made = false;
        if (sectors->count * 2 >= sectors->capacity) {
                enum abi_code code = grow(sectors);
                if (code)
                        return code;
        }
        struct sector **slot = find_slot(sectors, offset);
        if (!*slot) {
                *slot = arena_alloc(sizeof **slot);
                if (!*slot)
                        return ABI_TOO_LARGE;
                (*slot)->offset = offset;
                sectors->count++;
                *made = true;
        }
        *sector = *slot;
        return ABI_OK;
}

enum abi_code sectors_want(struct sectors *sectors, uint64_t offset)
{
        struct sector *sector;
        bool made;
        enum abi_code code = intern(sectors, offset, &sector, &made);
        if (code || !made)
                return code;
        sector->loading = true;
        sectors->loading = true;
        read_queue(offset, sector->base, ABI_SECTOR);
        return ABI_OK;
}

void sectors_load(struct sectors *sectors)
{
        if (!sectors->loading)
                return;
        read_flush();
        for (uint64_t i = 0; i < sectors->capacity; i++) {
                struct sector *sector = sectors->slots[i];
                if (!sector || !sector->loading)
                        continue;
                memcpy(sector->now, sector->base, ABI_SECTOR);
                sector->loading = false;
        }
        sectors->loading = false;
}

enum abi_code sectors_get(struct sectors *sectors, uint64_t offset,
                          struct sector **sector)
{
        enum abi_code code = sectors_want(sectors, offset);
        if (code)
                return code;
        sectors_load(sectors);
        *sector = *find_slot(sectors, offset);
        return ABI_OK;
}

enum abi_code sectors_get_fresh(struct sectors *sectors, uint64_t offset,
                                struct sector **sector)
{
        bool made;
        enum abi_code code = intern(sectors, offset, sector, &made);
        if (!code && made)
                (*sector)->fresh = true;
        return code;
}

uint64_t sectors_emit_cost(const struct sectors *sectors)
{
        return sectors->count * (ABI_SECTOR + 16);
}

static bool is_changed(const struct sector *sector)
{
        return !sector->loading && memcmp(sector->now, sector->base, ABI_SECTOR) != 0;
}

static enum abi_code emit(struct sector *sector, uint32_t step)
{
        uint32_t first = 0;
        uint32_t end = ABI_SECTOR;
        while (first < end && sector->now[first] == sector->base[first])
                first++;
        while (end > first && sector->now[end - 1] == sector->base[end - 1])
                end--;
        if (sector->fresh) { /* fresh writes are whole sectors */
                first = 0;
                end = ABI_SECTOR;
        }
        uint8_t *bytes = arena_alloc(end - first);
        if (!bytes)
                return ABI_TOO_LARGE;
        memcpy(bytes, sector->now + first, end - first);
        if (sector->fresh)
                transaction_fresh(step, sector->offset, bytes, ABI_SECTOR);
        else
                transaction_write(step, 0, sector->offset + first, sector->base + first,
                                  bytes, end - first);
        memcpy(sector->base, sector->now, ABI_SECTOR);
        sector->fresh = false;
        return ABI_OK;
}

/* `part`: as many changes make one; the last is left to whoever applies the step. */
static enum abi_code emit_all(struct sectors *sectors, uint32_t step, uint64_t part)
{
        uint64_t declared = 0;
        for (uint64_t i = 0; i < sectors->capacity; i++) {
                struct sector *sector = sectors->slots[i];
                if (!sector || !is_changed(sector))
                        continue;
                if (declared++ == part) {
                        transaction_apply(step, ABI_APPLY_PART);
                        declared = 1;
                }
                enum abi_code code = emit(sector, step);
                if (code)
                        return code;
        }
        return ABI_OK;
}

enum abi_code sectors_emit(struct sectors *sectors, uint32_t step)
{
        return emit_all(sectors, step, UINT64_MAX);
}

enum abi_code sectors_emit_parts(struct sectors *sectors, uint32_t step)
{
        return emit_all(sectors, step, TRANSACTION_PART);
}
