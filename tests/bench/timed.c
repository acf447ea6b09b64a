/* SPDX-License-Identifier: MIT */
/*
 * Time one run of a program, from before the child is made to after it is reaped.
 *
 *     timed [--sync-delay MICROSECONDS] PROGRAM ARGUMENT...
 *
 * prints "nanoseconds exit-status" on stdout; the program's own stdout goes to
 * /dev/null.  It is small and static, and starts its child by vfork(2), so that what
 * it adds is the same few microseconds for every program that is compared.
 *
 * --sync-delay stands for a slower disk: every fsync, fdatasync, msync(MS_SYNC),
 * sync and every write through a descriptor opened with O_SYNC or O_DSYNC takes that
 * much longer.  A seccomp filter that the program inherits stops those system
 * calls and asks this process, which lets each go on when its time has passed; calls
 * of several threads wait side by side, as they would for a disk.  That works
 * for a static program as for a dynamic one, with or without a filter of its own,
 * and no other call is slowed down.  (ptrace would slow every clone and exec.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_WAITING 64

static uint64_t now_ns(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void fail(const char *what)
{
        fprintf(stderr, "timed: %s: %s\n", what, strerror(errno));
        exit(125);
}

/* In the child: silence stdout, become the program.  Only raw calls: this runs on the
 * parent's memory. */
static void become(char **arguments)
{
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
                _exit(126);
        execvp(arguments[0], arguments);
        _exit(127);
}

static uint64_t run(char **arguments, int *status)
{
        uint64_t begin = now_ns();
        pid_t child = vfork();

        if (child == 0)
                become(arguments);
        if (child < 0)
                fail("vfork");
        if (waitpid(child, status, 0) < 0)
                fail("waitpid");
        return now_ns() - begin;
}

/* ---- the slow disk --------------------------------------------------------- */

#define ASK(call)                                                                        \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1),                               \
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)

/* Install the filter; returns the descriptor that its questions come from. */
static int install_filter(void)
{
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            ASK(__NR_fsync),
            ASK(__NR_fdatasync),
            ASK(__NR_sync),
            ASK(__NR_syncfs),
            ASK(__NR_msync),
            ASK(__NR_write),
            ASK(__NR_writev),
            ASK(__NR_pwrite64),
            ASK(__NR_pwritev),
            ASK(__NR_pwritev2),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
                fail("PR_SET_NO_NEW_PRIVS");
        int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
        if (listener < 0)
                fail("seccomp");
        return listener;
}

/* Whether descriptor `fd` of thread `pid` was opened with O_SYNC or O_DSYNC. */
static int is_synchronous(uint32_t pid, uint64_t fd)
{
        char path[64], text[256];
        int file, flags = 0;
        ssize_t length;

        snprintf(path, sizeof(path), "/proc/%u/fdinfo/%llu", pid, (unsigned long long)fd);
        file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0)
                return 0;
        length = read(file, text, sizeof(text) - 1);
        close(file);
        if (length <= 0)
                return 0;
        text[length] = '\0';
        const char *field = strstr(text, "flags:");
        if (field)
                flags = (int)strtol(field + strlen("flags:"), NULL, 8);
        return (flags & O_DSYNC) != 0; /* O_SYNC contains the bit of O_DSYNC */
}

static int waits_for_disk(const struct seccomp_notif *question)
{
        switch (question->data.nr) {
        case __NR_write:
        case __NR_writev:
        case __NR_pwrite64:
        case __NR_pwritev:
                return is_synchronous(question->pid, question->data.args[0]);
        case __NR_pwritev2:
                return (question->data.args[5] & (RWF_DSYNC | RWF_SYNC)) != 0 ||
                       is_synchronous(question->pid, question->data.args[0]);
        case __NR_msync:
                return (question->data.args[2] & MS_SYNC) != 0;
        default:
                return 1;
        }
}

struct waiting {
        uint64_t id;
        uint64_t due; /* 0: free */
};

/* Let one stopped call go on.  It may be gone: its thread was killed. */
static void let_go(int listener, uint64_t id)
{
        struct seccomp_notif_resp answer = {.id = id,
                                            .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0 && errno != ENOENT)
                fail("SECCOMP_IOCTL_NOTIF_SEND");
}

