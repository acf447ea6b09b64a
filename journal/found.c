/* SPDX-License-Identifier: MIT */
/*
 * Examining a journal that was found: may it be believed, and what does it say of itself.
 *
 * Whoever may write to a directory can put anything there under a journal's name: a FIFO,
 * a link to somebody's file, a forged journal.  So the type is looked at first, by name,
 * since opening some things has effects; then again on the open descriptor, which alone
 * counts.
 */
#include "journal/found.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/hex.h"
#include "journal/tally.h"

int journal_image_describe(int image_fd, struct journal_image *image)
{
        struct stat status;

        memset(image, 0, sizeof *image);
        if (fstat(image_fd, &status) != 0)
                return -errno;
        image->owner = status.st_uid;
        return journal_identify(image_fd, &image->identity);
}

const char *journal_distrust_text(enum journal_distrust distrust)
{
        static const char *const texts[] = {
            [JOURNAL_TRUSTED] = "it is trusted",
            [JOURNAL_NOT_A_FILE] = "it is not a regular file",
            [JOURNAL_LINKED] = "it has more than one link",
            [JOURNAL_WRITABLE] = "its mode lets others write to it",
            [JOURNAL_STRANGERS] =
                "it belongs to neither this user, root nor the image's owner",
        };

        if ((size_t)distrust >= sizeof texts / sizeof *texts)
                return "it is not trusted";
        return texts[distrust];
}

/* ---- opening --------------------------------------------------------------- */

static enum journal_distrust judge_status(const struct stat *status,
                                          const struct journal_image *image)
{
        if (!S_ISREG(status->st_mode))
                return JOURNAL_NOT_A_FILE;
        if (status->st_nlink > 1)
                return JOURNAL_LINKED;
        if (status->st_mode & 022)
                return JOURNAL_WRITABLE;
        if (status->st_uid != geteuid() && status->st_uid != 0 &&
            (!image || status->st_uid != image->owner))
                return JOURNAL_STRANGERS;
        return JOURNAL_TRUSTED;
}

static void unreadable(struct journal_found *found)
{
        found->state = errno == ENOENT ? JOURNAL_GONE : JOURNAL_UNREADABLE;
        found->error = -errno;
}

static void untrusted(struct journal_found *found, enum journal_distrust distrust)
{
        found->state = JOURNAL_UNTRUSTED;
        found->distrust = distrust;
}

/* Why it cannot be opened; a stranger's file is not worth the permission to read it, even
 * if only its name tells whose it is. */
static void not_opened(struct journal_found *found, const struct stat *by_name,
                       const struct journal_image *image)
{
        enum journal_distrust distrust = JOURNAL_TRUSTED;

        unreadable(found);
        if (found->error == -EACCES)
                distrust = judge_status(by_name, image);
        if (distrust)
                untrusted(found, distrust);
}

