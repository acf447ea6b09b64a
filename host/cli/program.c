/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "host/cli/bitmap.h"
#include "host/cli/check.h"
#include "host/cli/exit_code.h"
#include "host/cli/info.h"
#include "host/cli/journal_command.h"
#include "host/cli/map.h"
#include "host/cli/program.h"
#include "host/cli/resize.h"
#include "host/cli/version.h"

struct subcommand {
        const char *name;
        const char *summary;
        int (*run)(int argc, char **argv); /* argv[0] is the name */
};

static int help_command(int argc, char **argv);

static const struct subcommand subcommands[] = {
    {"bitmap",
     "create, delete, clear, enable, disable and merge persistent dirty bitmaps",
     bitmap_command},
    {"info", "describe an image, its bitmaps and what is wrong with them", info_command},
    {"map", "show which regions of the disk a bitmap marks dirty", map_command},
    {"check", "recover interrupted edits, check an image and its bitmaps", check_command},
    {"resize", "make the disk of an image larger or smaller", resize_command},
    {"journal", "show an undo journal", journal_command},
    {"help", "print this help, or that of a subcommand", help_command},
};

#define SUBCOMMAND_COUNT (sizeof subcommands / sizeof subcommands[0])

static const struct subcommand *find_subcommand(const char *name)
{
        for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
                if (strcmp(subcommands[i].name, name) == 0)
                        return &subcommands[i];
        return NULL;
}

static void append_usage(struct text *text)
{
        text_string(text, "Usage: instar SUBCOMMAND [OPTION]... [ARGUMENT]...\n"
                          "       instar --help | --version [-v]\n"
                          "\n"
                          "Edit qcow2 images so that no crash leaves them half-edited.\n"
                          "\n"
                          "Subcommands:\n");
        for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
                text_string(text, "  ");
                text_string(text, subcommands[i].name);
                text_bytes(text, "            ", 12 - strlen(subcommands[i].name));
                text_string(text, subcommands[i].summary);
                text_string(text, "\n");
        }
        text_string(
            text, "\n"
                  "Exit codes:\n"
                  "  0      done\n"
                  "  1      refused or failed: the first line on stderr says why\n"
                  "  2      the command line could not be parsed; check: corruptions\n"
                  "  3      check: leaked clusters\n"
                  "  4      the image is in conflict with an interrupted edit's journal\n"
                  "  5      an undo journal cannot be trusted or read\n"
                  "  63     check: not a qcow2 image\n"
                  "  128+n  interrupted by signal n\n"
                  "\n"
                  "'instar SUBCOMMAND --help' tells more.\n");
}

int program_refuse(const char *command, enum message message,
                   const struct message_values *values)
{
        struct text err;

        text_start(&err);
        message_append(&err, command, message, values);
        text_write(&err, STDERR_FILENO);
        return EXIT_REFUSED;
}

int program_deliver(const char *command, enum message failed, const struct text *out,
                    const struct text *err, int exit_code)
{
        const struct message_values values = {.error = text_write(out, STDOUT_FILENO)};

        if (values.error)
                exit_code = program_refuse(command, failed, &values);
        text_write(err, STDERR_FILENO);
        return exit_code;
}

int program_print(const char *command, const char *string)
{
        struct text out;
        struct message_values values = {0};

        text_start(&out);
        text_string(&out, string);
        values.error = text_write(&out, STDOUT_FILENO);
        return values.error ? program_refuse(command, MESSAGE_PRINT_FAILED, &values)
                            : EXIT_DONE;
}

static int print_version(const char *command)
{
        char version[64];

        stpcpy(stpcpy(stpcpy(version, command), " " INSTAR_VERSION), "\n");
        return program_print(command, version);
}

static int print_usage(void)
{
        struct text usage;

        text_start(&usage);
        append_usage(&usage);
        text_bytes(&usage, "", 1);
        return program_print("instar", usage.bytes);
}

