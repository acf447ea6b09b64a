/* SPDX-License-Identifier: MIT */
/*
 * The host's side of the doorbell, with whatever a guest may ring it for.
 *
 * Requests are sent as an edit's would come, several to a doorbell.  A model is told what
 * the host has accepted, and disagrees where that should not have been; at the end,
 * however it came, the image is what the model says: the old one unless the switch was
 * applied, else the new one.
 */
#include <string.h>

#include "fuzz/counts.h"
#include "fuzz/harness/doorbell_judge.h"
#include "fuzz/harness/doorbell_world.h"
#include "fuzz/harness/harness.h"

const char *const fuzz_count_words[FUZZ_COUNTS] = {
    [FUZZ_RUNS] = "runs",
    [FUZZ_PAST_HEADER] = "transactions begun",
    [FUZZ_SUCCEEDED] = "successful",
    [FUZZ_CHANGED] = "committed",
    [FUZZ_JUDGED] = "recoveries judged",
};

#define TRIES 3 /* as edit.c has it */

static struct model ahead;
static struct model truth;

/* The requests for the next doorbell. */
static struct abi_request requests[ABI_MAX_REQUESTS];
static struct abi_result result;
static uint32_t count;

/* ---- requests
 * -------------------------------------------------------------------------- */

static bool has_fingerprint(const struct abi_request *r)
{
        return r->op == ABI_ASSERT || (r->op == ABI_JOURNAL &&
                                       !(r->flags & (ABI_CHANGE_FRESH | ABI_CHANGE_PUNCH |
                                                     ABI_CHANGE_TRUNCATE)));
}

static struct abi_request request_of(const struct doorbell_piece *piece)
{
        uint64_t size = ahead.image.size;
        struct abi_request r = {
            .op = doorbell_piece_operation(piece) % DOORBELL_UNKNOWN,
            .step = doorbell_piece_step(piece),
            .flags = doorbell_piece_flags(piece),
            .reserved = doorbell_piece_is(piece, DOORBELL_EDGES) ? piece->value : 0,
            .offset = doorbell_piece_offset(piece, size),
            .length = doorbell_piece_length(piece, size),
            .addr = doorbell_piece_address(piece),
            .value = piece->value,
        };
        if (doorbell_piece_is(piece, DOORBELL_WRONG))
                return r;
        if (r.op == ABI_BEGIN) {
                r.offset = size;
                r.length += size;
        }
        if (has_fingerprint(&r))
                r.value =
                    model_fingerprint(&ahead, r.offset, r.length, r.op == ABI_ASSERT);
        return r;
}

/* ---- the doorbell
 * ---------------------------------------------------------------------- */

/* What the host has accepted, and now the model has to. */
static void tell_truth(uint32_t accepted)
{
        volatile struct abi_doorbell *shared = vm_doorbell(world.doorbell.vm);

        for (uint32_t i = 0; i < accepted; i++) {
                if (requests[i].op == ABI_QUERY_HOLE)
                        requests[i].value = shared->requests[i].value;
                if (requests[i].op == ABI_BEGIN)
                        fuzz_count(FUZZ_PAST_HEADER);
                model_accept(&truth, &requests[i], &result);
        }
}

/* Of a doorbell that did not end well: the request that failed; NULL: none was. */
static const struct abi_request *failed_request(enum run_status status)
{
        if (!world.looks || status == RUN_INTERRUPTED)
                return NULL;
        return &requests[world.looks - 1];
}

static void judge_state(enum run_status status)
{
        const struct transaction *t = &world.transaction;

        MUST(world.doorbell.rings <= ABI_MAX_DOORBELLS || status == RUN_PROTOCOL);
        MUST(t->count <= ABI_MAX_TRANSACTIONS || status == RUN_PROTOCOL);
        MUST(t->pending.count <= ABI_MAX_PENDING);
        if (status)
                return;
        MUST((t->state == TRANSACTION_OPEN) == truth.open);
        MUST((t->state == TRANSACTION_COMMITTED) == truth.committed);
        MUST(t->pending.count == truth.change_count);
        MUST(doorbell_guest_is(truth.memory));
}

static enum run_status ring(uint32_t said, const struct abi_request **failed)
{
        struct abi_doorbell *shared = (void *)(uintptr_t)vm_doorbell(world.doorbell.vm);
        enum run_status status;

