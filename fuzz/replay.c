/* SPDX-License-Identifier: MIT */
/*
 * Feed files, and all files of directories, to a harness: what ctest does with the
 * corpus, and what a developer does with a finding.  No AFL++ is needed.
 * --counts prints what the file that INSTAR_FUZZ_COUNTS names has, instead.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/counts.h"
#include "fuzz/harness/harness.h"

#define LONGEST_INPUT (1u << 20)

static unsigned int files;

/* A buffer of its exact size, so that the sanitizers see a read behind its end. */
static void feed(const uint8_t *data, size_t length)
{
        uint8_t *exact = malloc(length ? length : 1);
        if (!exact)
                abort();
        memcpy(exact, data, length);
        LLVMFuzzerTestOneInput(exact, length);
        free(exact);
}

static bool replay_file(const char *path)
{
        static uint8_t data[LONGEST_INPUT];
        FILE *file = fopen(path, "rb");
        if (!file) {
                perror(path);
                return false;
        }
        size_t length = fread(data, 1, sizeof data, file);
        bool whole = !ferror(file) && feof(file);
        fclose(file);
        if (!whole) {
                fprintf(stderr, "%s: cannot be read, or is too large\n", path);
                return false;
        }
        fprintf(stderr, "%s\n", path);
        feed(data, length);
        files++;
        return true;
}

static bool replay(const char *path);

static bool replay_directory(const char *path)
{
        struct dirent **entries;
        int count = scandir(path, &entries, NULL, alphasort);
        bool good = count >= 0;
        if (!good)
                perror(path);
        for (int i = 0; i < count; i++) {
                char below[4096];
                int length =
                    snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);
                if (entries[i]->d_name[0] != '.' && length < (int)sizeof below)
                        good = replay(below) && good;
                free(entries[i]);
        }
        if (count >= 0)
                free(entries);
        return good;
}

static bool replay(const char *path)
{
        struct stat status;
        if (stat(path, &status)) {
                perror(path);
                return false;
        }
        return S_ISDIR(status.st_mode) ? replay_directory(path) : replay_file(path);
}

int main(int argc, char **argv)
{
        bool good = argc > 1;
        if (argc == 2 && strcmp(argv[1], "--counts") == 0) {
                fuzz_counts_print("counts");
                return 0;
        }
        for (int i = 1; i < argc; i++)
                good = replay(argv[i]) && good;
        if (!good || !files) {
                fprintf(stderr, "usage: %s FILE-OR-DIRECTORY...; %u files replayed\n",
                        argv[0], files);
                return 2;
        }
        printf("%u inputs replayed\n", files);
        fuzz_counts_print(argv[0]);
        return 0;
}
