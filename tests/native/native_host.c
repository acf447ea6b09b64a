/* SPDX-License-Identifier: MIT */
#include "tests/native/native_host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guest/rt/arena.h"
#include "guest/rt/platform.h"
#include "tests/native/native_host_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define DEFAULT_MEMORY (256ull << 20)
#define MAX_MEMORY     (4ull << 30)
#define MOST_BY_HAND   (512ull << 10)
#define PAGE           4096ull

static struct native_host *current; /* the host whose guest runs */

/* ---- guest/rt/platform.h ------------------------------------------------------- */

const struct abi_call *rt_call(void)
{
        return &current->call;
}

struct abi_doorbell *rt_doorbell(void)
{
        return current->doorbell;
}

uint8_t *rt_arena_base(void)
{
        return current->arena;
}

uint64_t rt_arena_size(void)
{
        return current->call.memory_size - ABI_ARENA_BASE;
}

/* ---- making a host --------------------------------------------------------------- */

static void *reserve(uint64_t length)
{
        void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return memory == MAP_FAILED ? NULL : memory;
}

struct native_host *native_host_create(const struct native_options *options)
{
        struct native_host *host = calloc(1, sizeof *host);
        if (!host)
                return NULL;
        host->block_device = options->block_device;
        host->keep_arena = options->keep_arena;
        host->bare_trace = options->bare_trace;
        host->memory_limit =
            options->memory_limit ? options->memory_limit : DEFAULT_MEMORY;
        host->arena_reserved = MAX_MEMORY;
        host->arena = reserve(host->arena_reserved);
        host->doorbell = calloc(1, sizeof *host->doorbell);
        host->transaction.pending =
            calloc(ABI_MAX_PENDING, sizeof *host->transaction.pending);
        uint32_t hole_size = options->hole_size ? options->hole_size : 512;
        if (native_image_create(&host->image, options->image_capacity, hole_size) &&
            host->arena && host->doorbell && host->transaction.pending)
                return host;
        native_host_destroy(host);
        return NULL;
}

void native_host_destroy(struct native_host *host)
{
        if (!host)
                return;
        native_image_destroy(&host->image);
        native_trace_free(&host->trace);
        if (host->transaction.pending)
                native_forget_pending(&host->transaction);
        free(host->transaction.pending);
        free(host->doorbell);
        if (host->arena)
                munmap(host->arena, host->arena_reserved);
        free(host);
}

struct native_image *native_host_image(struct native_host *host)
{
        return &host->image;
}

const struct native_trace *native_host_trace(const struct native_host *host)
{
        return &host->trace;
}

void native_host_set_memory_limit(struct native_host *host, uint64_t memory_limit)
{
        host->memory_limit = memory_limit;
}

void native_host_set_block_device(struct native_host *host, bool block_device)
{
        host->block_device = block_device;
}

void native_host_set_hook(struct native_host *host, native_hook *hook, void *context)
{
        host->hook = hook;
        host->hook_context = context;
}

void native_host_set_sink(struct native_host *host, native_sink *sink, void *context)
{
        host->sink = sink;
        host->sink_context = context;
        host->only_looks = sink;
}

void native_host_report_to(struct native_host *host, native_sink *sink, void *context)
{
        native_host_set_sink(host, sink, context);
        host->only_looks = false;
}

void native_host_fail_write(struct native_host *host, uint64_t nth)
{
        host->fail_write = nth;
}

void native_host_fail_read(struct native_host *host, uint64_t nth)
{
        host->fail_read = nth;
}

/* ---- requests ------------------------------------------------------------------- */

enum native_status native_broken(struct native_host *host, const char *rule)
{
        host->outcome.rule = rule;
        return NATIVE_PROTOCOL;
}

/* The arena's bounds are exact; what lies elsewhere (stack, data) is ASan's to judge. */
bool native_guest_range(const struct native_host *host, guest_addr_t addr,
                        uint64_t length)
{
        uint64_t base = (uintptr_t)host->arena;
        uint64_t end;
        if (!addr || __builtin_add_overflow(addr, length, &end))
                return false;
        if (end <= base || addr >= base + host->arena_reserved)
                return true;
        return addr >= base && end <= base + host->call.memory_size - ABI_ARENA_BASE;
}

