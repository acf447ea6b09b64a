/* SPDX-License-Identifier: MIT */
/*
 * Count what one run of a program does.  Never timed: it is slow.
 *
 *     observe IMAGE PROGRAM ARGUMENT...
 *
 * runs the program under ptrace(2), every thread and child included, stops at each
 * system call and at each process's end, and prints one JSON object:
 *
 *     status          wait status of the program
 *     syscalls        system calls made
 *     syncs           fsync, fdatasync, sync, syncfs, msync(MS_SYNC), and writes through
 *                     a descriptor opened with O_SYNC or O_DSYNC
 *     image_writes    calls that write to IMAGE
 *     image_bytes     bytes that those calls wrote
 *     punches         fallocate calls on IMAGE
 *     written_bytes   bytes written to any file
 *     peak_kib        VmHWM, the largest of the processes.  It is read when a process is
 *                     about to end or to become another program, from /proc, where it
 *                     belongs to that one program; ru_maxrss would start at the parent's
 *     kvm_exits       returns of KVM_RUN
 *     guest_pages     the guest's page faults, as KVM counts them (pf_taken): its first
 *                     touches of its memory
 *     guest_resident  pages of guest memory that host or guest have touched (present in
 *                     /proc/PID/pagemap at the last KVM_RUN)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "observe_kvm.h"

#define MAX_TASKS 256

struct counts {
        uint64_t syscalls, syncs, image_writes, image_bytes, punches, written_bytes;
        uint64_t peak_kib;
        struct kvm_counts kvm;
};

static const struct counts nothing = {.kvm = {.faults = -1}};
static struct counts seen;

static pid_t program;
static struct task tasks[MAX_TASKS];
static struct stat image;

void observe_fail(const char *what)
{
        fprintf(stderr, "observe: %s: %s\n", what, strerror(errno));
        exit(125);
}

static struct task *task_of(pid_t pid)
{
        struct task *unused = NULL;

        for (int i = 0; i < MAX_TASKS; i++) {
                if (tasks[i].pid == pid)
                        return &tasks[i];
                if (tasks[i].pid == 0 && !unused)
                        unused = &tasks[i];
        }
        if (!unused)
                observe_fail("too many threads");
        memset(unused, 0, sizeof(*unused));
        unused->pid = pid;
        return unused;
}

/* Reads /proc/PID/NAME into text; false if the process is gone. */
static bool read_proc(pid_t pid, const char *name, char *text, size_t size)
{
        char path[96];
        int file;
        ssize_t length;

        snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
        file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0)
                return false;
        length = read(file, text, size - 1);
        close(file);
        if (length < 0)
                return false;
        text[length] = '\0';
        return true;
}

static void note_peak(pid_t pid)
{
        char text[4096];
        const char *field;

        if (!read_proc(pid, "status", text, sizeof(text)))
                return;
        field = strstr(text, "VmHWM:");
        if (field) {
                uint64_t kib = strtoull(field + strlen("VmHWM:"), NULL, 10);
                if (kib > seen.peak_kib)
                        seen.peak_kib = kib;
        }
}

/* ---- files ------------------------------------------------------------------- */

static bool is_synchronous(pid_t pid, uint64_t fd)
{
        char name[48], text[256];
        const char *field;

        snprintf(name, sizeof(name), "fdinfo/%d", (int)fd);
        if (!read_proc(pid, name, text, sizeof(text)))
                return false;
        field = strstr(text, "flags:");
        return field && (strtol(field + strlen("flags:"), NULL, 8) & O_DSYNC) != 0;
}

/* What descriptor `fd` of the process is: the image, another regular file, neither. */
enum file_kind { NO_FILE, OTHER_FILE, THE_IMAGE };

static enum file_kind kind_of(pid_t pid, uint64_t fd)
{
        char path[64];
        struct stat status;

        snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, (int)fd);
        if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
                return NO_FILE;
        if (status.st_dev == image.st_dev && status.st_ino == image.st_ino)
                return THE_IMAGE;
        return OTHER_FILE;
}

static void note_write(const struct task *task, int64_t result)
{
        enum file_kind kind = kind_of(task->pid, task->arguments[0]);
        bool durable = task->call == __NR_pwritev2 &&
                       (task->arguments[5] & (RWF_DSYNC | RWF_SYNC)) != 0;

        if (result < 0 || kind == NO_FILE)
                return;
        seen.written_bytes += (uint64_t)result;
        if (kind == THE_IMAGE) {
                seen.image_writes++;
                seen.image_bytes += (uint64_t)result;
        }
        if (durable || is_synchronous(task->pid, task->arguments[0]))
                seen.syncs++;
}