/* Open the file, if it is one and can be trusted; false where that decides the state. */
static bool open_file(struct journal_found *found, const struct journal_image *image)
{
        struct stat status;
        enum journal_distrust distrust;

        if (fstatat(found->directory_fd, found->name, &status, AT_SYMLINK_NOFOLLOW) !=
            0) {
                unreadable(found);
                return false;
        }
        if (!S_ISREG(status.st_mode)) {
                untrusted(found, JOURNAL_NOT_A_FILE);
                return false;
        }
        found->fd = openat(found->directory_fd, found->name,
                           (found->read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW |
                               O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (found->fd < 0) {
                not_opened(found, &status, image);
                return false;
        }
        if (fstat(found->fd, &status) != 0) {
                unreadable(found);
                return false;
        }
        distrust = judge_status(&status, image);
        if (distrust)
                untrusted(found, distrust);
        return !distrust;
}

/* Its writer may have removed it between our open and our lock. */
static bool still_there(struct journal_found *found)
{
        struct stat status;

        if (fstat(found->fd, &status) == 0 && status.st_nlink > 0)
                return true;
        found->state = JOURNAL_GONE;
        return false;
}

/* The lock that a living writer holds (begin.c).  Who only looks tests it and takes none:
 * an edit that met a looker's lock would be refused for nothing. */
static bool is_free(struct journal_found *found)
{
        struct flock lock = {.l_type = found->read_only ? F_RDLCK : F_WRLCK,
                             .l_whence = SEEK_SET};
        int command = found->read_only ? F_OFD_GETLK : F_OFD_SETLK;

        if (fcntl(found->fd, command, &lock) != 0) {
                found->error = -errno;
                found->state = errno == EAGAIN || errno == EACCES ? JOURNAL_BUSY
                                                                  : JOURNAL_UNREADABLE;
                return false;
        }
        if (found->read_only && lock.l_type != F_UNLCK) {
                found->state = JOURNAL_BUSY;
                return false;
        }
        return still_there(found);
}

/* ---- reading --------------------------------------------------------------- */

static int copy_text(const uint8_t *text, uint32_t length, char **copy)
{
        if (*copy || length == 0)
                return 0;
        *copy = strndup((const char *)text, length);
        return *copy ? 0 : -ENOMEM;
}

static int count_changes(struct journal_found *found)
{
        struct journal_reader *reader = &found->reader;
        struct journal_tally tally = {0};
        struct journal_record record;
        int status = journal_reader_first(reader, &record);

        for (; status == 1; status = journal_reader_next(reader, &record)) {
                if (record.kind == JOURNAL_RECORD_ASKED &&
                    (copy_text(record.asked.text, record.asked.length, &found->asked) ||
                     copy_text(record.asked.path, record.asked.path_length,
                               &found->image_path)))
                        return -ENOMEM;
                if (record.kind == JOURNAL_RECORD_CHANGE)
                        journal_tally_add(&tally, &record);
        }
        found->extents = tally.extents;
        found->bytes = tally.bytes;
        return status;
}

static enum journal_state state_of(const struct journal_found *found,
                                   const struct journal_image *image, int error)
{
        const struct journal_reader *reader = &found->reader;
        bool others = image && reader->has_header &&
                      !journal_identity_equal(&reader->header.identity, &image->identity);

        if (error == -EPROTONOSUPPORT)
                return JOURNAL_NEWER;
        if (error && error != -EBADMSG)
                return JOURNAL_UNREADABLE;
        if (error)
                return others ? JOURNAL_OTHERS : JOURNAL_DAMAGED;
        if (reader->ending)
                return JOURNAL_ENDED;
        if (reader->closed_batches == 0)
                return JOURNAL_EMPTY;
        return others ? JOURNAL_OTHERS : JOURNAL_HOT;
}

static void read_file(struct journal_found *found, const struct journal_image *image)
{
        int error = journal_reader_open(&found->reader, found->fd);

        if (found->reader.has_header)
                hex_text(found->reader.header.transaction, JOURNAL_ID_SIZE,
                         found->transaction);
        if (!error)
                error = count_changes(found);
        found->error = error;
        found->state = state_of(found, image, error);
}

/* ---- the whole ------------------------------------------------------------- */

/* The directory of `path`, open, and the name in it. */
static int open_directory(struct journal_found *found)
{
        char *slash = strrchr(found->path, '/');
        int error = 0;

        if (!slash || strlen(slash + 1) >= sizeof found->name)
                return -EINVAL;
        strcpy(found->name, slash + 1);
        *slash = '\0';
        found->directory_fd = open(slash == found->path ? "/" : found->path,
                                   O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
        if (found->directory_fd < 0)
                error = -errno;
        *slash = '/';
        return error;
}

int journal_found_open(const char *path, const struct journal_image *image,
                       bool read_only, struct journal_found **result)
{
        struct journal_found *found = calloc(1, sizeof *found);
        int error;

        *result = NULL;
        if (!found)
                return -ENOMEM;
        found->fd = -1;
        found->directory_fd = -1;
        found->read_only = read_only;
        found->path = strdup(path);
        error = found->path ? open_directory(found) : -ENOMEM;
        if (error) {
                journal_found_close(found);
                return error;
        }
        if (open_file(found, image) && is_free(found)) {
                read_file(found, image);
                if (read_only) /* who came while it was read may have changed it */
                        (void)is_free(found);
        } else if (found->fd >= 0) { /* whose it is: no more than that is believed */
                (void)journal_reader_open(&found->reader, found->fd);
        }
        *result = found;
        return 0;
}

void journal_found_close(struct journal_found *found)
{
        if (!found)
                return;
        if (found->fd >= 0)
                close(found->fd);
        if (found->directory_fd >= 0)
                close(found->directory_fd);
        free(found->path);
        free(found->asked);
        free(found->image_path);
        free(found);
}
