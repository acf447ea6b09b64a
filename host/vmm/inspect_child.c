/* SPDX-License-Identifier: MIT */
/*
 * Child and parent speak through a pipe: each report of the guest is a frame, the last
 * frame is how the run ended.  The child checks what the guest says (doorbell.c), the
 * parent what the child says: a guest that takes over the child can still only write
 * frames.
 */
#include "host/vmm/inspect_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/sandbox/sandbox.h"
#include "host/vmm/signals.h"
#include "host/vmm/vm_internal.h"

/* In front of the frame's bytes.  Kind 0: struct inspect_report. */
struct frame {
        uint32_t kind;
        uint32_t length;
};

/* ---- in the child -------------------- */

static int write_all(int fd, const void *bytes, size_t length)
{
        const uint8_t *at = bytes;
        while (length) {
                ssize_t put = write(fd, at, length);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put <= 0)
                        return put ? -errno : -EIO;
                at += put;
                length -= (size_t)put;
        }
        return 0;
}

static int send_frame(int fd, uint64_t kind, const void *bytes, size_t length)
{
        const struct frame frame = {(uint32_t)kind, (uint32_t)length};
        int error = write_all(fd, &frame, sizeof frame);
        return error ? error : write_all(fd, bytes, length);
}

/* A report_sink: `context` is the pipe. */
static int pass_on(void *context, uint64_t kind, const uint8_t *bytes, size_t length)
{
        if (!kind || kind > UINT32_MAX)
                return -EBADMSG;
        return send_frame(*(const int *)context, kind, bytes, length);
}

static void run(const struct child_request *request, int pipe_fd,
                struct inspect_report *report)
{
        static struct inspection inspection;
        const struct sandbox_config nothing = {.journal_directory_fd = -1};
        const struct report_sink sink = {pass_on, &pipe_fd};
        vm_after_fork();
        report->outcome = EDIT_KVM_ERROR;
        report->error =
            inspection_prepare(&inspection, request->image,
                               request->memory ? request->memory : INSPECT_MEMORY,
                               request->sink ? &sink : NULL);
        if (report->error)
                return;
        report->outcome = EDIT_SANDBOX_ERROR;
        report->error = sandbox_arm(&nothing);
        if (!report->error)
                inspection_run(&inspection, request->program, request->call, report);
}

_Noreturn static void child(const struct child_request *request, int pipe_fd)
{
        static struct inspect_report report;
        signals_ignore();                 /* what the parent has begun it finishes */
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* and it holds no lock for nobody */
        run(request, pipe_fd, &report);
        _exit(send_frame(pipe_fd, 0, &report, sizeof report) ? 1 : 0);
}

/* ---- in the parent -------------------- */

/* poll(2) comes back from a signal, read(2) is restarted; the timeout is for a signal
 * that comes between looking and waiting. */
#define SIGNAL_POLL_MS 200

static int wait_for_bytes(const struct child_request *request, int fd)
{
        struct pollfd wanted = {.fd = fd, .events = POLLIN};
        int ready = 0;
        while (ready == 0 || (ready < 0 && errno == EINTR)) {
                if (request->interruptible && signals_caught())
                        return -EINTR;
                ready = poll(&wanted, 1, SIGNAL_POLL_MS);
        }
        return ready < 0 ? -errno : 0;
}

static int read_all(int fd, void *bytes, size_t length)
{
        uint8_t *at = bytes;
        while (length) {
                ssize_t got = read(fd, at, length);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0) /* killed, by its filter perhaps */
                        return got ? -errno : -ECHILD;
                at += got;
                length -= (size_t)got;
        }
        return 0;
}

/* One frame; *ended with the last. */
static int receive_frame(const struct child_request *request, int fd, uint8_t *buffer,
                         struct inspect_report *report, bool *ended)
{
        struct frame frame;
        int error = wait_for_bytes(request, fd);
        if (!error)
                error = read_all(fd, &frame, sizeof frame);
        if (error)
                return error;
        *ended = frame.kind == 0;
        if (*ended)
                return frame.length == sizeof *report
                           ? read_all(fd, report, sizeof *report)
                           : -EBADMSG;
        if (!request->sink || !frame.length || frame.length > ABI_MAX_REPORT)
                return -EBADMSG;
        error = read_all(fd, buffer, frame.length);
        return error ? error
                     : request->sink->take(request->sink->context, frame.kind, buffer,
                                           frame.length);
}

static int receive_all(const struct child_request *request, int fd,
                       struct inspect_report *report)
{
        uint8_t *buffer = malloc(ABI_MAX_REPORT);
        bool ended = false;
        int error = buffer ? 0 : -ENOMEM;
        while (!error && !ended)
                error = receive_frame(request, fd, buffer, report, &ended);
        free(buffer);
        return error;
}

/* As long as the child lives it shares the image's locks.  It is reaped by the kernel
 * (SIGCHLD is ignored), upon which this ends with ECHILD. */
static void wait_for(pid_t pid)
{
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

int inspect_in_child(const struct child_request *request, struct inspect_report *report)
{
        struct sigaction reaped = {.sa_handler = SIG_IGN};
        int ends[2];
        if (sigaction(SIGCHLD, &reaped, NULL) || pipe2(ends, O_CLOEXEC))
                return -errno;
        pid_t pid = fork();
        if (pid == 0) {
                close(ends[0]); /* so that writing fails once the parent is gone */
                child(request, ends[1]);
        }
        int error = pid < 0 ? -errno : 0;
        close(ends[1]);
        if (!error)
                error = receive_all(request, ends[0], report);
        close(ends[0]);
        if (error && pid > 0)
                kill(pid, SIGKILL); /* nobody listens to it any more */
        wait_for(pid);
        return error;
}
