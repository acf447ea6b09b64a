/* SPDX-License-Identifier: MIT */
/*
 * One edit: everything that allocates, opens or forks first; then the guest, try by
 * try, until it ends or is ended; then commit or rollback, and the report.
 */
#include "host/vmm/edit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/sandbox/sandbox.h"
#include "host/vmm/doorbell.h"
#include "host/vmm/examiner.h"
#include "host/vmm/signals.h"
#include "host/vmm/transaction.h"
#include "journal/journal.h"

#define TRIES             3
#define DOORBELL_LIMIT_MS 60000u

struct run {
        const struct edit_request *request;
        struct edit_report *report;
        char *state_directory;
        struct journal_place place;
        bool placed;
        struct journal_index *index;
        struct journal *journal;
        struct vm *vm;
        struct transaction transaction;
        struct doorbell doorbell;
};

static bool fail(struct run *run, enum edit_outcome outcome, int error)
{
        run->report->outcome = outcome;
        run->report->error = error;
        return false;
}

static void note_journal_path(struct run *run, const char *path)
{
        snprintf(run->report->journal_path, sizeof run->report->journal_path, "%s", path);
}

/* ---- preparation ---------------------------------------------------------------- */

static bool note_recovery(struct run *run, int status)
{
        if (status < 0)
                return fail(run, EDIT_SEARCH_ERROR, status);
        return status ? fail(run, EDIT_RECOVERY_STOPPED, 0) : true;
}

/* What earlier edits have left behind, where it can be found without the index. */
static bool recover(struct run *run)
{
        const struct edit_request *request = run->request;
        struct recovery *recovery = &run->report->recovery;
        const struct journal_search search = {
            .resolved_path = request->image->resolved_path,
            .journal_directory = request->journal_directory,
            .state_directory = run->state_directory,
        };
        recovery->discard = request->discard_journal;
        return note_recovery(run, recovery_search(recovery, search));
}

/* And where the index says.  Asked before the machine was made, so the answer is there.
 */
static bool recover_by_index(struct run *run)
{
        int status =
            journal_index_found(run->index, recovery_at_index, &run->report->recovery);
        if (run->report->recovery.error)
                return note_recovery(run, run->report->recovery.error);
        recovery_remember(&run->report->recovery, run->index);
        /* The index is a help, not a condition: its failure is a warning. */
        return status < 0 ? true : note_recovery(run, status);
}

static void start_index(struct run *run)
{
        run->report->index_error = journal_index_start(run->state_directory, &run->index);
        if (run->report->index_error < 0)
                run->index = NULL;
        (void)journal_index_find(run->index, &run->report->recovery.facts.identity);
}

static bool prepare_journal(struct run *run)
{
        const struct edit_request *request = run->request;
        const struct journal_identity *identity = &run->report->recovery.facts.identity;
        int error =
            recovery_start(&run->report->recovery, request->image, &examiner_by_guest);
        if (!error)
                error = journal_state_directory(&run->state_directory);
        if (error < 0)
                return fail(run, EDIT_JOURNAL_ERROR, error);
        start_index(run);
        bool recovered = recover(run);
        /* Under the old name the index would soon forget it. */
        recovery_remember(&run->report->recovery, run->index);
        if (!recovered)
                return false;
        error = journal_place_choose(request->image->fd, request->image->resolved_path,
                                     request->journal_directory, run->state_directory,
                                     identity, &run->place);
        if (error < 0)
                return fail(run, EDIT_JOURNAL_ERROR, error);
        run->placed = true;
        error = journal_prepare(&run->place, identity, run->request->image->resolved_path,
                                run->request->asked, &run->journal);
        if (error < 0)
                return fail(run, EDIT_JOURNAL_ERROR, error);
        note_journal_path(run, run->place.path);
        return true;
}

/* A device does not grow.  Where both files lie on one file system they share its
 * space. */
static void measure_space(struct run *run)
{
        struct transaction *t = &run->transaction;
        const struct image *image = run->request->image;
        struct stat image_status;
        struct stat journal_status;
        t->journal_space = image_free_space(run->place.directory_fd);
        if (image->block_device)
                return;
        t->image_space = image_free_space(image->fd);
        if (t->image_space != UINT64_MAX &&
            t->journal_space >= TRANSACTION_JOURNAL_SPACE &&
            fstat(image->fd, &image_status) == 0 &&
            fstat(run->place.directory_fd, &journal_status) == 0 &&
            image_status.st_dev == journal_status.st_dev)
                t->image_space -= t->image_space < TRANSACTION_JOURNAL_SPACE
                                      ? t->image_space
                                      : TRANSACTION_JOURNAL_SPACE;
}

/* From here on nothing can be opened, mapped or forked: the guest may run. */
static bool arm_sandbox(struct run *run)
{
        struct sandbox_config config = {
            .journal_directory_fd = run->place.directory_fd,
            .silent = run->request->report_fd != 0,
            .file_size_limit = run->request->image->size + 2 * ABI_MAX_GROWTH,
        };
        vm_allow(run->vm, &config);
        sandbox_keep(&config, run->request->image->fd);
        sandbox_keep(&config, journal_index_descriptor(run->index));
        if (run->request->report_fd)
                sandbox_keep(&config, run->request->report_fd);
        int error = sandbox_arm(&config);
        return error < 0 ? fail(run, EDIT_SANDBOX_ERROR, error) : true;
}

