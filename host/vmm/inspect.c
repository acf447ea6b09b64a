/* SPDX-License-Identifier: MIT */
#include "host/vmm/inspect.h"

#include <stdio.h>
#include <string.h>

#include "host/sandbox/sandbox.h"

#define DOORBELL_LIMIT_MS 60000u

int inspection_prepare(struct inspection *i, struct image *image, uint64_t memory,
                       const struct report_sink *sink)
{
        int error;

        memset(i, 0, sizeof *i);
        i->image = image;
        i->memory = memory;
        error = vm_create(memory, &i->vm);
        if (!error)
                error = doorbell_create(&i->doorbell, i->vm, image, &i->transaction);
        return error ? error : doorbell_only_look(&i->doorbell, sink);
}

int inspection_arm(const struct inspection *i, int report_fd)
{
        struct sandbox_config config = {.journal_directory_fd = -1,
                                        .silent = report_fd >= 0};

        vm_allow(i->vm, &config);
        sandbox_keep(&config, i->image->fd);
        sandbox_keep(&config, report_fd);
        return sandbox_arm(&config);
}

/* Load the program and tell it what the image looks like now. */
static enum run_status start(struct inspection *i, const struct vm_program *program,
                             struct abi_call *call)
{
        i->transaction.fault.error = -image_refresh_size(i->image);
        if (i->transaction.fault.error)
                return RUN_READ_ERROR;
        i->transaction.fault.error = vm_load(i->vm, program);
        if (i->transaction.fault.error)
                return transaction_broken(&i->transaction, "guest program");
        call->memory_size = i->memory;
        call->file_size = i->image->size;
        if (i->image->block_device)
                call->flags |= ABI_CALL_BLOCK_DEVICE;
        *vm_call(i->vm) = *call;
        doorbell_restart(&i->doorbell);
        return RUN_OK;
}

/* The guest ended otherwise than by a doorbell. */
static void note_exit(struct inspection *i, enum vm_exit exit,
                      struct inspect_report *report)
{
        report->outcome = outcome_of_exit(exit);
        report->trace.diagnosis = *vm_diagnose(i->vm);
        if (exit == VM_EXIT_FAILED)
                report->error = report->trace.diagnosis.error;
        if (report->outcome == EDIT_PROTOCOL)
                snprintf(report->trace.fault, sizeof report->trace.fault, "exit %u",
                         report->trace.diagnosis.exit_reason);
}

static void note_status(struct inspection *i, enum run_status status,
                        struct inspect_report *report)
{
        const struct run_fault *fault = &i->transaction.fault;

        report->outcome = outcome_of_status(status);
        report->error = fault->error;
        if (status == RUN_PROTOCOL && fault->rule)
                snprintf(report->trace.fault, sizeof report->trace.fault, "%s",
                         fault->rule);
}

static void run_guest(struct inspection *i, enum run_status status,
                      struct inspect_report *report)
{
        while (!status && !i->doorbell.ended) {
                enum vm_exit exit = vm_run(i->vm, DOORBELL_LIMIT_MS);

                if (exit != VM_EXIT_DOORBELL) {
                        note_exit(i, exit, report);
                        return;
                }
                status = doorbell_answer(&i->doorbell);
        }
        note_status(i, status, report);
}

void inspection_run(struct inspection *i, const struct vm_program *program,
                    struct abi_call *call, struct inspect_report *report)
{
        memset(report, 0, sizeof *report);
        run_guest(i, start(i, program, call), report);
        report->result = i->doorbell.result;
        report->trace.last_request = i->doorbell.last;
        report->trace.doorbells = i->doorbell.rings;
        vm_end(i->vm);
}

void inspect(struct image *image, const struct vm_program *program, struct abi_call *call,
             const struct report_sink *sink, struct inspect_report *report)
{
        static struct inspection inspection;

        memset(report, 0, sizeof *report);
        report->outcome = EDIT_KVM_ERROR;
        report->error = inspection_prepare(&inspection, image, INSPECT_MEMORY, sink);
        if (report->error)
                return;
        report->outcome = EDIT_SANDBOX_ERROR;
        report->error = inspection_arm(&inspection, -1);
        if (!report->error)
                inspection_run(&inspection, program, call, report);
}
