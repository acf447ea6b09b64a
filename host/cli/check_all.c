/* SPDX-License-Identifier: MIT */
#include "host/cli/check_all.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- collecting ----------------------------------------------------------------- */

static bool is_known(const struct known_journals *known, const char *path)
{
        for (size_t i = 0; i < known->count; i++)
                if (strcmp(known->list[i].path, path) == 0)
                        return true;
        return false;
}

static void add(struct known_journals *known, const char *path, const char *image)
{
        struct known_journal *list;
        struct known_journal added = {0};

        if (is_known(known, path))
                return;
        list = reallocarray(known->list, known->count + 1, sizeof *list);
        added.path = strdup(path);
        added.image = image ? strdup(image) : NULL;
        if (list)
                known->list = list;
        if (!list || !added.path || (image && !added.image)) {
                free(added.path);
                free(added.image);
                known->no_memory = true;
                return;
        }
        known->list[known->count++] = added;
}

static int add_entry(void *context, const struct journal_index_entry *entry)
{
        add(context, entry->journal_path, entry->image_path);
        return 0;
}

void known_from_index(struct check_run *run, struct known_journals *known)
{
        int error = journal_index_each(run->places.index, add_entry, known);

        if (error < 0 && !run->places.index_error)
                run->places.index_error = error;
}

static bool is_journal_name(const char *name, size_t length)
{
        size_t suffix = strlen(JOURNAL_SUFFIX);

        return length > suffix && strcmp(name + length - suffix, JOURNAL_SUFFIX) == 0;
}

static void take_entry(const FTSENT *entry, struct known_journals *known,
                       void (*failed)(void *context, const char *path, int error),
                       void *context)
{
        switch (entry->fts_info) {
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
                failed(context, entry->fts_path, entry->fts_errno);
                break;
        case FTS_D:
        case FTS_DP:
                break;
        default:
                if (is_journal_name(entry->fts_name, entry->fts_namelen))
                        add(known, entry->fts_path, NULL);
        }
}

void known_from_folder(const char *folder, struct known_journals *known,
                       void (*failed)(void *context, const char *path, int error),
                       void *context)
{
        char *resolved = realpath(folder, NULL);
        struct stat status;
        FTS *tree;
        FTSENT *entry;

        if (!resolved) {
                failed(context, folder, errno);
                return;
        }
        /* Nothing would be found in an image, and that would sound like good news. */
        if (stat(resolved, &status) == 0 && !S_ISDIR(status.st_mode) &&
            !is_journal_name(resolved, strlen(resolved))) {
                failed(context, folder, ENOTDIR);
                free(resolved);
                return;
        }
        tree = fts_open((char *[]){resolved, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        if (!tree)
                failed(context, folder, errno);
        while (tree && (entry = fts_read(tree)))
                take_entry(entry, known, failed, context);
        if (tree)
                fts_close(tree);
        free(resolved);
}

void known_release(struct known_journals *known)
{
        for (size_t i = 0; i < known->count; i++) {
                free(known->list[i].path);
                free(known->list[i].image);
        }
        free(known->list);
        *known = (struct known_journals){0};
}

/* ---- finding the image -------------------- */

/* Does the path lead to the file with this identity? */
static bool leads_to(const char *path, const struct journal_identity *identity)
{
        struct journal_identity found;
        struct stat status;
        bool equal;
        int fd;

        if (stat(path, &status) != 0 ||
            !(S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)))
                return false;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return false;
        equal =
            journal_identify(fd, &found) == 0 && journal_identity_equal(&found, identity);
        close(fd);
        return equal;
}

/* The path of the image that a journal of this name lies beside; malloc'ed, or NULL. */
static char *sibling(const char *journal)
{
        size_t length = strlen(journal);

        return is_journal_name(journal, length)
                   ? strndup(journal, length - strlen(JOURNAL_SUFFIX))
                   : NULL;
}

/* A journal that cannot be read has no identity: then the file that it lies beside. */
static bool belongs(const struct journal_found *found, const char *path)
{
        struct stat status;

        if (found->reader.has_header)
                return leads_to(path, &found->reader.header.identity);
        return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

char *known_image(const struct known_journal *journal, struct journal_found **found)
{
        char *beside;
        char *image = NULL;

        if (journal_found_open(journal->path, NULL, true, found) != 0)
                return NULL;
        if ((*found)->state == JOURNAL_GONE) {
                journal_found_close(*found);
                *found = NULL;
                return NULL;
        }
        beside = sibling(journal->path);
        if (journal->image && belongs(*found, journal->image))
                image = strdup(journal->image);
        else if ((*found)->image_path && belongs(*found, (*found)->image_path))
                image = strdup((*found)->image_path);
        else if (beside && belongs(*found, beside))
                image = strdup(beside);
        free(beside);
        return image;
}

bool known_is_reachable(const struct known_journal *journal)
{
        const char *slash = strrchr(journal->path, '/');
        char *folder =
            slash ? strndup(journal->path, (size_t)(slash - journal->path) + 1) : NULL;
        bool there = folder && access(folder, F_OK) == 0;

        free(folder);
        return there;
}

char *known_image_in(const char *folder, const struct journal_found *found)
{
        char *resolved = realpath(folder, NULL);
        char *image = NULL;
        FTSENT *entry;
        FTS *tree;

        if (!resolved || !found->reader.has_header) {
                free(resolved);
                return NULL;
        }
        tree = fts_open((char *[]){resolved, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        while (tree && !image && (entry = fts_read(tree)))
                if (entry->fts_info == FTS_F &&
                    leads_to(entry->fts_path, &found->reader.header.identity))
                        image = strdup(entry->fts_path);
        if (tree)
                fts_close(tree);
        free(resolved);
        return image;
}

/* ---- the index, made again -------------------- */

void known_remember(struct check_run *run, const char *image_path,
                    const char *journal_path)
{
        struct journal_found *found;
        struct journal_index_entry entry = {.journal_path = journal_path};

        if (journal_found_open(journal_path, NULL, true, &found) != 0)
                return;
        if (found->state == JOURNAL_HOT && !run->places.index)
                (void)journal_index_start(run->places.state_directory,
                                          &run->places.index);
        if (found->state == JOURNAL_HOT) {
                memcpy(entry.transaction, found->transaction, sizeof entry.transaction);
                entry.image_path = image_path;
                entry.identity = &found->reader.header.identity;
                entry.time = found->reader.header.time / 1000000000u;
                entry.asked = found->asked ? found->asked : "";
                journal_index_put(run->places.index, &entry);
                (void)journal_index_wait(run->places.index);
        }
        journal_found_close(found);
}
