/* SPDX-License-Identifier: MIT */
#include "host/cli/info_bitmap.h"

#include "host/cli/utf8.h"
#include "journal/hex.h"

/* guest/qcow2/format.h is the guest's alone. */
#define FLAG_IN_USE   1u
#define FLAG_AUTO     2u
#define TYPE_TRACKING 1u

static void flags(struct tree_writer *tree, uint32_t flags)
{
        tree_array(tree, "flags");
        if (flags & FLAG_IN_USE)
                tree_string(tree, NULL, "in-use");
        if (flags & FLAG_AUTO)
                tree_string(tree, NULL, "auto");
        tree_end(tree);
}

/* Where "name" does not give them back. */
static void exact_name(struct tree_writer *tree, const struct info_string *name)
{
        static char hex[2 * ABI_MAX_REPORT + 1];

        if (utf8_is_text(name->bytes, name->length))
                return;
        hex_text(name->bytes, name->length, hex);
        tree_string(tree, "instar-name-bytes", hex);
}

static void counts(struct tree_writer *tree, const struct info_bitmap *bitmap,
                   uint64_t size)
{
        const struct abi_report_bitmap *facts = &bitmap->facts;

        if (facts->counted & ABI_BITMAP_CLUSTERS) {
                tree_number(tree, "instar-data-clusters", facts->data_clusters);
                tree_number(tree, "instar-bytes-on-disk", bitmap->bytes_on_disk);
        }
        if (facts->counted & ABI_BITMAP_DIRTY) {
                tree_number(tree, "instar-dirty-bytes", facts->dirty_bytes);
                tree_real(tree, "instar-dirty-fraction",
                          size ? (double)facts->dirty_bytes / (double)size : 0);
        }
}

/* What no program writes that knows what it is doing. */
static void oddities(struct tree_writer *tree, const struct abi_report_bitmap *facts)
{
        uint32_t unknown = facts->flags & ~(FLAG_IN_USE | FLAG_AUTO);

        if (facts->extra_length)
                tree_number(tree, "instar-extra-bytes", facts->extra_length);
        if (unknown)
                tree_number(tree, "instar-unknown-flags", unknown);
        if (facts->type != TYPE_TRACKING)
                tree_number(tree, "instar-type", facts->type);
}

void info_bitmap_write(struct tree_writer *tree, const struct info_bitmap *bitmap,
                       uint64_t size)
{
        const struct abi_report_bitmap *facts = &bitmap->facts;
        const struct info_string name = info_shown(bitmap->name);

        tree_object(tree, NULL);
        flags(tree, facts->flags);
        tree_bytes(tree, "name", name.bytes, name.length);
        if (facts->granularity)
                tree_number(tree, "granularity", facts->granularity);
        exact_name(tree, &bitmap->name);
        tree_number(tree, "instar-table-clusters", facts->table_clusters);
        counts(tree, bitmap, size);
        oddities(tree, facts);
        tree_end(tree);
}
