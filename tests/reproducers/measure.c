/* SPDX-License-Identifier: MIT */
/*
 * Run a program and say what it took.
 *
 *     measure REPORT PROGRAM ARGUMENT...
 *
 * ends as the program ends, and writes "exit-status peak-KiB microseconds" to the file
 * REPORT.  The peak is that of the largest process of those that the program has waited
 * for, and its own.  It is measured from here because ru_maxrss begins with what the
 * parent was when it forked: this process is small, an interpreter is not.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
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

static pid_t start(char **arguments)
{
        pid_t child = fork();

        if (child < 0)
                fail("fork");
        if (child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* a caller that waits no longer */
                execvp(arguments[0], arguments);
                fail(arguments[0]);
        }
        return child;
}

int main(int argc, char **argv)
{
        struct rusage usage;
        int status;

        if (argc < 3) {
                fputs("usage: measure REPORT PROGRAM ARGUMENT...\n", stderr);
                return 125;
        }
        FILE *report = fopen(argv[1], "we");
        if (!report)
                fail(argv[1]);
        long long begin = now_us();
        if (wait4(start(argv + 2), &status, 0, &usage) < 0)
                fail("wait4");
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (fprintf(report, "%d %ld %lld\n", code, usage.ru_maxrss, now_us() - begin) <
                0 ||
            fclose(report) != 0)
                fail(argv[1]);
        return code;
}