static bool prepare(struct run *run)
{
        const struct edit_request *request = run->request;
        signals_catch(); /* a recovery is finished, whatever the user says meanwhile */
        if (!prepare_journal(run))
                return false;
        int error = vm_create(request->memory_limit, &run->vm);
        if (error < 0)
                return fail(run, EDIT_KVM_ERROR, error);
        error = transaction_create(&run->transaction, request->image, run->vm,
                                   run->journal, run->index);
        if (!error)
                error = doorbell_create(&run->doorbell, run->vm, request->image,
                                        &run->transaction);
        if (!error && request->sink)
                error = doorbell_report_to(&run->doorbell, request->sink);
        if (error < 0)
                return fail(run, EDIT_KVM_ERROR, error);
        run->transaction.index_entry = (struct journal_index_entry){
            .image_path = request->image->resolved_path,
            .journal_path = run->place.path,
            .identity = &run->report->recovery.facts.identity,
            .asked = request->asked,
        };
        if (!recover_by_index(run))
                return false;
        measure_space(run);
        return arm_sandbox(run);
}

/* ---- one try ----------------------------------------------------------------------- */

/* Load the guest and tell it what the image looks like now. */
static enum run_status start_guest(struct run *run)
{
        const struct edit_request *request = run->request;
        struct image *image = request->image;
        uint8_t probe[ABI_PROBE_SIZE];
        int error = image_refresh_size(image);
        struct image_io io = image_io(image);
        size_t length = image->size < sizeof probe ? (size_t)image->size : sizeof probe;
        if (!error)
                error = -io.read(io.context, 0, probe, length);
        if (error) {
                run->transaction.fault.error = -error;
                return RUN_READ_ERROR;
        }
        error = vm_load(run->vm, request->program);
        if (error < 0) {
                run->transaction.fault.error = error;
                return transaction_broken(&run->transaction, "guest program");
        }
        struct abi_call *call = vm_call(run->vm);
        *call = *request->call;
        call->memory_size = request->memory_limit;
        /* What the caller has set is left alone: the tests' driver lies on purpose. */
        if (!call->file_size)
                call->file_size = image->size;
        call->flags |= image->block_device ? ABI_CALL_BLOCK_DEVICE : 0;
        if (!call->header_fingerprint)
                call->header_fingerprint = journal_hash(probe, length);
        doorbell_restart(&run->doorbell);
        return RUN_OK;
}

/* What ended the guest, if it was not a doorbell. */
static void note_exit(struct run *run, enum vm_exit exit)
{
        struct edit_report *report = run->report;
        report->trace.diagnosis = *vm_diagnose(run->vm);
        if (exit == VM_EXIT_SIGNAL)
                report->signal = signals_caught();
        if (outcome_of_exit(exit) == EDIT_PROTOCOL)
                snprintf(report->trace.fault, sizeof report->trace.fault, "exit %u",
                         report->trace.diagnosis.exit_reason);
        fail(run, outcome_of_exit(exit),
             exit == VM_EXIT_FAILED ? report->trace.diagnosis.error : 0);
}

static void note_status(struct run *run, enum run_status status)
{
        fail(run, outcome_of_status(status), run->transaction.fault.error);
        if (status == RUN_INTERRUPTED)
                run->report->signal = signals_caught();
        if (status == RUN_PROTOCOL && run->transaction.fault.rule)
                snprintf(run->report->trace.fault, sizeof run->report->trace.fault, "%s",
                         run->transaction.fault.rule);
}

/* Run the guest to its end; the outcome is in the report. */
static void run_guest(struct run *run)
{
        enum run_status status = start_guest(run);
        while (!status && !run->doorbell.ended) {
                enum vm_exit exit = vm_run(run->vm, DOORBELL_LIMIT_MS);
                /* Behind the switch the edit is finished, whatever the user says now. */
                if (exit == VM_EXIT_SIGNAL && transaction_is_committed(&run->transaction))
                        continue;
                if (exit != VM_EXIT_DOORBELL) {
                        note_exit(run, exit);
                        return;
                }
                status = doorbell_answer(&run->doorbell);
        }
        if (!status && run->doorbell.result.code == ABI_HEADER_CHANGED)
                status = RUN_CHANGED;
        note_status(run, status);
}

/* An outcome that stands for itself even where the image has its new content. */
static void finish_try(struct run *run)
{
        bool half_done;
        run->report->committed = transaction_is_committed(&run->transaction);
        int error = transaction_end(&run->transaction, &half_done);
        if (error < 0)
                fail(run, half_done ? EDIT_ROLLBACK_FAILED : EDIT_JOURNAL_KEPT, error);
}

static void try_until_settled(struct run *run)
{
        for (int i = 0; i < TRIES; i++) {
                run_guest(run);
                finish_try(run);
                run->report->trace.doorbells += run->doorbell.rings;
                if (run->report->outcome != EDIT_CHANGED || run->report->committed)
                        return;
        }
}

/* ---- the whole -------------------- */

/* Unmapping is not allowed under the sandbox: the end of the process does it. */
static void clean_up(struct run *run)
{
        vm_end(run->vm);
        if (sandbox_armed())
                return;
        doorbell_destroy(&run->doorbell);
        transaction_destroy(&run->transaction);
        journal_close(run->journal);
        (void)journal_index_wait(run->index); /* a journal that was set aside is known */
        journal_index_stop(run->index);
        if (run->placed)
                journal_place_release(&run->place);
        free(run->state_directory);
        if (run->vm)
                vm_destroy(run->vm);
}

void edit_run(const struct edit_request *request, struct edit_report *report)
{
        struct run run = {.request = request, .report = report};
        memset(report, 0, sizeof *report);
        if (prepare(&run)) {
                try_until_settled(&run);
                report->result = run.doorbell.result;
                report->trace.last_request = run.doorbell.last;
                if (!report->index_error)
                        report->index_error = run.transaction.index_error;
        }
        clean_up(&run);
}