/* What the option parser rejects, and where help is. */
static int reject_options(const char *command, const struct option_error *error)
{
        struct text err;
        struct message_values values = {.argument = error->argument,
                                        .candidates = error->candidates};

        text_start(&err);
        message_append(&err, command, error->message, &values);
        text_string(&err, "Try '");
        text_string(&err, command);
        text_string(&err, " --help' for more information.\n");
        text_write(&err, STDERR_FILENO);
        return EXIT_COMMAND_LINE;
}

int program_answer(const char *command, enum parse_result asked, const char *help,
                   const struct option_error *error)
{
        switch (asked) {
        case PARSE_HELP:
                return program_print(command, help);
        case PARSE_VERSION:
                return print_version(command);
        case PARSE_REJECTED:
                return reject_options(command, error);
        default: /* PARSE_NO_MEMORY */
                return program_refuse(command, MESSAGE_OUT_OF_MEMORY,
                                      &(struct message_values){0});
        }
}

static int reject(enum message message, const char *argument)
{
        struct option_error error = {.message = message, .argument = argument};

        return reject_options("instar", &error);
}

/* No subcommand: the message, then what there is to choose from. */
static int reject_nothing(void)
{
        struct text err;
        struct message_values none = {0};

        text_start(&err);
        message_append(&err, "instar", MESSAGE_NO_SUBCOMMAND, &none);
        append_usage(&err);
        text_write(&err, STDERR_FILENO);
        return EXIT_COMMAND_LINE;
}

/* `instar help [SUBCOMMAND]` */
static int help_command(int argc, char **argv)
{
        char help_option[] = "--help";
        const struct subcommand *subcommand;

        if (argc > 2)
                return reject(MESSAGE_EXTRA_POSITIONAL, argv[2]);
        if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
                return print_usage();
        subcommand = find_subcommand(argv[1]);
        if (!subcommand)
                return reject(MESSAGE_UNKNOWN_SUBCOMMAND, argv[1]);
        return subcommand->run(2, (char *[]){argv[1], help_option, NULL});
}

/* True for the whole option or an abbreviation of it. */
static bool is_option(const char *argument, const char *option)
{
        size_t length = strlen(argument);

        return length > 2 && strncmp(argument, option, length) == 0;
}

static int print_everything(void)
{
        struct text text;

        text_start(&text);
        text_string(&text, "instar " INSTAR_VERSION "\n");
        version_append_sandbox(&text);
        text_bytes(&text, "", 1);
        return program_print("instar", text.bytes);
}

/* What is behind --version; nothing else is looked at, as ever, but -v. */
static int version_command(int count, char **arguments)
{
        if (count > 0 &&
            (strcmp(arguments[0], "-v") == 0 || is_option(arguments[0], "--verbose")))
                return print_everything();
        return print_version("instar");
}

/* The environment and the command line say which files are written, so whoever calls
 * must have the right to it. */
static bool has_more_privileges(void)
{
        return getauxval(AT_SECURE) != 0;
}

static int refuse_privileges(void)
{
        struct text err;
        struct message_values none = {0};

        text_start(&err);
        message_append(&err, "instar", MESSAGE_MORE_PRIVILEGES, &none);
        text_write(&err, STDERR_FILENO);
        return EXIT_REFUSED;
}

int program_run(int argc, char **argv)
{
        const struct subcommand *subcommand;

        if (has_more_privileges())
                return refuse_privileges();
        if (argc < 2)
                return reject_nothing();
        if (strcmp(argv[1], "-h") == 0 || is_option(argv[1], "--help"))
                return print_usage();
        if (strcmp(argv[1], "-V") == 0 || is_option(argv[1], "--version"))
                return version_command(argc - 2, argv + 2);
        if (argv[1][0] == '-' && argv[1][1] != '\0')
                return reject(MESSAGE_OPTION_UNKNOWN, argv[1]);
        subcommand = find_subcommand(argv[1]);
        if (!subcommand)
                return reject(MESSAGE_UNKNOWN_SUBCOMMAND, argv[1]);
        return subcommand->run(argc - 1, argv + 1);
}
