/* SPDX-License-Identifier: MIT */
/*
 * Is a journal of this image there already?  Looked for in every place where an earlier
 * edit may have put it: circumstances change (a second link was made and removed, the
 * directory became writable), the journal stays where it was.
 */
#include "journal/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Visit DIRECTORY/NAME if anything is there. */
static int look_in(const char *directory, const char *name,
                   int (*visit)(void *context, const char *path), void *context)
{
        struct stat status;
        char *path;
        int result = 0;

        if (asprintf(&path, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name) <
            0)
                return -ENOMEM;
        if (lstat(path, &status) == 0)
                result = visit(context, path);
        else if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
                result = -errno;
        free(path);
        return result;
}

static int look_beside(const struct journal_search *search,
                       int (*visit)(void *context, const char *path), void *context)
{
        char *directory;
        char *name;
        int status = place_beside(search->resolved_path, &directory, &name);

        if (status == -ENAMETOOLONG)
                return 0;
        if (status)
                return status;
        status = look_in(directory, name, visit, context);
        free(directory);
        free(name);
        return status;
}

/* In a directory where the name is made from the identity. */
static int look_for_identity(const struct journal_search *search, const char *directory,
                             int (*visit)(void *context, const char *path), void *context)
{
        char name[64];

        place_identity_name(search->identity, name, sizeof name);
        return look_in(directory, name, visit, context);
}

static int look_in_named_directory(const struct journal_search *search,
                                   int (*visit)(void *context, const char *path),
                                   void *context)
{
        char *resolved;
        int status;

        if (!search->journal_directory)
                return 0;
        resolved = realpath(search->journal_directory, NULL);
        if (!resolved)
                return -errno;
        status = look_for_identity(search, resolved, visit, context);
        free(resolved);
        return status;
}

static int look_in_state_directory(const struct journal_search *search,
                                   int (*visit)(void *context, const char *path),
                                   void *context)
{
        char *journals;
        int status;

        if (!search->state_directory)
                return 0;
        journals = place_state_journals(search->state_directory);
        if (!journals)
                return -ENOMEM;
        status = look_for_identity(search, journals, visit, context);
        free(journals);
        return status;
}

int journal_place_search(const struct journal_search *search,
                         int (*visit)(void *context, const char *path), void *context)
{
        int status = look_beside(search, visit, context);

        if (status == 0)
                status = look_in_named_directory(search, visit, context);
        if (status == 0)
                status = look_in_state_directory(search, visit, context);
        return status;
}