/* ---- the loop ------------------------------------------------------------------ */

/* A system call has returned. */
static void note_call(const struct task *task, int64_t result)
{
        switch (task->call) {
        case __NR_fsync:
        case __NR_fdatasync:
        case __NR_sync:
        case __NR_syncfs:
                seen.syncs++;
                break;
        case __NR_msync:
                seen.syncs += (task->arguments[2] & MS_SYNC) != 0;
                break;
        case __NR_write:
        case __NR_writev:
        case __NR_pwrite64:
        case __NR_pwritev:
        case __NR_pwritev2:
                note_write(task, result);
                break;
        case __NR_fallocate:
                seen.punches += kind_of(task->pid, task->arguments[0]) == THE_IMAGE;
                break;
        case __NR_ioctl:
                kvm_note_ioctl(program, task, result, &seen.kvm);
                break;
        default:
                break;
        }
}

static void at_system_call(pid_t pid)
{
        struct __ptrace_syscall_info information;
        struct task *task = task_of(pid);

        memset(&information, 0, sizeof(information));
        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(information),
                   &information) < 0)
                return; /* killed meanwhile */
        if (information.op == PTRACE_SYSCALL_INFO_ENTRY) {
                task->inside = true;
                task->call = information.entry.nr;
                for (int i = 0; i < 6; i++)
                        task->arguments[i] = information.entry.args[i];
                seen.syscalls++;
                if (task->call == __NR_execve)
                        note_peak(pid);
        } else if (information.op == PTRACE_SYSCALL_INFO_EXIT && task->inside) {
                task->inside = false;
                note_call(task, information.exit.rval);
        }
}

/* Returns the signal to deliver. */
static int at_stop(pid_t pid, int status)
{
        int signal = WSTOPSIG(status), event = status >> 16;

        if (signal == (SIGTRAP | 0x80)) {
                at_system_call(pid);
                return 0;
        }
        if (event == PTRACE_EVENT_EXIT)
                note_peak(pid);
        if (event == PTRACE_EVENT_EXEC && pid == program)
                seen = nothing; /* what came before was observe itself */
        if (event != 0)
                return 0; /* a new thread's first stop is one of these, too */
        return signal;
}

/* Runs everything to its end; returns the program's own wait status. */
static int follow(void)
{
        int result = 0;

        for (;;) {
                int status;
                pid_t pid = waitpid(-1, &status, __WALL);

                if (pid < 0 && errno == ECHILD)
                        return result;
                if (pid < 0)
                        observe_fail("waitpid");
                if (WIFSTOPPED(status)) {
                        int signal = at_stop(pid, status);
                        ptrace(PTRACE_SYSCALL, pid, NULL, (long)signal);
                        continue;
                }
                task_of(pid)->pid = 0;
                if (pid == program)
                        result = status;
        }
}

/* Make the child and attach to it; it is traced from its execve(2) on. */
static void start(char **arguments)
{
        long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE |
                       PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                       PTRACE_O_EXITKILL;
        int status;
        pid_t child = fork();

        if (child < 0)
                observe_fail("fork");
        if (child == 0) {
                int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
                if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
                        _exit(126);
                raise(SIGSTOP);
                execvp(arguments[0], arguments);
                _exit(127);
        }
        /* SEIZE, not TRACEME: group stops and new threads then report events. */
        if (waitpid(child, &status, WUNTRACED) < 0 ||
            ptrace(PTRACE_SEIZE, child, NULL, options) != 0)
                observe_fail("PTRACE_SEIZE");
        program = child;
        kill(child, SIGCONT);
}

static void print(int status)
{
        const struct {
                const char *name;
                uint64_t count;
        } counts[] = {
            {"syscalls", seen.syscalls},
            {"syncs", seen.syncs},
            {"image_writes", seen.image_writes},
            {"image_bytes", seen.image_bytes},
            {"punches", seen.punches},
            {"written_bytes", seen.written_bytes},
            {"peak_kib", seen.peak_kib},
            {"kvm_exits", seen.kvm.exits},
            {"guest_resident", seen.kvm.resident},
        };

        printf("{\"status\": %d", status);
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
                printf(", \"%s\": %llu", counts[i].name,
                       (unsigned long long)counts[i].count);
        printf(", \"guest_pages\": %lld}\n", (long long)seen.kvm.faults);
}

int main(int argc, char **argv)
{
        if (argc < 3) {
                fputs("usage: observe IMAGE PROGRAM ARGUMENT...\n", stderr);
                return 125;
        }
        if (stat(argv[1], &image) != 0)
                observe_fail(argv[1]);
        start(argv + 2);
        print(follow());
        return 0;
}
