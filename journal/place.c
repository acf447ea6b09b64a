/* SPDX-License-Identifier: MIT */
/*
 * Where the journal of an image lives.
 *
 * Beside the image, so that it travels with it and is found by name; unless another
 * name of the image would not lead to it (several links, a block device, a file mounted
 * over another), or its directory is no good for it: not writable, sticky
 * (anybody could put a file of that name there first), or with no room in the name.  Then
 * it is in the state directory, or where the user says, under a name made from the
 * identity: two images with one base name must not meet there.
 */
#include "journal/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "journal/directory.h"
#include "journal/identity.h"

#define STATE_JOURNALS "journals"

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK)

int place_beside(const char *resolved_path, char **directory, char **name)
{
        const char *slash = strrchr(resolved_path, '/');
        const char *base;

        *directory = NULL;
        *name = NULL;
        if (!slash || slash[1] == '\0')
                return -EINVAL;
        base = slash + 1;
        if (strlen(base) + strlen(JOURNAL_SUFFIX) > NAME_MAX)
                return -ENAMETOOLONG;
        *directory = slash == resolved_path
                         ? strdup("/")
                         : strndup(resolved_path, (size_t)(slash - resolved_path));
        if (!*directory)
                return -ENOMEM;
        if (asprintf(name, "%s%s", base, JOURNAL_SUFFIX) < 0) {
                free(*directory);
                *directory = NULL;
                *name = NULL;
                return -ENOMEM;
        }
        return 0;
}

void place_identity_name(const struct journal_identity *identity, char *name, size_t size)
{
        char digest[IDENTITY_DIGEST_SIZE];

        identity_digest(identity, digest);
        snprintf(name, size, "%s%s", digest, JOURNAL_SUFFIX);
}

char *place_state_journals(const char *state_directory)
{
        char *path;

        return asprintf(&path, "%s/" STATE_JOURNALS, state_directory) < 0 ? NULL : path;
}

/* Fill in the place; takes over `directory_fd`, also in case of an error. */
static int settle(struct journal_place *place, int directory_fd, const char *directory,
                  const char *name, bool beside_image)
{
        const char *slash = directory[strlen(directory) - 1] == '/' ? "" : "/";

        if (strlen(name) >= sizeof place->name ||
            asprintf(&place->path, "%s%s%s", directory, slash, name) < 0) {
                place->path = NULL;
                close(directory_fd);
                return -ENOMEM;
        }
        strcpy(place->name, name);
        place->directory_fd = directory_fd;
        place->beside_image = beside_image;
        return 0;
}

/* Mounts are told apart by number; a kernel that has none gives the device, which
 * finds all but bind mounts of one file system. */
static int same_mount(int image_fd, int directory_fd)
{
        struct statx image;
        struct statx directory;
        unsigned int mask = STATX_BASIC_STATS | STATX_MNT_ID;

        if (statx(image_fd, "", AT_EMPTY_PATH, mask, &image) != 0 ||
            statx(directory_fd, "", AT_EMPTY_PATH, mask, &directory) != 0)
                return -errno;
        if (image.stx_dev_major != directory.stx_dev_major ||
            image.stx_dev_minor != directory.stx_dev_minor)
                return 0;
        if (!(image.stx_mask & directory.stx_mask & STATX_MNT_ID))
                return 1;
        return image.stx_mnt_id == directory.stx_mnt_id;
}

/* The name in the directory must still be the image, or the journal would lie beside
 * another file. */
static int still_the_image(int image_fd, int directory_fd, const char *resolved_path)
{
        const char *base = strrchr(resolved_path, '/') + 1;
        struct stat image;
        struct stat named;

        if (fstat(image_fd, &image) != 0)
                return -errno;
        if (fstatat(directory_fd, base, &named, AT_SYMLINK_NOFOLLOW) != 0)
                return errno == ENOENT ? -ESTALE : -errno;
        return image.st_dev == named.st_dev && image.st_ino == named.st_ino ? 0 : -ESTALE;
}

