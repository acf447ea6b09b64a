/* SPDX-License-Identifier: MIT */
/*
 * instar with a hostile guest in the place of each of its guest programs.
 *
 *     hostile_driver SCRIPT [NAME=NUMBER]... SUBCOMMAND ARGUMENT...
 *
 * SCRIPT is what the guest does (tests/hostile/guest/script.h).  The names are those of
 * struct circumstances.  All the rest is instar's: its command line, machine, sandbox,
 * journal, image, words and exit codes.
 */
#define _GNU_SOURCE /* memmem */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/program.h"
#include "tests/hostile/driver/driver.h"
#include "tests/hostile/guest/script.h"

extern const struct vm_program guest_hostile_program;

struct circumstances circumstances;

static const struct name {
        const char *name;
        uint64_t *number;
} names[] = {
    {"limit_ms", &circumstances.limit_ms},
    {"rings", &circumstances.rings},
    {"bytes_read", &circumstances.bytes_read},
    {"bytes_reported", &circumstances.bytes_reported},
    {"transactions", &circumstances.transactions},
    {"header_offset", &circumstances.header_offset},
    {"header_value", &circumstances.header_value},
    {"flip_address", &circumstances.flip.address},
    {"flip_one", &circumstances.flip.one},
    {"flip_other", &circumstances.flip.other},
};

_Noreturn static void refuse(const char *what)
{
        fprintf(stderr, "hostile_driver: %s\n", what);
        exit(2);
}

/* "NAME=NUMBER", if it is one. */
static bool take_number(const char *argument)
{
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                size_t length = strlen(names[i].name);

                if (strncmp(argument, names[i].name, length) || argument[length] != '=')
                        continue;
                *names[i].number = strtoull(argument + length + 1, NULL, 0);
                return true;
        }
        return false;
}

/* The program's bytes with the script in its place. */
static void load_script(const char *path)
{
        size_t length = guest_hostile_program.length;
        uint8_t *image = malloc(length);
        FILE *file = fopen(path, "rb");

        if (!image || !file)
                refuse("no script");
        memcpy(image, guest_hostile_program.image, length);
        uint8_t *script = memmem(image, length, SCRIPT_MARKER, sizeof SCRIPT_MARKER);
        if (!script)
                refuse("no place for a script");
        memset(script, 0, sizeof SCRIPT_MARKER);
        if (!fread(script, 1, SCRIPT_ROOM, file) || fgetc(file) != EOF)
                refuse("the script is empty or too long");
        fclose(file);
        hostile_program = (struct vm_program){image, length};
}

static void spoil_header(void)
{
        uint32_t value = (uint32_t)circumstances.header_value;
        uint64_t offset = circumstances.header_offset;

        if ((offset || value) && offset <= sizeof(struct abi_program) - sizeof value)
                memcpy((uint8_t *)(uintptr_t)hostile_program.image + offset, &value,
                       sizeof value);
}

int main(int argc, char **argv)
{
        int used = 2;

        while (used < argc && take_number(argv[used]))
                used++;
        if (argc - used < 1)
                refuse("usage: hostile_driver SCRIPT [NAME=NUMBER]... SUBCOMMAND ...");
        load_script(argv[1]);
        spoil_header();
        argv[used - 1] = argv[0];
        signal(SIGXFSZ, SIG_IGN); /* as instar's main() */
        signal(SIGPIPE, SIG_IGN);
        return program_run(argc - used + 1, argv + used - 1);
}
