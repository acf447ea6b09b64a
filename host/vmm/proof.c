/* SPDX-License-Identifier: MIT */
/*
 * The child has the parent's descriptors, image and locks included; it arms a sandbox
 * before the guest's first instruction, answers nothing but reads (invariant 10), writes
 * its verdict into a pipe and ends.  Its end takes the machine with it.
 */
#include "host/vmm/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/sandbox/sandbox.h"
#include "host/vmm/inspect.h"
#include "host/vmm/programs.h"
#include "host/vmm/signals.h"
#include "host/vmm/vm_internal.h"
#include "journal/journal.h"

/* What goes through the pipe. */
struct verdict {
        enum recovery_proof proof;
        int error; /* negative errno */
};

/* ---- in the child -------------------- */

static int prepare(struct inspection *inspection, struct image *image)
{
        const struct sandbox_config nothing = {.journal_directory_fd = -1};
        int error;
        vm_after_fork();
        error = inspection_prepare(inspection, image, NULL);
        return error ? error : sandbox_arm(&nothing);
}

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
                return (struct verdict){.error = report->error};
        case EDIT_TIMEOUT:
                return (struct verdict){.error = -ETIMEDOUT};
        default:
                return (struct verdict){.proof = RECOVERY_UNPROVABLE};
        }
}

/* As many ranges as a call holds. */
static struct verdict prove(struct inspection *inspection, const struct abi_range *ranges,
                            size_t count)
{
        static struct abi_call call;
        static struct inspect_report report;
        memset(&call, 0, sizeof call);
        call.range_count = (uint32_t)count;
        memcpy(call.ranges, ranges, count * sizeof *ranges);
        inspection_run(inspection, &guest_unreferenced_program, &call, &report);
        return verdict_of_run(&report);
}

static struct verdict prove_all(struct image *image, const struct abi_range *ranges,
                                size_t count)
{
        static struct inspection inspection;
        struct verdict verdict = {.proof = RECOVERY_PROVED};
        int error = prepare(&inspection, image);
        if (error)
                return (struct verdict){.error = error};
        while (count && !verdict.error && verdict.proof == RECOVERY_PROVED) {
                size_t part = count < ABI_MAX_RANGES ? count : ABI_MAX_RANGES;
                verdict = prove(&inspection, ranges, part);
                ranges += part;
                count -= part;
        }
        return verdict;
}

_Noreturn static void child(int pipe_fd, struct image *image,
                            const struct abi_range *ranges, size_t count)
{
        signals_ignore(); /* what the parent has begun it finishes */
        struct verdict verdict = prove_all(image, ranges, count);
        ssize_t written = write(pipe_fd, &verdict, sizeof verdict);
        _exit(written == sizeof verdict ? 0 : 1);
}

/* ---- in the parent -------------------- */

/* A child that dies without a verdict was killed, by its filter perhaps. */
static int receive(int pipe_fd, enum recovery_proof *proof)
{
        struct verdict verdict;
        ssize_t n;
        do
                n = read(pipe_fd, &verdict, sizeof verdict);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n != sizeof verdict)
                return -ECHILD;
        *proof = verdict.proof;
        return verdict.error;
}

/* As long as the child lives it shares the image's locks.  It is reaped by the kernel
 * (SIGCHLD is ignored), upon which this ends with ECHILD. */
static void wait_for(pid_t pid)
{
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

int proof_run(struct image *image, const struct abi_range *ranges, size_t count,
              enum recovery_proof *proof)
{
        struct sigaction reaped = {.sa_handler = SIG_IGN};
        int ends[2];
        if (sigaction(SIGCHLD, &reaped, NULL) || pipe2(ends, O_CLOEXEC))
                return -errno;
        pid_t pid = fork();
        if (pid == 0)
                child(ends[1], image, ranges, count);
        int error = pid < 0 ? -errno : 0;
        close(ends[1]);
        if (!error)
                error = receive(ends[0], proof);
        close(ends[0]);
        wait_for(pid);
        return error;
}
