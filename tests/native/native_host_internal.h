/* SPDX-License-Identifier: MIT */
/* What the files of the native host share. */
#ifndef INSTAR_TESTS_NATIVE_NATIVE_HOST_INTERNAL_H
#define INSTAR_TESTS_NATIVE_NATIVE_HOST_INTERNAL_H

#include <setjmp.h>

#include "tests/native/native_host.h"

/* As in host/vmm/pending.h. */
#define NATIVE_PENDING_BYTES  ((uint64_t)16 << 20)
#define NATIVE_PENDING_HASHES ((uint64_t)1 << 20)

/* A declared change that has not been applied. */
struct native_pending {
        struct abi_request request;
        uint8_t *bytes;   /* of an overwrite */
        uint64_t *hashes; /* of a fresh change, one a sector */
};

enum native_state { NATIVE_IDLE, NATIVE_OPEN, NATIVE_COMMITTED };

/* [low, high): all of some ranges lie in it; empty: both 0. */
struct native_span {
        uint64_t low;
        uint64_t high;
};

struct native_transaction {
        enum native_state state;
        uint32_t number;
        uint64_t old_size;
        uint64_t final_size;
        bool resized;
        bool prepares; /* ABI_BEGIN_PREPARES */
        uint32_t switch_step;
        uint32_t declared_step;
        uint32_t applied_step;
        size_t first_event; /* in the trace: of this transaction */
        struct native_pending *pending;
        uint32_t pending_count;
        uint64_t pending_bytes;
        uint64_t pending_hashes;
        struct native_span overwritten; /* by what is pending: most is elsewhere */
        struct native_span fresh;
};

struct native_host {
        struct native_image image;
        bool block_device;
        uint64_t memory_limit;
        uint8_t *arena;
        uint64_t arena_reserved;
        bool keep_arena;
        bool bare_trace;
        uint64_t arena_written; /* by the last run, at most; where it is kept */
        struct abi_call call;
        struct abi_doorbell *doorbell;
        struct abi_request requests[ABI_MAX_REQUESTS];
        struct native_transaction transaction;
        struct native_trace trace;
        struct native_outcome outcome;
        bool ended;
        jmp_buf escape;
        native_hook *hook;
        void *hook_context;
        native_sink *sink;
        void *sink_context;
        bool only_looks; /* with a sink: requests that write break a rule */
        uint64_t bytes_reported;
        uint64_t fail_write;
        uint64_t fail_read;
};

/* Note a broken rule. */
enum native_status native_broken(struct native_host *host, const char *rule);

/* One operation on the image, with the failures a test has ordered. */
enum native_status native_read(struct native_host *host, uint64_t offset, void *buffer,
                               uint64_t length);

/* True if the guest may hand over [addr, +length). */
bool native_guest_range(const struct native_host *host, guest_addr_t addr,
                        uint64_t length);

/* native_transaction.c */
enum native_status native_begin(struct native_host *host, const struct abi_request *r);
enum native_status native_assert(struct native_host *host, const struct abi_request *r);
enum native_status native_claim(struct native_host *host, const struct abi_request *r);
enum native_status native_apply(struct native_host *host, const struct abi_request *r);
bool native_is_complete(const struct native_host *host);
void native_transaction_end(struct native_host *host);
void native_forget_pending(struct native_transaction *transaction);

/* native_declare.c */
enum native_status native_declare(struct native_host *host, const struct abi_request *r);

#endif
