/* SPDX-License-Identifier: MIT */
#include "host/recovery/recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/recovery/decide.h"

int recovery_start(struct recovery *recovery, struct image *image,
                   const struct recovery_examiner *examiner)
{
        memset(recovery, 0, sizeof *recovery);
        recovery->image = image;
        recovery->examiner = examiner;
        return journal_image_describe(image->fd, &recovery->facts);
}

/* ---- the report --------------------------------------------------------------- */

static void describe(struct recovery_item *item, struct journal_found *found)
{
        const struct journal_header *header = &found->reader.header;

        memcpy(item->transaction, found->transaction, sizeof item->transaction);
        item->asked = found->asked;
        found->asked = NULL;
        item->image_path = found->image_path;
        found->image_path = NULL;
        item->identity = header->identity;
        item->begun = header->time;
        item->extents = found->extents;
        item->bytes = found->bytes;
        item->old_size = header->old_size;
        item->final_size = header->final_size;
}

/* ---- where ------------------------------------------------------------------------ */

static bool was_seen(const struct recovery *r, const char *path)
{
        for (unsigned int i = 0; i < r->count; i++)
                if (strcmp(r->items[i].path, path) == 0)
                        return true;
        return false;
}

/* By its header, whatever else is wrong with it. */
static bool is_ours(const struct recovery *r, const struct journal_found *found)
{
        return found->reader.has_header &&
               journal_identity_equal(&found->reader.header.identity, &r->facts.identity);
}

/* `by_place`: this is where a journal of ours would be made, so we have to deal with
 * whatever is there. */
static int look_closer(struct recovery *r, const char *path, bool by_place)
{
        struct recovery_item *item = &r->items[r->count];
        struct journal_found *found;
        int error;

        if (was_seen(r, path))
                return 0;
        if (r->count == RECOVERY_ITEMS_MAX)
                return -E2BIG;
        error = journal_found_open(path, &r->facts, r->dry_run, &found);
        if (error)
                return error == -ENOENT || error == -ENOTDIR ? 0 : error;
        /* What cannot be read is ours as far as anybody knows: the index says so. */
        if (found->state != JOURNAL_GONE &&
            (by_place || is_ours(r, found) || found->state == JOURNAL_UNREADABLE)) {
                item->path = strdup(path);
                if (item->path) {
                        describe(item, found);
                        recovery_decide(r, found, item);
                        r->count++;
                } else {
                        error = -ENOMEM;
                }
        }
        journal_found_close(found);
        return error ? error : recovery_stop(r) != NULL;
}

static int look_at(struct recovery *r, const char *path, bool by_place)
{
        int status = look_closer(r, path, by_place);

        if (status < 0)
                r->error = status;
        return status;
}

static int at_place(void *recovery, const char *path)
{
        return look_at(recovery, path, true);
}

int recovery_at_index(void *recovery, const char *path)
{
        return look_at(recovery, path, false);
}

int recovery_search(struct recovery *r, struct journal_search search)
{
        search.identity = &r->facts.identity;
        return journal_place_search(&search, at_place, r);
}

void recovery_remember(struct recovery *r, struct journal_index *index)
{
        for (; r->remembered < r->count; r->remembered++) {
                const struct recovery_item *item = &r->items[r->remembered];
                struct journal_index_entry entry = {
                    .image_path = item->image_path ? item->image_path : "",
                    .journal_path = item->new_path,
                    .identity = &item->identity,
                    .time = item->begun / 1000000000u,
                    .asked = item->asked ? item->asked : "",
                };

                if (item->state != RECOVERY_SET_ASIDE)
                        continue;
                memcpy(entry.transaction, item->transaction, sizeof entry.transaction);
                (void)journal_index_put(index, &entry);
        }
}

const struct recovery_item *recovery_stop(const struct recovery *r)
{
        const struct recovery_item *last = r->count ? &r->items[r->count - 1] : NULL;

        return last && last->state >= RECOVERY_FIRST_STOP ? last : NULL;
}

void recovery_release(struct recovery *r)
{
        for (unsigned int i = 0; i < r->count; i++) {
                free(r->items[i].path);
                free(r->items[i].new_path);
                free(r->items[i].asked);
                free(r->items[i].image_path);
        }
        r->count = 0;
}
