/* SPDX-License-Identifier: MIT */
/*
 * Where the state directory is.  The home directory comes from the environment, never
 * from the user database: that would pull name services into a static binary.
 */
#include "journal/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/directory.h"

#define ROOTS_STATE_DIRECTORY "/var/lib/instar"

/* The XDG specification has relative paths ignored. */
static const char *absolute_variable(const char *name)
{
        const char *value = getenv(name);

        return value && value[0] == '/' ? value : NULL;
}

static int join(char **path, const char *directory, const char *rest)
{
        if (asprintf(path, "%s%s", directory, rest) >= 0)
                return 0;
        *path = NULL;
        return -ENOMEM;
}

/* The index keeps absolute paths. */
static int join_working_directory(char **path, const char *relative)
{
        char *working = getcwd(NULL, 0);
        int error;

        if (!working)
                return -errno;
        error = asprintf(path, "%s/%s", working, relative) < 0 ? -ENOMEM : 0;
        if (error)
                *path = NULL;
        free(working);
        return error;
}

int journal_state_directory(char **path)
{
        const char *chosen = getenv("INSTAR_STATE_DIR");
        const char *directory;

        *path = NULL;
        if (chosen && *chosen) {
                if (strcmp(chosen, "none") == 0)
                        return 0;
                return chosen[0] == '/' ? join(path, chosen, "")
                                        : join_working_directory(path, chosen);
        }
        if (geteuid() == 0)
                return join(path, ROOTS_STATE_DIRECTORY, "");
        directory = absolute_variable("XDG_STATE_HOME");
        if (directory)
                return join(path, directory, "/instar");
        directory = absolute_variable("HOME");
        if (directory)
                return join(path, directory, "/.local/state/instar");
        return 0;
}

int journal_state_directory_prepare(const char *path)
{
        int error = make_directories(path);
        int fd;

        if (error)
                return error;
        fd = open_private_directory(path);
        if (fd < 0)
                return fd;
        close(fd);
        return 0;
}