/* 1 if the directory is good for the journal, 0 if not, or a negative errno. */
static int directory_is_good(int directory_fd)
{
        struct stat status;

        if (fstat(directory_fd, &status) != 0)
                return -errno;
        if (status.st_mode & S_ISVTX)
                return 0;
        if (faccessat(directory_fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
                return 0;
        return 1;
}

/* 1 and *place filled, 0 if it cannot be beside the image, or a negative errno. */
static int try_directory(int image_fd, const char *resolved_path, const char *directory,
                         const char *name, struct journal_place *place)
{
        int fd = open(directory, DIRECTORY_FLAGS);
        int status;

        if (fd < 0)
                return errno == EACCES ? 0 : -errno;
        status = directory_is_good(fd);
        if (status == 1)
                status = same_mount(image_fd, fd);
        if (status == 1) {
                int error = still_the_image(image_fd, fd, resolved_path);
                if (error)
                        status = error;
        }
        if (status != 1) {
                close(fd);
                return status;
        }
        status = settle(place, fd, directory, name, true);
        return status ? status : 1;
}

static int choose_beside(int image_fd, const char *resolved_path,
                         struct journal_place *place)
{
        struct stat image;
        char *directory;
        char *name;
        int status;

        if (fstat(image_fd, &image) != 0)
                return -errno;
        if (!S_ISREG(image.st_mode) || image.st_nlink != 1)
                return 0;
        status = place_beside(resolved_path, &directory, &name);
        if (status == -ENAMETOOLONG)
                return 0;
        if (status)
                return status;
        status = try_directory(image_fd, resolved_path, directory, name, place);
        free(directory);
        free(name);
        return status;
}

/* Takes over `fd`, the open directory. */
static int settle_by_identity(int fd, const char *directory,
                              const struct journal_identity *identity,
                              struct journal_place *place)
{
        char name[sizeof place->name];

        place_identity_name(identity, name, sizeof name);
        return settle(place, fd, directory, name, false);
}

/* What the user named may be relative; what is told and stored is not. */
static int choose_named_directory(const char *directory,
                                  const struct journal_identity *identity,
                                  struct journal_place *place)
{
        char *resolved = realpath(directory, NULL);
        int error;
        int fd;

        if (!resolved)
                return -errno;
        fd = open(resolved, DIRECTORY_FLAGS);
        error = fd < 0 ? -errno : settle_by_identity(fd, resolved, identity, place);
        free(resolved);
        return error;
}

/* What was found to be private is what is used: by its path it may be another one by
 * then. */
static int open_state_journals(const char *state_directory)
{
        int error = make_directories(state_directory);
        int state;
        int journals;

        if (error)
                return error;
        state = open_private_directory(state_directory);
        if (state < 0)
                return state;
        journals = open_private_directory_in(state, STATE_JOURNALS);
        close(state);
        return journals;
}

static int choose_state_directory(const char *state_directory,
                                  const struct journal_identity *identity,
                                  struct journal_place *place)
{
        char *journals;
        int error;
        int fd;

        if (!state_directory)
                return -EDESTADDRREQ;
        fd = open_state_journals(state_directory);
        if (fd < 0)
                return fd;
        journals = place_state_journals(state_directory);
        if (!journals) {
                close(fd);
                return -ENOMEM;
        }
        error = settle_by_identity(fd, journals, identity, place);
        free(journals);
        return error;
}

static bool in_memory(const struct statfs *file_system)
{
        return file_system->f_type == TMPFS_MAGIC || file_system->f_type == RAMFS_MAGIC;
}

/* A journal must outlive what the image outlives. */
static int refuse_memory(int image_fd, const struct journal_place *place)
{
        struct statfs image;
        struct statfs directory;

        if (fstatfs(image_fd, &image) != 0 ||
            fstatfs(place->directory_fd, &directory) != 0)
                return -errno;
        return in_memory(&directory) && !in_memory(&image) ? -EXDEV : 0;
}

int journal_place_choose(int image_fd, const char *resolved_path,
                         const char *journal_directory, const char *state_directory,
                         const struct journal_identity *identity,
                         struct journal_place *place)
{
        int status = 0;

        memset(place, 0, sizeof *place);
        place->directory_fd = -1;
        if (journal_directory)
                status = choose_named_directory(journal_directory, identity, place);
        else
                status = choose_beside(image_fd, resolved_path, place);
        if (status == 0 && !journal_directory)
                status = choose_state_directory(state_directory, identity, place);
        if (status >= 0)
                status = refuse_memory(image_fd, place);
        if (status < 0)
                journal_place_release(place);
        return status;
}

void journal_place_release(struct journal_place *place)
{
        if (place->directory_fd >= 0)
                close(place->directory_fd);
        free(place->path);
        place->directory_fd = -1;
        place->path = NULL;
}
