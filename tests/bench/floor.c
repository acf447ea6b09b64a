/* SPDX-License-Identifier: MIT */
/*
 * What the parts of one `--add` cost at least: the same system calls, and nothing around
 * them, once.
 *
 *     floor DIRECTORY
 *
 * prints lines "NAME NANOSECONDS".  One process does each thing once, as an edit does:
 * the second virtual machine of a process would be cheaper than its first.
 *
 * Compiled with -DFILTER="FILE": the instructions of instar's seccomp filter.
 */
#define _GNU_SOURCE
#include "floor.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SYS_LANDLOCK_CREATE_RULESET 444
#define SYS_LANDLOCK_RESTRICT_SELF  446
#define LANDLOCK_FS_ALL_OF_ABI_1    ((1ull << 13) - 1)

uint64_t now_ns(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void report(const char *name, uint64_t begin)
{
        printf("%s %llu\n", name, (unsigned long long)(now_ns() - begin));
}

void fail(const char *what)
{
        fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* A child with a socket to its parent, as the index has; the child ends at once. */
static void floor_fork(void)
{
        int channel[2];
        uint64_t begin = now_ns();

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0)
                fail("socketpair");
        pid_t child = fork();
        if (child == 0)
                _exit(0);
        report("fork", begin);
        if (child < 0 || waitpid(child, NULL, 0) < 0)
                fail("fork");
}

/* Landlock without rules; none where the kernel has none, as in instar. */
static void restrict_paths(void)
{
        const struct {
                uint64_t handled_access_fs;
        } all = {LANDLOCK_FS_ALL_OF_ABI_1};
        long ruleset = syscall(SYS_LANDLOCK_CREATE_RULESET, &all, sizeof all, 0);

        if (ruleset < 0)
                return;
        if (syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0) != 0)
                fail("landlock_restrict_self");
        close((int)ruleset);
}

/* instar's own, but for the two descriptors in it that instar fills in.  It lets a
 * program write what it has buffered, and end. */
static void install_filter(void)
{
        static struct sock_filter code[] = {
#include FILTER
        };
        const struct sock_fprog program = {sizeof code / sizeof *code, code};

        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
                fail("seccomp");
}

static void floor_sandbox(void)
{
        uint64_t begin = now_ns();

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
                fail("PR_SET_NO_NEW_PRIVS");
        restrict_paths();
        install_filter();
        report("sandbox", begin);
}

int main(int argc, char **argv)
{
        if (argc != 2) {
                fputs("usage: floor DIRECTORY\n", stderr);
                return 2;
        }
        setvbuf(stdout, NULL, _IOFBF, 1 << 16);
        floor_fork();
        floor_kvm();
        floor_disk(argv[1]);
        /* Last: it stays. */
        floor_sandbox();
        return 0;
}
