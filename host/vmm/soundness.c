/* SPDX-License-Identifier: MIT */
#include "host/vmm/soundness.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "guest/abi_check.h"
#include "guest/abi_report.h"
#include "host/vmm/inspect_child.h"
#include "host/vmm/programs.h"

struct sums {
        bool known;
        struct abi_report_check check;
};

/* A report_sink: all but the sums is for people, and nobody reads it here. */
static int take(void *context, uint64_t kind, const uint8_t *bytes, size_t length)
{
        struct sums *sums = context;

        if (sums->known)
                return -EBADMSG; /* they are the last */
        if (kind != ABI_REPORT_CHECK)
                return 0;
        if (length != sizeof sums->check)
                return -EBADMSG;
        memcpy(&sums->check, bytes, length);
        sums->known = true;
        return 0;
}

static enum recovery_soundness by_sums(const struct sums *sums)
{
        if (!sums->known || sums->check.incomplete || sums->check.check_errors)
                return RECOVERY_UNCHECKABLE;
        return sums->check.corruptions ? RECOVERY_CORRUPT : RECOVERY_SOUND;
}

/* Every other code says what keeps the image from being opened at all. */
static enum recovery_soundness by_result(uint32_t code, const struct sums *sums)
{
        switch (code) {
        case ABI_OK:
                return by_sums(sums);
        case ABI_TOO_LARGE:
                return RECOVERY_TOO_LARGE;
        default:
                return RECOVERY_UNCHECKABLE;
        }
}

/* A guest that dies or breaks the protocol has vouched for nothing. */
static int by_outcome(const struct inspect_report *report, const struct sums *sums,
                      enum recovery_soundness *soundness)
{
        *soundness = RECOVERY_UNCHECKABLE;
        switch (report->outcome) {
        case EDIT_GUEST_RESULT:
                *soundness = by_result(report->result.code, sums);
                return 0;
        case EDIT_READ_ERROR:
        case EDIT_KVM_ERROR:
        case EDIT_SANDBOX_ERROR:
                return report->error;
        case EDIT_TIMEOUT:
                return -ETIMEDOUT;
        default:
                return 0;
        }
}

int soundness_run(struct image *image, enum recovery_soundness *soundness)
{
        struct sums sums = {.known = false};
        const struct report_sink sink = {take, &sums};
        struct abi_call call = {0};
        struct inspect_report report;
        const struct child_request request = {.image = image,
                                              .program = &guest_check_program,
                                              .call = &call,
                                              .sink = &sink};
        int error = inspect_in_child(&request, &report);

        if (error && error != -EBADMSG)
                return error;
        if (error)
                report.outcome = EDIT_PROTOCOL;
        return by_outcome(&report, &sums, soundness);
}
