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
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/vmm/signals.h"
#include "host/vmm/vm_internal.h"

/* In front of the frame's bytes.  Kind 0: how the run ended. */
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
        report->error = inspection_arm(&inspection, pipe_fd);
        if (!report->error)
                inspection_run(&inspection, request->program, request->call, report);
}

static void run_edit(const struct child_request *request, const struct edit_request *edit,
                     int pipe_fd, struct child_edit *report)
{
        static struct edit_report full;
        const struct report_sink sink = {pass_on, &pipe_fd};
        struct edit_request own = *edit;
        own.report_fd = pipe_fd;
        own.sink = request->sink ? &sink : NULL;
        own.memory_limit = request->memory ? request->memory : INSPECT_MEMORY;
        vm_after_fork();
        edit_run(&own, &full);
        report->outcome = full.outcome;
        report->result = full.result;
        report->error = full.error;
        report->signal = full.signal;
        report->committed = full.committed;
        report->index_error = full.index_error;
        memcpy(report->journal_path, full.journal_path, sizeof report->journal_path);
        report->trace = full.trace;
}

_Noreturn static void edit_child(const struct child_request *request,
                                 const struct edit_request *edit, int pipe_fd)
{
        static struct child_edit report;
        run_edit(request, edit, pipe_fd, &report);
        _exit(send_frame(pipe_fd, 0, &report, sizeof report) ? 1 : 0);
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

struct conversation {
        const struct child_request *request;
        pid_t pid;
        int fd;
        bool passes_on; /* signals, and the end of an edit is waited for */
        int sink_error; /* the first of the sink, or of what it should have got */
        void *report;   /* how the run ended */
        size_t report_size;
        bool ended;
};

/* poll(2) comes back from a signal, read(2) is restarted; the timeout is for a signal
 * that comes between looking and waiting. */
#define SIGNAL_POLL_MS 200

static int wait_for_bytes(struct conversation *c)
{
        struct pollfd wanted = {.fd = c->fd, .events = POLLIN};
        int ready = 0;
        while (ready == 0 || (ready < 0 && errno == EINTR)) {
                int caught = signals_caught();
                if (c->request->interruptible && caught)
                        return -EINTR;
                if (c->passes_on && caught) {
                        kill(c->pid, caught); /* once: what it does then it ends */
                        c->passes_on = false;
                }
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

/* One frame; c->ended with the last. */
static int receive_frame(struct conversation *c, uint8_t *buffer)
{
        const struct report_sink *sink = c->request->sink;
        struct frame frame;
        int error = wait_for_bytes(c);
        if (!error)
                error = read_all(c->fd, &frame, sizeof frame);
        if (error)
                return error;
        c->ended = frame.kind == 0;
        if (c->ended)
                return frame.length == c->report_size
                           ? read_all(c->fd, c->report, c->report_size)
                           : -EBADMSG;
        if (!sink || !frame.length || frame.length > ABI_MAX_REPORT)
                return -EBADMSG;
        error = read_all(c->fd, buffer, frame.length);
        if (!error && !c->sink_error)
                c->sink_error =
                    sink->take(sink->context, frame.kind, buffer, frame.length);
        /* What became of an edit only its last frame says. */
        return !error && !c->passes_on ? c->sink_error : error;
}

static int receive_all(struct conversation *c, uint8_t *buffer)
{
        int error = 0;
        while (!error && !c->ended)
                error = receive_frame(c, buffer);
        return error ? error : c->sink_error;
}

/* As long as the child lives it shares the image's locks.  It is reaped by the kernel
 * (SIGCHLD is ignored), upon which this ends with ECHILD. */
static void wait_for(pid_t pid)
{
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

/* `edit` NULL: it only looks. */
static int converse(struct conversation *c, const struct edit_request *edit)
{
        struct sigaction reaped = {.sa_handler = SIG_IGN};
        uint8_t *buffer = malloc(ABI_MAX_REPORT);
        int ends[2];
        if (!buffer || sigaction(SIGCHLD, &reaped, NULL) || pipe2(ends, O_CLOEXEC)) {
                int error = buffer ? -errno : -ENOMEM;
                free(buffer);
                return error;
        }
        c->pid = fork();
        if (c->pid == 0) {
                free(buffer);
                close(ends[0]); /* so that writing fails once the parent is gone */
                if (edit)
                        edit_child(c->request, edit, ends[1]);
                child(c->request, ends[1]);
        }
        int error = c->pid < 0 ? -errno : 0;
        close(ends[1]);
        c->fd = ends[0];
        if (!error)
                error = receive_all(c, buffer);
        free(buffer);
        close(ends[0]);
        if (error && c->pid > 0)
                kill(c->pid, edit ? SIGTERM : SIGKILL); /* nobody listens any more */
        wait_for(c->pid);
        return error;
}

int inspect_in_child(const struct child_request *request, struct inspect_report *report)
{
        struct conversation c = {
            .request = request, .report = report, .report_size = sizeof *report};
        return converse(&c, NULL);
}

int edit_in_child(const struct child_request *request, const struct edit_request *edit,
                  struct child_edit *report)
{
        struct conversation c = {.request = request,
                                 .passes_on = true,
                                 .report = report,
                                 .report_size = sizeof *report};
        int error = converse(&c, edit);
        report->ended = c.ended && (!error || error == c.sink_error);
        return error;
}
