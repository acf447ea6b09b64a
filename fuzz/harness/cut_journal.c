/* SPDX-License-Identifier: MIT */
/*
 * As host/vmm/declare.c and transaction_begin.c make it, from the trace: whole sectors,
 * their old content as it was when their turn came, those at and behind the old end
 * apart; and the image's first sector as it is.
 */
#include "fuzz/harness/cut_journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/harness/tmpfs_directory.h"
#include "journal/journal.h"

#define NAME    "disk" JOURNAL_SUFFIX
#define PORTION 64u /* sectors of one record */

static const struct journal_identity identity = {
    .kind = 1, .length = 8, .bytes = {1, 0, 0, 0, 'd', 'i', 's', 'k'}};
static struct journal_place place;

/* The image as it is when the next change's turn comes. */
static struct native_image planned;

static void must(const struct cut_run *run, int error, const char *what)
{
        if (error)
                cut_complain(run, "%s: %s", what, strerror(-error));
}

/* ---- the directory ---------------------------------------------------------------- */

static void make_place(void)
{
        struct tmpfs_directory directory;
        tmpfs_directory_make(&directory);
        strcpy(place.name, NAME);
        place.directory_fd = directory.fd;
        if (asprintf(&place.path, "%s/%s", directory.path, NAME) < 0 ||
            !native_image_create(&planned, CUT_CAPACITY, 512))
                abort();
}

/* ---- records ---------------------------------------------------------------------- */

struct writer {
        struct cut_run *run;
        struct journal *journal;
        uint64_t old_end; /* where the first sector without old content begins */
};

/* Sectors on one side of the old end, of which `planned` has the old content and `now`
 * the new one. */
static void add(const struct writer *w, const struct native_event *event, uint64_t offset,
                uint64_t sectors, const uint8_t *old, const uint8_t *now)
{
        uint64_t hashes[PORTION];
        bool behind = offset >= w->old_end;
        bool zeros = event->flags & ABI_CHANGE_FRESH;
        struct journal_change change = {
            .step = event->step,
            .is_switch = event->flags & ABI_CHANGE_SWITCH,
            .behind_end = behind,
            .offset = offset,
            .length = sectors * ABI_SECTOR,
            .old_bytes = behind || zeros ? NULL : old,
            .new_hashes = hashes,
        };
        for (uint64_t i = 0; i < sectors; i++)
                hashes[i] = journal_hash(now + i * ABI_SECTOR, ABI_SECTOR);
        must(w->run, journal_add(w->journal, &change), "a change");
}

static void add_write(const struct writer *w, const struct native_event *event)
{
        static uint8_t old[PORTION * ABI_SECTOR];
        static uint8_t now[PORTION * ABI_SECTOR];
        uint64_t at = event->offset / ABI_SECTOR * ABI_SECTOR;
        uint64_t end = event->offset + event->length;
        while (at < end) {
                uint64_t sectors = (end - at + ABI_SECTOR - 1) / ABI_SECTOR;
                uint64_t left = (w->old_end - at) / ABI_SECTOR;
                if (at < w->old_end && sectors > left)
                        sectors = left;
                sectors = sectors < PORTION ? sectors : PORTION;
                uint64_t next = at + sectors * ABI_SECTOR;
                uint64_t from = at > event->offset ? at : event->offset;
                uint64_t to = next < end ? next : end;
                native_image_read(&planned, at, old, sectors * ABI_SECTOR);
                native_image_write(&planned, from, event->new + (from - event->offset),
                                   to - from);
                native_image_read(&planned, at, now, sectors * ABI_SECTOR);
                add(w, event, at, sectors, old, now);
                at = next;
        }
}

static void add_first_sector(const struct writer *w)
{
        uint8_t sector[ABI_SECTOR];
        native_image_read(&planned, 0, sector, sizeof sector);
        uint64_t hash = journal_hash(sector, sizeof sector);
        const struct journal_change change = {
            .step = 1, .length = ABI_SECTOR, .old_bytes = sector, .new_hashes = &hash};
        must(w->run, journal_add(w->journal, &change), "the first sector");
}

/* How far the host had read the guest's plan: all of it, or the step under way. */
static uint32_t last_step(const struct cut_run *run)
{
        const struct native_trace *trace = native_host_trace(run->host);
        if (!(run->step.flags & CUT_FLAG_FEW))
                return UINT32_MAX;
        for (size_t i = run->end; i-- > run->begin;)
                if (trace->events[i].kind == NATIVE_WRITE)
                        return trace->events[i].step;
        return 1;
}

static void add_all(const struct writer *w)
{
        const struct native_trace *trace = native_host_trace(w->run->host);
        uint32_t last = last_step(w->run);
        add_first_sector(w);
        for (size_t i = w->run->begin + 1; i < trace->count; i++) {
                const struct native_event *event = &trace->events[i];
                if (event->kind == NATIVE_BEGIN || event->kind == NATIVE_COMMIT)
                        break;
                if (event->kind == NATIVE_CLAIM)
                        must(w->run,
                             journal_claim(w->journal, event->offset, event->length),
                             "a claim");
                else if (event->kind == NATIVE_RESIZE)
                        native_image_resize(&planned, event->offset);
                else if (event->kind == NATIVE_WRITE && event->step <= last)
                        add_write(w, event);
        }
}

/* ---- the whole -------------------------------------------------------------------- */

void cut_journal_leave(struct cut_run *run)
{
        const struct native_event *begin =
            &native_host_trace(run->host)->events[run->begin];
        struct writer w = {.run = run,
                           .old_end = (begin->offset + ABI_SECTOR - 1) / ABI_SECTOR *
                                      ABI_SECTOR};
        if (!place.path)
                make_place();
        native_image_copy(&planned, &run->origin);
        must(run, journal_prepare(&place, &identity, "/disk", "bitmap --cut", &w.journal),
             "journal_prepare");
        must(run, journal_begin(w.journal, begin->offset, begin->length),
             "journal_begin");
        add_all(&w);
        must(run, journal_close_batch(w.journal), "journal_close_batch");
        journal_close(w.journal);
}

struct journal_found *cut_journal_open(struct cut_run *run)
{
        const struct journal_image facts = {.identity = identity, .owner = geteuid()};
        struct journal_found *found;
        must(run, journal_found_open(place.path, &facts, false, &found), "found");
        if (found->state != JOURNAL_HOT)
                cut_complain(run, "the journal is not hot: state %d, %s", found->state,
                             journal_fault_text(found->reader.fault));
        return found;
}

bool cut_journal_is_there(void)
{
        return !access(place.path, F_OK);
}