enum native_status native_read(struct native_host *host, uint64_t offset, void *buffer,
                               uint64_t length)
{
        if (host->fail_read && !--host->fail_read)
                return NATIVE_READ_ERROR;
        native_image_read(&host->image, offset, buffer, length);
        return NATIVE_OK;
}

static bool range_ends(const struct abi_request *r)
{
        uint64_t end;
        return !__builtin_add_overflow(r->offset, r->length, &end) && end <= INT64_MAX;
}

static enum native_status answer_read(struct native_host *host,
                                      const struct abi_request *r)
{
        if (!r->length || !range_ends(r) || !native_guest_range(host, r->addr, r->length))
                return native_broken(host, "read: range");
        host->outcome.bytes_read += r->length;
        if (host->outcome.bytes_read > ABI_MAX_READ)
                return native_broken(host, "read: too much in one run");
        return native_read(host, r->offset, (void *)(uintptr_t)r->addr, r->length);
}

static enum native_status answer_hole(struct native_host *host,
                                      const struct abi_request *r, uint32_t index)
{
        if (!r->length || !range_ends(r))
                return native_broken(host, "hole: range");
        host->outcome.queries++;
        host->doorbell->requests[index].value =
            native_image_is_hole(&host->image, r->offset, r->length);
        return NATIVE_OK;
}

static enum native_status answer_populate(struct native_host *host,
                                          const struct abi_request *r)
{
        uint64_t size = host->call.memory_size - ABI_ARENA_BASE;
        if (!r->length || r->length > size)
                return native_broken(host, "populate: length");
        return NATIVE_OK;
}

static enum native_status answer_assert(struct native_host *host,
                                        const struct abi_request *r)
{
        if (!range_ends(r) || r->length > ABI_MAX_TRANSFER)
                return native_broken(host, "assertion: range");
        return native_assert(host, r);
}

static enum native_status answer_report(struct native_host *host,
                                        const struct abi_request *r)
{
        if (!host->sink)
                return native_broken(host, "report: nobody asked");
        if (!r->length || r->length > ABI_MAX_REPORT ||
            !native_guest_range(host, r->addr, r->length))
                return native_broken(host, "report: range");
        if (r->value != ABI_REPORT_EXTENTS)
                host->bytes_reported += r->length;
        if (host->bytes_reported > ABI_MAX_REPORTS)
                return native_broken(host, "report: too much in one run");
        host->sink(host->sink_context, r->value, (const void *)(uintptr_t)r->addr,
                   r->length);
        return NATIVE_OK;
}

static enum native_status answer_end(struct native_host *host, bool last)
{
        if (!last)
                return native_broken(host, "end: requests behind it");
        host->outcome.result = host->doorbell->result;
        if (host->outcome.result.code == ABI_OK && !native_is_complete(host))
                return native_broken(host, "end: success with an unfinished transaction");
        host->ended = true;
        return NATIVE_OK;
}

static enum native_status answer(struct native_host *host, uint32_t index, uint32_t count)
{
        const struct abi_request *r = &host->requests[index];
        if (r->reserved)
                return native_broken(host, "reserved field");
        if (host->only_looks && r->op != ABI_READ && r->op != ABI_QUERY_HOLE &&
            r->op != ABI_POPULATE && r->op != ABI_REPORT && r->op != ABI_END)
                return native_broken(host, "a request that writes");
        switch (r->op) {
        case ABI_READ:
                return answer_read(host, r);
        case ABI_QUERY_HOLE:
                return answer_hole(host, r, index);
        case ABI_POPULATE:
                return answer_populate(host, r);
        case ABI_BEGIN:
                return native_begin(host, r);
        case ABI_CLAIM:
                return native_claim(host, r);
        case ABI_ASSERT:
                return answer_assert(host, r);
        case ABI_JOURNAL:
                return native_declare(host, r);
        case ABI_APPLY:
                return native_apply(host, r);
        case ABI_REPORT:
                return answer_report(host, r);
        case ABI_END:
                return answer_end(host, index + 1 == count);
        default:
                return native_broken(host, "unknown request");
        }
}

static bool transfer_is_bounded(const struct native_host *host, uint32_t count)
{
        uint64_t total = 0;
        for (uint32_t i = 0; i < count; i++) {
                const struct abi_request *r = &host->requests[i];
                bool moves = r->op == ABI_READ || r->op == ABI_ASSERT ||
                             r->op == ABI_REPORT ||
                             (r->op == ABI_JOURNAL && !(r->flags & ABI_CHANGE_PUNCH));
                if (moves && (__builtin_add_overflow(total, r->length, &total) ||
                              total > ABI_MAX_TRANSFER))
                        return false;
        }
        return true;
}

