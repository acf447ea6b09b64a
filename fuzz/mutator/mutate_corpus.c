/* SPDX-License-Identifier: MIT */
/*
 * The mutator without AFL++: `fuzz_NAME_mutate DIRECTORY RUNS` feeds mutants of a corpus
 * to the harness, the same ones each time.  Fails where fewer than a third get past the
 * header, as the mutator is there for.  The test that runs everywhere, under the
 * sanitizers, too.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz/counts.h"
#include "fuzz/harness/harness.h"
#include "fuzz/mutator/mutator.h"

#define MOST_FILES    4096u
#define LONGEST_INPUT (64u << 10)

static struct {
        uint8_t *data;
        size_t length;
} inputs[MOST_FILES];
static unsigned int count;

static void take(const char *directory, const char *name)
{
        static uint8_t data[LONGEST_INPUT];
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", directory, name);
        FILE *file = fopen(path, "rb");
        if (!file || count == MOST_FILES || name[0] == '.') {
                if (file)
                        fclose(file);
                return;
        }
        size_t length = fread(data, 1, sizeof data, file);
        fclose(file);
        inputs[count].data = malloc(length + 1);
        if (!inputs[count].data)
                abort();
        memcpy(inputs[count].data, data, length);
        inputs[count++].length = length;
}

static void take_all(const char *path)
{
        struct dirent **entries;
        int found = scandir(path, &entries, NULL, alphasort);
        for (int i = 0; i < found; i++) {
                take(path, entries[i]->d_name);
                free(entries[i]);
        }
        if (found >= 0)
                free(entries);
}

static void run(void *mutator, unsigned long n)
{
        unsigned long other = n * 2654435761u % count;
        uint8_t *mutant;
        size_t length = afl_custom_fuzz(
            mutator, inputs[n % count].data, inputs[n % count].length, &mutant,
            inputs[other].data, inputs[other].length, LONGEST_INPUT);
        const char *keep = getenv("INSTAR_FUZZ_KEEP");
        FILE *file = keep ? fopen(keep, "wb") : NULL;
        if (file) {
                fwrite(mutant, 1, length, file);
                fclose(file);
        }
        LLVMFuzzerTestOneInput(mutant, length);
}

/* Of processor time. */
static void print_speed(unsigned long runs, clock_t begin)
{
        double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        if (seconds > 0)
                printf("%.0f runs a second, each with a mutation\n",
                       (double)runs / seconds);
}

int main(int argc, char **argv)
{
        void *mutator = afl_custom_init(NULL, argc > 3 ? (unsigned)atoi(argv[3]) : 1);
        unsigned long runs = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
        if (argc > 1)
                take_all(argv[1]);
        if (!mutator || !count || !runs) {
                fprintf(stderr, "usage: %s DIRECTORY RUNS [SEED]\n", argv[0]);
                return 2;
        }
        clock_t begin = clock();
        for (unsigned long n = 0; n < runs; n++)
                run(mutator, n);
        print_speed(runs, begin);
        afl_custom_deinit(mutator);
        fuzz_counts_print(argv[0]);
        for (unsigned int i = 0; i < count; i++)
                free(inputs[i].data);
        return fuzz_counted(FUZZ_PAST_HEADER) >= runs / 3 ? 0 : 1;
}
