/* SPDX-License-Identifier: MIT */
/*
 * How an image is described: info_sink.c checks what the guest reports and hands it on,
 * piece by piece; a view has the layout.  All of it runs under the sandbox, so nothing
 * here allocates.
 *
 * Strings are bytes of the image, any bytes, without a terminating zero.
 */
#ifndef INSTAR_HOST_CLI_INFO_VIEW_H
#define INSTAR_HOST_CLI_INFO_VIEW_H

#include <jansson.h>

#include "guest/abi.h"
#include "host/cli/output.h"
#include "host/cli/tree_writer.h"
#include "host/recovery/recovery.h"

struct info_string {
        const void *bytes;
        size_t length;
};

/* Copies: they are there until the end. */
struct info_image {
        struct abi_report_image facts;
        struct info_string backing;
        struct info_string backing_format;
        struct info_string data_file;
};

struct info_snapshot {
        struct abi_report_snapshot facts;
        struct info_string id;
        struct info_string name;
};

struct info_bitmap {
        struct abi_report_bitmap facts;
        uint64_t bytes_on_disk; /* of table and data, if facts.counted says so */
        struct info_string name;
};

struct info_damage {
        struct abi_report_damage facts;
        struct info_string name; /* of the bitmap; empty: of none */
};

/* How far the members of "data" are written; see info_data.c. */
enum info_data_stage {
        INFO_DATA_NOTHING,
        INFO_DATA_HEAD,
        INFO_DATA_BITMAPS, /* inside the list */
        INFO_DATA_ALL,     /* all that QEMU knows */
        INFO_DATA_STALE,   /* inside the list of invalidated bitmaps */
        INFO_DATA_DAMAGE,  /* inside that list */
};

/* What is being described, and how far that is. */
struct info {
        /* known before the guest runs */
        const char *filename; /* as typed */
        uint64_t actual_size; /* bytes of the file on disk */
        bool terminal;        /* people read this on one */
        const struct recovery *journals;
        json_t *pending; /* those of them that wait or stop writers: an array, or NULL */

        struct info_image image;
        bool has_snapshots; /* one was reported */
        enum info_data_stage stage;
        struct tree_writer tree;
        struct output output;
};

/* In the order of guest/abi_report.h: head, snapshots, bitmaps, damage, tail. */
struct info_view {
        void (*head)(struct info *info);
        void (*snapshot)(struct info *info, const struct info_snapshot *snapshot);
        void (*bitmap)(struct info *info, const struct info_bitmap *bitmap);
        void (*damage)(struct info *info, const struct info_damage *damage);
        void (*tail)(struct info *info);
};

extern const struct info_view info_view_human;
extern const struct info_view info_view_json;

/* Does this journal wait for something, or keep others from writing? */
bool info_is_pending(const struct recovery_item *item);

/* As much of a string as QEMU shows: up to a NUL. */
struct info_string info_shown(struct info_string string);

/* Where the backing file is, as QEMU says: a name that counts from the image's directory
 * stands behind that.  Valid until the next call. */
struct info_string info_full_backing(const struct info *info);

#endif
