/* SPDX-License-Identifier: MIT */
#include "fuzz/counts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t own[FUZZ_COUNTS];
static uint64_t *counts;

/* Counting is no reason to end: without the file, they are the process's own. */
static uint64_t *open_counts(void)
{
        const char *path = getenv("INSTAR_FUZZ_COUNTS");
        int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
        void *memory = MAP_FAILED;
        if (fd < 0)
                return own;
        if (!ftruncate(fd, sizeof own))
                memory =
                    mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        return memory == MAP_FAILED ? own : memory;
}

void fuzz_count(enum fuzz_count count)
{
        if (!counts)
                counts = open_counts();
        counts[count]++;
}

uint64_t fuzz_counted(enum fuzz_count count)
{
        return counts ? counts[count] : 0;
}

static void print_count(enum fuzz_count count)
{
        unsigned long long number = counts[count];
        if (!fuzz_count_words[count])
                return;
        printf("%s%llu %s", count == FUZZ_RUNS ? " " : ", ", number,
               fuzz_count_words[count]);
        if (count != FUZZ_RUNS && counts[FUZZ_RUNS])
                printf(" (%.3g a run)", (double)number / (double)counts[FUZZ_RUNS]);
}

void fuzz_counts_print(const char *name)
{
        if (!counts)
                counts = open_counts();
        printf("%s:", name);
        for (enum fuzz_count count = FUZZ_RUNS; count < FUZZ_COUNTS; count++)
                print_count(count);
        putchar('\n');
}
