/* SPDX-License-Identifier: MIT */
/* One object, whose members stand where QEMU's hash puts them. */
#include "host/cli/info_data.h"

/* guest/qcow2/format.h is the guest's alone. */
#define INCOMPATIBLE_DIRTY UINT64_C(0x01)

static bool has_backing(const struct info *info)
{
        return info_shown(info->image.backing).length != 0;
}

static void string(struct info *info, const char *key, struct info_string string)
{
        string = info_shown(string);
        tree_bytes(&info->tree, key, string.bytes, string.length);
}

static void head(struct info *info)
{
        tree_start(&info->tree, &json_style, &info->output);
        tree_object(&info->tree, NULL);
        if (has_backing(info) && info->image.facts.flags & ABI_IMAGE_BACKING_FORMAT)
                string(info, "backing-filename-format", info->image.backing_format);
}

/* ---- snapshots --------------------------------------------------------------------- */

static void snapshot(struct info *info, const struct info_snapshot *snapshot)
{
        const struct abi_report_snapshot *facts = &snapshot->facts;
        struct tree_writer *tree = &info->tree;

        if (!info->has_snapshots)
                tree_array(tree, "snapshots");
        info->has_snapshots = true;
        tree_object(tree, NULL);
        if (facts->icount != UINT64_MAX)
                tree_signed(tree, "icount", (int64_t)facts->icount);
        tree_number(tree, "vm-clock-nsec", facts->vm_clock % 1000000000);
        string(info, "name", snapshot->name);
        tree_number(tree, "date-sec", facts->date_seconds);
        tree_number(tree, "date-nsec", facts->date_nanoseconds);
        tree_number(tree, "vm-clock-sec", facts->vm_clock / 1000000000);
        string(info, "id", snapshot->id);
        tree_signed(tree, "vm-state-size", (int64_t)facts->vm_state_size);
        tree_end(tree);
}

/* ---- what follows them --------------------------------------------------------------
 */

/* Up to the format's own members.  Once. */
static void middle(struct info *info)
{
        struct tree_writer *tree = &info->tree;

        if (info->stage != INFO_DATA_NOTHING)
                return;
        if (info->has_snapshots)
                tree_end(tree);
        tree_number(tree, "virtual-size", info->image.facts.size);
        tree_string(tree, "filename", info->filename);
        tree_number(tree, "cluster-size", info->image.facts.cluster_size);
        tree_string(tree, "format", "qcow2");
        tree_number(tree, "actual-size", info->actual_size);
        tree_object(tree, "format-specific");
        tree_string(tree, "type", "qcow2");
        tree_object(tree, "data");
        info_data_begin(info);
}

static void bitmap(struct info *info, const struct info_bitmap *bitmap)
{
        middle(info);
        info_data_bitmap(info, bitmap);
}

static void damage(struct info *info, const struct info_damage *damage)
{
        middle(info);
        info_data_damage(info, damage);
}

static void tail(struct info *info)
{
        struct tree_writer *tree = &info->tree;

        middle(info);
        info_data_end(info);
        tree_end(tree);
        tree_end(tree);
        if (has_backing(info))
                string(info, "full-backing-filename", info_full_backing(info));
        if (info->image.facts.flags & ABI_IMAGE_ENCRYPTED)
                tree_bool(tree, "encrypted", true);
        if (has_backing(info))
                string(info, "backing-filename", info->image.backing);
        tree_bool(tree, "dirty-flag",
                  info->image.facts.incompatible & INCOMPATIBLE_DIRTY);
        if (info->pending)
                tree_json(tree, "instar-pending", info->pending);
        tree_end(tree);
        output_string(&info->output, "\n");
}

const struct info_view info_view_json = {
    .head = head,
    .snapshot = snapshot,
    .bitmap = bitmap,
    .damage = damage,
    .tail = tail,
};