static void take_question(int listener, struct waiting *waiting, uint64_t delay_ns)
{
        struct seccomp_notif question;

        memset(&question, 0, sizeof(question));
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) != 0) {
                if (errno == ENOENT || errno == EINTR)
                        return;
                fail("SECCOMP_IOCTL_NOTIF_RECV");
        }
        if (waits_for_disk(&question)) {
                for (int i = 0; i < MAX_WAITING; i++) {
                        if (waiting[i].due == 0) {
                                waiting[i].id = question.id;
                                waiting[i].due = now_ns() + delay_ns;
                                return;
                        }
                }
        }
        let_go(listener, question.id);
}

/* Release what is due; returns when the next one is, or 0. */
static uint64_t release_due(int listener, struct waiting *waiting)
{
        uint64_t now = now_ns(), next = 0;

        for (int i = 0; i < MAX_WAITING; i++) {
                if (waiting[i].due != 0 && waiting[i].due <= now) {
                        waiting[i].due = 0;
                        let_go(listener, waiting[i].id);
                } else if (waiting[i].due != 0 && (next == 0 || waiting[i].due < next)) {
                        next = waiting[i].due;
                }
        }
        return next;
}

/* Answer until `end` is readable (its writer is gone). */
static void be_the_disk(int listener, int end, uint64_t delay_ns)
{
        struct waiting waiting[MAX_WAITING] = {{0, 0}};

        for (;;) {
                struct pollfd sources[2] = {{.fd = listener, .events = POLLIN},
                                            {.fd = end, .events = POLLIN}};
                uint64_t next = release_due(listener, waiting), now = now_ns();
                uint64_t left = next > now ? next - now : 0;
                struct timespec limit = {(time_t)(left / 1000000000u),
                                         (long)(left % 1000000000u)};

                if (ppoll(sources, 2, next ? &limit : NULL, NULL) < 0 && errno != EINTR)
                        fail("ppoll");
                if (sources[0].revents & POLLIN)
                        take_question(listener, waiting, delay_ns);
                else if (sources[1].revents)
                        return;
        }
}

/* Hand the listener over; sendmsg(2) is not one of the calls that ask. */
static void send_descriptor(int channel, int descriptor)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {.space = {0}};
        char byte = 0;
        struct iovec payload = {&byte, 1};
        struct msghdr message = {.msg_iov = &payload,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};

        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
        if (sendmsg(channel, &message, 0) != 1)
                fail("sendmsg");
}

static int receive_descriptor(int channel)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        char byte;
        struct iovec payload = {&byte, 1};
        struct msghdr message = {.msg_iov = &payload,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};
        int descriptor;

        if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1 ||
            CMSG_FIRSTHDR(&message) == NULL)
                fail("recvmsg");
        memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
        return descriptor;
}

/* The filter binds the process that installs it and its children, never this one: so
 * a child installs it and times the program, and this one answers. */
static void run_on_slow_disk(char **arguments, uint64_t delay_ns)
{
        int channel[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
                fail("socketpair");
        pid_t timer = fork();
        if (timer < 0)
                fail("fork");
        if (timer == 0) {
                int status, listener = install_filter();

                send_descriptor(channel[1], listener);
                close(listener);
                uint64_t elapsed = run(arguments, &status);
                printf("%llu %d\n", (unsigned long long)elapsed, status);
                fflush(stdout);
                _exit(0);
        }
        close(channel[1]);
        be_the_disk(receive_descriptor(channel[0]), channel[0], delay_ns);
        if (waitpid(timer, NULL, 0) < 0)
                fail("waitpid");
}

int main(int argc, char **argv)
{
        int status;

        if (argc > 3 && strcmp(argv[1], "--sync-delay") == 0) {
                run_on_slow_disk(argv + 3, strtoull(argv[2], NULL, 10) * 1000u);
                return 0;
        }
        if (argc < 2) {
                fputs("usage: timed [--sync-delay MICROSECONDS] PROGRAM ARGUMENT...\n",
                      stderr);
                return 125;
        }
        uint64_t elapsed = run(argv + 1, &status);
        printf("%llu %d\n", (unsigned long long)elapsed, status);
        return 0;
}
