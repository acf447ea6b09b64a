/* SPDX-License-Identifier: MIT */
/*
 * Seeds of the harness `command_line`: command lines of every subcommand, good and bad.
 * `fuzz_command_line_seeds DIRECTORY` writes them there.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Words are separated by a bar; the first two are the environment. */
static const char *const seeds[] = {
    "||",
    "||--help",
    "||--version|-v",
    "||-V",
    "||help|bitmap",
    "||help|resize|more",
    "||nonsense",
    "||--nonsense",
    "||bitmap|--add|disk.qcow2|b0",
    "process|/journals|bitmap|--add|-g|64k|disk.qcow2|b0",
    "kvm||bitmap|--add|--granularity=0x10000|--disable|-f|qcow2|disk.qcow2|b0",
    "nonsense||bitmap|--clear|disk.qcow2|b0",
    "||bitmap|--merge|a|--merge=bb|--no-ownership-scan|disk.qcow2|b0",
    "||bitmap|--remove-all|--output|json|disk.qcow2",
    "||bitmap|--remove|--memory-limit|64M|--discard-journal|--journal-dir=/tmp|d|b",
    "||bitmap|--enable|--object|secret|-b|file|-F|raw|--image-opts|d|b",
    "||bitmap|--add|--sandbox=process|--|-d|-b",
    "||bitmap|--me|x|--rem|y|z",
    "||bitmap|-gxh|d|b",
    "||bitmap|--add|--memory-limit|32G|d|b",
    "||info|--count|--output=json|-U|disk.qcow2",
    "||info|-f|raw|a\x1b[31m\\\xff\xe2\x80\xae",
    "||map|--bitmap|b0|-U|disk.qcow2",
    "||map|--bitmap=|disk.qcow2",
    "||check|-n|-q|a.qcow2|b.qcow2",
    "|/journals|check|--all|--output|json|/images|/more",
    "||check|-r|all|--reset-damaged|-p|disk.qcow2",
    "||check|-r|leaks|disk.qcow2",
    "||check|--reset-in-use|b0|-n|disk.qcow2",
    "||check|--reset-in-use|b0|disk.qcow2",
    "||check|--output=json|\x01\xc2\x9b\xed\xa0\x80\xf4\x90\x80\x80",
    "||resize|disk.qcow2|10G",
    "||resize|--shrink|disk.qcow2|-1.5G",
    "||resize|disk.qcow2|+0x200",
    "||resize|disk.qcow2|18446744073709551615k",
    "||journal|show|disk.qcow2.instar-journal",
    "||journal|show|--output|json|x\x7f",
    "||journal|hide|x",
};

static bool write_seed(const char *directory, size_t number)
{
        const char *words = seeds[number];
        char path[4096];
        FILE *file;

        snprintf(path, sizeof path, "%s/seed-%zu", directory, number);
        file = fopen(path, "wb");
        if (!file)
                return false;
        putc((int)number, file);
        for (; *words; words++)
                putc(*words == '|' ? '\0' : *words, file);
        return !fclose(file);
}

int main(int argc, char **argv)
{
        bool good = argc == 2;

        for (size_t i = 0; good && i < sizeof seeds / sizeof seeds[0]; i++)
                good = write_seed(argv[1], i);
        if (!good) {
                perror("usage: fuzz_command_line_seeds DIRECTORY");
                return 1;
        }
        return 0;
}
