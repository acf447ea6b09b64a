/* SPDX-License-Identifier: MIT */
/*
 * Run a program and say what it took.
 *
 *     measure REPORT PROGRAM ARGUMENT...
 *
 * ends as the program ends, and writes "exit-status peak-KiB microseconds" to the file
 * REPORT.  The peak is that of the largest process: of the program, of all that it forks,
 * and of those that these have waited for.  A child that its parent does not wait for is
 * in nobody's ru_maxrss, so this traces them all, and is told what each was when it
 * ended. It is measured from here because ru_maxrss begins with what the parent was when
 * it forked: this process is small, an interpreter is not.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what)
{
        perror(what);
        exit(125);
}

static long long now_us(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (long long)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* The program begins when it is traced; it ends when this does: a caller may wait no
 * longer. */
static pid_t start(char **arguments)
{
        const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK |
                             PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
        int ready[2];
        char byte = 0;

        if (pipe(ready) < 0)
                fail("pipe");
        pid_t child = fork();
        if (child < 0)
                fail("fork");
        if (child == 0) {
                close(ready[1]);
                if (read(ready[0], &byte, 1) != 1)
                        _exit(125);
                close(ready[0]);
                execvp(arguments[0], arguments);
                fail(arguments[0]);
        }
        if (ptrace(PTRACE_SEIZE, child, NULL, options) < 0)
                fail("ptrace");
        if (write(ready[1], &byte, 1) != 1)
                fail("write");
        close(ready[0]);
        close(ready[1]);
        return child;
}

/* A stop of ours is none of the program's; of any other only the signal goes on. */
static void go_on(pid_t stopped, int status)
{
        int signal = status >> 16 ? 0 : WSTOPSIG(status);

        ptrace(PTRACE_CONT, stopped, NULL, (long)signal);
}

/* How the program ended.  `peak_kib`: of it and of all that have ended before it. */
static int follow(pid_t program, long *peak_kib)
{
        for (;;) {
                struct rusage usage;
                int status;
                pid_t pid = wait4(-1, &status, __WALL, &usage);

                if (pid < 0)
                        fail("wait4");
                if (WIFSTOPPED(status)) {
                        go_on(pid, status);
                        continue;
                }
                if (usage.ru_maxrss > *peak_kib)
                        *peak_kib = usage.ru_maxrss;
                if (pid == program)
                        return WIFEXITED(status) ? WEXITSTATUS(status)
                                                 : 128 + WTERMSIG(status);
        }
}

int main(int argc, char **argv)
{
        long peak_kib = 0;

        if (argc < 3) {
                fputs("usage: measure REPORT PROGRAM ARGUMENT...\n", stderr);
                return 125;
        }
        FILE *report = fopen(argv[1], "we");
        if (!report)
                fail(argv[1]);
        long long begin = now_us();
        int code = follow(start(argv + 2), &peak_kib);
        if (fprintf(report, "%d %ld %lld\n", code, peak_kib, now_us() - begin) < 0 ||
            fclose(report) != 0)
                fail(argv[1]);
        return code;
}
