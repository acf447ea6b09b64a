/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/command_line_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/harness/command_line_request.h"
#include "host/cli/check_all.h"
#include "host/cli/edit_command.h"
#include "host/cli/environment.h"
#include "host/cli/journal_places.h"

struct command_line_world command_line_world;

#define world command_line_world

_Noreturn void command_line_finding(const char *what)
{
        fprintf(stderr, "finding: not so: %s\n", what);
        fprintf(stderr, "stdout: %.*s\nstderr: %.*s\n", (int)world.out.length,
                world.out.bytes, (int)world.err.length, world.err.bytes);
        abort();
}

/* ---- the C library --------------------------------------------------------------------
 */

char *__real_getenv(const char *name);
char *__wrap_getenv(const char *name);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_stat(const char *path, struct stat *status);
int __wrap_stat(const char *path, struct stat *status);
int __real_faccessat(int directory, const char *path, int mode, int flags);
int __wrap_faccessat(int directory, const char *path, int mode, int flags);
ssize_t __real_write(int fd, const void *bytes, size_t length);
ssize_t __wrap_write(int fd, const void *bytes, size_t length);

char *__wrap_getenv(const char *name)
{
        if (!world.inside)
                return __real_getenv(name);
        if (strcmp(name, "INSTAR_SANDBOX") == 0)
                return (char *)(uintptr_t)world.sandbox;
        if (strcmp(name, "INSTAR_JOURNAL_DIR") == 0)
                return (char *)(uintptr_t)world.directory;
        return NULL;
}

static int refuse(void)
{
        errno = world.error;
        return -1;
}

int __wrap_open(const char *path, int flags, ...)
{
        va_list arguments;
        mode_t mode = 0;

        if (world.inside)
                return refuse();
        va_start(arguments, flags);
        if (flags & O_CREAT)
                mode = va_arg(arguments, mode_t);
        va_end(arguments);
        return __real_open(path, flags, mode);
}

int __wrap_stat(const char *path, struct stat *status)
{
        return world.inside ? refuse() : __real_stat(path, status);
}

int __wrap_faccessat(int directory, const char *path, int mode, int flags)
{
        if (!world.inside)
                return __real_faccessat(directory, path, mode, flags);
        return world.readable ? 0 : refuse();
}

ssize_t __wrap_write(int fd, const void *bytes, size_t length)
{
        struct command_line_output *output =
            fd == STDOUT_FILENO ? &world.out : &world.err;

        if (!world.inside)
                return __real_write(fd, bytes, length);
        MUST(fd == STDOUT_FILENO || fd == STDERR_FILENO);
        MUST(length <= COMMAND_LINE_OUTPUT - output->length);
        memcpy(output->bytes + output->length, bytes, length);
        output->length += length;
        return (ssize_t)length;
}

/* ---- instar's own
 * ---------------------------------------------------------------------- */

void __wrap_signals_catch(void);
void __wrap_metadata_catch_signal(void);
int __wrap_journal_places_start(struct journal_places *places, const char *directory);
void __wrap_known_from_index(struct check_run *run, struct known_journals *known);
void __wrap_known_from_folder(const char *folder, struct known_journals *known,
                              void (*failed)(void *context, const char *path, int error),
                              void *context);
int __real_edit_command_run(const struct edit_command *command, int argc, char **argv);
int __wrap_edit_command_run(const struct edit_command *command, int argc, char **argv);

void __wrap_signals_catch(void)
{
}

void __wrap_metadata_catch_signal(void)
{
}

/* No state directory. */
int __wrap_journal_places_start(struct journal_places *places, const char *directory)
{
        *places = (struct journal_places){.journal_directory =
                                              environment_journal_directory(directory)};
        return 0;
}

void __wrap_known_from_index(struct check_run *run, struct known_journals *known)
{
        (void)run;
        (void)known;
}

void __wrap_known_from_folder(const char *folder, struct known_journals *known,
                              void (*failed)(void *context, const char *path, int error),
                              void *context)
{
        (void)known;
        failed(context, folder, world.error);
}

/* It comes as far as the image, which cannot be opened. */
int __wrap_edit_command_run(const struct edit_command *command, int argc, char **argv)
{
        world.edits++;
        world.call = *command->call;
        command_line_judge_request(command);
        command_line_judge_quoted(argc, argv);
        return __real_edit_command_run(command, argc, argv);
}
