/* SPDX-License-Identifier: MIT */
#include "host/vmm/proof.h"

#include <errno.h>
#include <string.h>

#include "host/vmm/inspect_child.h"
#include "host/vmm/programs.h"

/* What a run has proved. */
struct verdict {
        enum recovery_proof proof;
        int error; /* negative errno */
};

static struct verdict verdict_of(uint32_t code)
{
        switch (code) {
        case ABI_OK:
                return (struct verdict){.proof = RECOVERY_PROVED};
        case ABI_REFERENCED:
                return (struct verdict){.proof = RECOVERY_REFERENCED};
        case ABI_TOO_LARGE:
                return (struct verdict){.error = -ENOMEM};
        default:
                return (struct verdict){.proof = RECOVERY_UNPROVABLE};
        }
}

/* A guest that dies or breaks the protocol has proved nothing. */
static struct verdict verdict_of_run(const struct inspect_report *report)
{
        switch (report->outcome) {
        case EDIT_GUEST_RESULT:
                return verdict_of(report->result.code);
        case EDIT_READ_ERROR:
        case EDIT_KVM_ERROR:
        case EDIT_SANDBOX_ERROR:
                return (struct verdict){.error = report->error};
        case EDIT_TIMEOUT:
                return (struct verdict){.error = -ETIMEDOUT};
        default:
                return (struct verdict){.proof = RECOVERY_UNPROVABLE};
        }
}

/* As many ranges as a call holds. */
static struct verdict prove(struct image *image, const struct abi_range *ranges,
                            size_t count)
{
        struct abi_call call = {.range_count = (uint32_t)count};
        struct inspect_report report;
        const struct child_request request = {
            .image = image, .program = &guest_unreferenced_program, .call = &call};
        memcpy(call.ranges, ranges, count * sizeof *ranges);
        int error = inspect_in_child(&request, &report);
        return error ? (struct verdict){.error = error} : verdict_of_run(&report);
}

int proof_run(struct image *image, const struct abi_range *ranges, size_t count,
              enum recovery_proof *proof)
{
        struct verdict verdict = {.proof = RECOVERY_PROVED};
        while (count && !verdict.error && verdict.proof == RECOVERY_PROVED) {
                size_t part = count < ABI_MAX_RANGES ? count : ABI_MAX_RANGES;
                verdict = prove(image, ranges, part);
                ranges += part;
                count -= part;
        }
        *proof = verdict.proof;
        return verdict.error;
}