        shared->count = said;
        shared->result = result;
        memcpy(shared->requests, requests, count * sizeof requests[0]);
        world.looks = 0;
        status = doorbell_answer(&world.doorbell);
        MUST(status || world.looks == count);
        tell_truth(status ? (world.looks ? world.looks - 1 : 0) : count);
        *failed = status ? failed_request(status) : NULL;
        judge_state(status);
        count = 0;
        return status;
}

/* ---- the run
 * --------------------------------------------------------------------------- */

static void poke(const struct doorbell_piece *piece)
{
        uint64_t address = doorbell_piece_address(piece);
        uint64_t length = piece->length;

        if (!doorbell_guest_range(address, length))
                return;
        doorbell_guest_fill(doorbell_guest_memory() + address, length, piece->value);
        model_poke(&ahead, address, length, piece->value);
        model_poke(&truth, address, length, piece->value);
}

static void add(const struct doorbell_piece *piece)
{
        struct abi_request *r = &requests[count++];

        *r = request_of(piece);
        if (r->op == ABI_END)
                result.code = piece->value;
        model_accept(&ahead, r, &result);
}

/* Of a doorbell that is empty, or too full. */
static enum run_status ring_wrongly(uint16_t said, const struct abi_request **failed)
{
        return said && said <= ABI_MAX_REQUESTS ? RUN_OK : ring(said, failed);
}

static enum run_status step(const struct doorbell_piece *piece,
                            const struct abi_request **failed)
{
        switch (doorbell_piece_operation(piece)) {
        case DOORBELL_POKE:
                if (!count)
                        poke(piece);
                return RUN_OK;
        case DOORBELL_COUNT:
                return count ? RUN_OK : ring_wrongly(piece->length, failed);
        default:
                add(piece);
                return piece->how & DOORBELL_RING || count == ABI_MAX_REQUESTS
                           ? ring(count, failed)
                           : RUN_OK;
        }
}

/* The guest runs until it ends or is ended; what is left of the input. */
static enum run_status run_guest(const uint8_t **data, size_t *size,
                                 const struct abi_request **failed)
{
        enum run_status status = RUN_OK;

        count = 0;
        *failed = NULL;
        while (!status && !world.doorbell.ended && !ahead.full &&
               *size >= DOORBELL_PIECE) {
                struct doorbell_piece piece = doorbell_piece_decode(*data);

                *data += DOORBELL_PIECE;
                *size -= DOORBELL_PIECE;
                status = step(&piece, failed);
        }
        return status;
}

/* ---- its end
 * ---------------------------------------------------------------------------- */

static void note_success(void)
{
        if (world.doorbell.ended && result.code == ABI_OK)
                fuzz_count(FUZZ_SUCCEEDED);
        if (truth.committed)
                fuzz_count(FUZZ_CHANGED);
}

/* True if the journal is left behind. */
static bool end(void)
{
        bool half_done = false;
        int error = 0;

        world.ending = true;
        if (world.head.ending == DOORBELL_ENDS) {
                error = transaction_end(&world.transaction, &half_done);
                MUST(!error || world.failed);
                MUST(!half_done || error);
                MUST(error || !world_has_journal());
        }
        return world_has_journal();
}

/* False: what the user is told is that it failed. */
static bool settle(const struct abi_request *failed)
{
        bool left = end();

        world_heal();
        if (!left) {
                judge_end(&truth, failed);
                return true;
        }
        fuzz_count(FUZZ_JUDGED);
        judge_recovery(&truth, failed, world_recover());
        return false;
}

/* As after a try that met another writer: from the beginning, on the same machine. */
static void start_again(void)
{
        model_end(&truth);
        model_follow(&ahead, &truth);
        doorbell_restart(&world.doorbell);
        world.ending = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct abi_request *failed;
        struct doorbell_head head;

        if (size < DOORBELL_HEAD ||
            size > DOORBELL_HEAD + DOORBELL_PIECES_MAX * DOORBELL_PIECE)
                return -1;
        truth.judges = true;
        fuzz_count(FUZZ_RUNS);
        head = doorbell_head_decode(data);
        data += DOORBELL_HEAD;
        size -= DOORBELL_HEAD;
        model_start(&ahead, head.size, head.seed, head.flags & DOORBELL_DEVICE);
        model_start(&truth, head.size, head.seed, head.flags & DOORBELL_DEVICE);
        world_start(&head, &truth);
        for (int try = 0; try < TRIES; try++) {
                bool again = run_guest(&data, &size, &failed) == RUN_CHANGED &&
                             !transaction_is_committed(&world.transaction);

                note_success();
                if (!settle(failed) || !again)
                        break;
                start_again();
        }
        return 0;
}