static enum native_status answer_all(struct native_host *host)
{
        uint32_t count = host->doorbell->count;
        if (++host->outcome.doorbells > ABI_MAX_DOORBELLS)
                return native_broken(host, "too many doorbells");
        if (!count || count > ABI_MAX_REQUESTS)
                return native_broken(host, "number of requests");
        if (host->hook)
                host->hook(host->hook_context, &host->image, host->outcome.doorbells);
        host->outcome.requests += count;
        memcpy(host->requests, host->doorbell->requests, count * sizeof *host->requests);
        if (!transfer_is_bounded(host, count))
                return native_broken(host, "bytes of one doorbell");
        for (uint32_t i = 0; i < count && !host->ended; i++) {
                enum native_status status = answer(host, i, count);
                if (status)
                        return status;
        }
        return NATIVE_OK;
}

/* A request that fails ends the program, as does ABI_END: neither returns. */
void rt_ring(void)
{
        struct native_host *host = current;
        host->outcome.status = answer_all(host);
        if (host->outcome.status || host->ended)
                longjmp(host->escape, 1);
}

/* ---- a run --------------------------------------------------------------------------
 */

/* Fresh memory reads as zeros, whatever the run before has left.  A guest touches few of
 * the pages that it reserves. */
static void clear_arena(struct native_host *host)
{
        static const uint8_t zeros[PAGE];
        uint64_t written = host->arena_written;
        if (!host->keep_arena) {
                madvise(host->arena, host->arena_reserved, MADV_DONTNEED);
                return;
        }
        for (uint64_t at = 0; at < written && at < MOST_BY_HAND; at += PAGE)
                if (memcmp(host->arena + at, zeros, PAGE) != 0)
                        memset(host->arena + at, 0, PAGE);
        if (written > MOST_BY_HAND)
                madvise(host->arena + MOST_BY_HAND, written - MOST_BY_HAND,
                        MADV_DONTNEED);
}

static void start(struct native_host *host, const struct abi_call *call)
{
        uint8_t probe[ABI_PROBE_SIZE];
        uint64_t length =
            host->image.size < sizeof probe ? host->image.size : sizeof probe;
        clear_arena(host);
        memset(&host->outcome, 0, sizeof host->outcome);
        native_trace_cut(&host->trace, 0);
        native_forget_pending(&host->transaction);
        struct native_pending *pending = host->transaction.pending;
        memset(&host->transaction, 0, sizeof host->transaction);
        host->transaction.pending = pending;
        host->ended = false;
        host->bytes_reported = 0;
        host->doorbell->count = 0;
        host->call = *call;
        host->call.memory_size = host->memory_limit;
        if (!call->file_size)
                host->call.file_size = host->image.size;
        if (host->block_device)
                host->call.flags |= ABI_CALL_BLOCK_DEVICE;
        native_image_read(&host->image, 0, probe, length);
        if (!call->header_fingerprint)
                host->call.header_fingerprint = XXH3_64bits(probe, length);
}

uint64_t native_host_arena_used(const struct native_host *host)
{
        const uint64_t chunk = 4096;
        unsigned char resident[256];
        uint64_t size = host->call.memory_size - ABI_ARENA_BASE;
        uint64_t used = 0;
        for (uint64_t at = 0; at < size; at += chunk * sizeof resident) {
                uint64_t length = size - at;
                if (length > chunk * sizeof resident)
                        length = chunk * sizeof resident;
                if (mincore(host->arena + at, length, resident))
                        break;
                for (uint64_t i = 0; i < length / chunk; i++)
                        if (resident[i] & 1)
                                used = at + (i + 1) * chunk;
        }
        return used;
}

struct native_outcome native_run(struct native_host *host, void (*program)(void),
                                 const struct abi_call *call)
{
        struct native_host *volatile previous = current;
        start(host, call);
        current = host;
        if (!setjmp(host->escape)) {
                program();
                host->outcome.status =
                    native_broken(host, "the program returned without an end");
        }
        current = previous;
        host->arena_written = arena_high_water();
        native_transaction_end(host);
        return host->outcome;
}
