/* SPDX-License-Identifier: MIT */
/* What the parts of `instar info` share. */
#ifndef INSTAR_GUEST_OPS_INFO_LOOK_H
#define INSTAR_GUEST_OPS_INFO_LOOK_H

#include "guest/qcow2/image.h"

/* So many are told apart; what comes behind is counted. */
#define INFO_MAX_DAMAGE 256u

struct info_damage {
        enum abi_code code;
        uint64_t detail[4];
        struct bitmap_name name; /* of the bitmap it concerns; length 0: of none */
};

/* Text in the header cluster. */
struct info_text {
        uint32_t offset; /* in the file */
        uint32_t length; /* 0: there is none */
};

struct info {
        const struct abi_call *call;
        struct image image;
        struct info_text backing;
        struct info_text backing_format;
        struct info_text data_file;
        bool extensions_unknown; /* where they begin, or the rest of them is */
        bool snapshots_unknown;
        bool list_unannounced; /* the bitmaps extension announces no bitmaps */

        struct info_damage *damage; /* INFO_MAX_DAMAGE */
        uint32_t damage_count;
        uint32_t more_damage;
};

/* Note that something is wrong: `code`, whose numbers the last fail() has left; nothing
 * if it is ABI_OK.  `name` may be NULL. */
void info_note(struct info *info, enum abi_code code, const struct bitmap_name *name);

/* Read the header cluster, as far as it can be read.  ABI_OK, or a code that says why
 * nothing can be told. */
enum abi_code info_read_header(struct info *info);

/* Report the image (after info_read_header()), its snapshots, its bitmaps.  ABI_OK or
 * ABI_TOO_LARGE. */
enum abi_code info_report_image(struct info *info);
enum abi_code info_report_snapshots(struct info *info);
enum abi_code info_report_bitmaps(struct info *info);

/* The autoclear bit says that the list counts ("Bitmaps extension"). */
bool info_bitmaps_are_stale(const struct info *info);

#endif
