/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/format.h"

void scratch_create(struct scratch *scratch)
{
        /* Not the working directory: another user may have to get there. */
        scratch_create_in(scratch, "/var/tmp");
}

void scratch_create_in(struct scratch *scratch, const char *parent)
{
        char template[64];
        char *resolved;

        snprintf(template, sizeof template, "%s/journal-test-XXXXXX", parent);
        resolved = mkdtemp(template);
        assert(resolved);
        resolved = realpath(template, NULL);
        assert(resolved && strlen(resolved) < sizeof scratch->path);
        strcpy(scratch->path, resolved);
        free(resolved);
}

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *walk)
{
        (void)status;
        (void)kind;
        (void)walk;
        return remove(path);
}

void scratch_remove(struct scratch *scratch)
{
        int error = nftw(scratch->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);

        assert(error == 0);
        (void)error;
}

const char *scratch_path(const struct scratch *scratch, const char *name)
{
        static char paths[8][8192];
        static unsigned int next;
        char *path = paths[next++ % 8];

        snprintf(path, sizeof paths[0], "%s/%s", scratch->path, name);
        return path;
}

int scratch_file(const struct scratch *scratch, const char *name, uint64_t size)
{
        int fd = open(scratch_path(scratch, name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                      0600);
        int error;

        assert(fd >= 0);
        error = ftruncate(fd, (off_t)size);
        assert(error == 0);
        (void)error;
        return fd;
}

void scratch_place(const struct scratch *scratch, const char *name,
                   struct journal_place *place)
{
        memset(place, 0, sizeof *place);
        place->directory_fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert(place->directory_fd >= 0);
        assert(strlen(name) < sizeof place->name);
        strcpy(place->name, name);
        place->path = strdup(scratch_path(scratch, name));
}

void scratch_identity(struct journal_identity *identity)
{
        memset(identity, 0, sizeof *identity);
        identity->kind = JOURNAL_IDENTITY_INODE;
        identity->length = 20;
        memset(identity->bytes, 0x5a, identity->length);
}

struct journal *scratch_journal(const struct journal_place *place, const char *asked)
{
        struct journal_identity identity;
        struct journal *journal;
        int error;

        scratch_identity(&identity);
        error = journal_prepare(place, &identity, "/images/disk", asked, &journal);
        assert(error == 0);
        (void)error;
        return journal;
}

int scratch_open(const struct journal_place *place)
{
        return openat(place->directory_fd, place->name, O_RDWR | O_CLOEXEC);
}
