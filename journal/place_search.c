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

/* 1 if anything of that name is there, 0 if not, or a negative errno. */
static int name_exists(int directory_fd, const char *name)
{
        struct stat status;

        if (fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
                return 1;
        if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG)
                return 0;
        return -errno;
}

/* The same for DIRECTORY/NAME; *found is the path then. */
static int look_in(const char *directory, const char *name, char **found)
{
        char *path;
        int status;

        if (asprintf(&path, "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name) <
            0)
                return -ENOMEM;
        status = name_exists(AT_FDCWD, path);
        if (status == 1)
                *found = path;
        else
                free(path);
        return status;
}

static int look_beside(const char *resolved_path, char **found)
{
        char *directory;
        char *name;
        int status = place_beside(resolved_path, &directory, &name);

        if (status == -ENAMETOOLONG)
                return 0;
        if (status)
                return status;
        status = look_in(directory, name, found);
        free(directory);
        free(name);
        return status;
}

static int look_in_state_directory(const char *state_directory,
                                   const struct journal_identity *identity, char **found)
{
        char name[64];
        char *journals;
        int status;

        if (!state_directory)
                return 0;
        journals = place_state_journals(state_directory);
        if (!journals)
                return -ENOMEM;
        place_identity_name(identity, name, sizeof name);
        status = look_in(journals, name, found);
        free(journals);
        return status;
}

static int look_in_chosen(const struct journal_place *chosen, char **found)
{
        int status;

        if (!chosen || chosen->directory_fd < 0)
                return 0;
        status = name_exists(chosen->directory_fd, chosen->name);
        if (status != 1)
                return status;
        *found = strdup(chosen->path);
        return *found ? 1 : -ENOMEM;
}

int journal_place_search(const struct journal_place *chosen, const char *resolved_path,
                         const char *state_directory,
                         const struct journal_identity *identity,
                         enum journal_presence *presence, char **found_path)
{
        int status;

        *presence = JOURNAL_ABSENT;
        *found_path = NULL;
        status = look_in_chosen(chosen, found_path);
        if (status == 0)
                status = look_beside(resolved_path, found_path);
        if (status == 0)
                status = look_in_state_directory(state_directory, identity, found_path);
        if (status < 0)
                return status;
        if (status == 1)
                *presence = JOURNAL_PRESENT;
        return 0;
}
