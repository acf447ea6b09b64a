/* SPDX-License-Identifier: MIT */
/*
 * QEMU's bitmaps stand in the middle of the members that the head already knows, so how
 * far they are written is kept (info->stage).  Bitmaps that were invalidated QEMU does
 * not show: they come at the end, under a key of our own.
 */
#include "host/cli/info_data.h"

#include "host/cli/info_bitmap.h"
#include "host/cli/info_damage.h"

/* guest/qcow2/format.h is the guest's alone. */
#define INCOMPATIBLE_CORRUPT     UINT64_C(0x02)
#define INCOMPATIBLE_EXTENDED_L2 UINT64_C(0x10)
#define COMPATIBLE_LAZY          UINT64_C(0x01)

/* ---- QEMU's members, in its order ---------------------------------------------------
 */

static const char *compression_name(uint32_t type)
{
        switch (type) {
        case 0:
                return "zlib";
        case 1:
                return "zstd";
        default:
                return "unknown";
        }
}

static const char *encryption_name(uint32_t method)
{
        switch (method) {
        case 1:
                return "aes";
        case 2:
                return "luks";
        default:
                return "unknown";
        }
}

void info_data_begin(struct info *info)
{
        const struct abi_report_image *facts = &info->image.facts;
        bool v3 = facts->version == 3;

        if (info->stage >= INFO_DATA_HEAD)
                return;
        tree_string(&info->tree, "compat", v3 ? "1.1" : "0.10");
        tree_string(&info->tree, "compression-type",
                    compression_name(facts->compression_type));
        if (v3)
                tree_bool(&info->tree, "lazy-refcounts",
                          facts->compatible & COMPATIBLE_LAZY);
        info->stage = INFO_DATA_HEAD;
}

static void data_file_name(struct info *info)
{
        const struct info_string name = info_shown(info->image.data_file);

        if (info->image.facts.flags & ABI_IMAGE_DATA_FILE_NAME)
                tree_bytes(&info->tree, "data-file", name.bytes, name.length);
}

/* Of LUKS, QEMU goes on to what its own header says. */
static void encryption(struct info *info)
{
        const struct abi_report_image *facts = &info->image.facts;

        if (!(facts->flags & ABI_IMAGE_ENCRYPTED))
                return;
        tree_object(&info->tree, "encrypt");
        tree_string(&info->tree, "format", encryption_name(facts->crypt_method));
        tree_end(&info->tree);
}

/* What stands behind the bitmaps. */
static void rest(struct info *info)
{
        const struct abi_report_image *facts = &info->image.facts;
        struct tree_writer *tree = &info->tree;
        bool v3 = facts->version == 3;

        if (facts->refcount_bits)
                tree_number(tree, "refcount-bits", facts->refcount_bits);
        if (v3)
                data_file_name(info);
        encryption(info);
        if (v3 && facts->flags & ABI_IMAGE_DATA_FILE)
                tree_bool(tree, "data-file-raw", facts->flags & ABI_IMAGE_DATA_FILE_RAW);
        if (v3) {
                tree_bool(tree, "corrupt", facts->incompatible & INCOMPATIBLE_CORRUPT);
                tree_bool(tree, "extended-l2",
                          facts->incompatible & INCOMPATIBLE_EXTENDED_L2);
        }
}

/* ---- stages ---------------------------------------------------------------------------
 */

static void leave_list(struct info *info)
{
        if (info->stage == INFO_DATA_BITMAPS || info->stage == INFO_DATA_STALE ||
            info->stage == INFO_DATA_DAMAGE)
                tree_end(&info->tree);
}

static void finish_qemus(struct info *info)
{
        info_data_begin(info);
        leave_list(info);
        if (info->stage < INFO_DATA_ALL)
                rest(info);
        info->stage = INFO_DATA_ALL;
}

static void enter_list(struct info *info, const char *key, enum info_data_stage stage)
{
        if (info->stage == stage)
                return;
        if (stage == INFO_DATA_BITMAPS)
                info_data_begin(info);
        else
                finish_qemus(info);
        tree_array(&info->tree, key);
        info->stage = stage;
}

void info_data_bitmap(struct info *info, const struct info_bitmap *bitmap)
{
        if (info->image.facts.flags & ABI_IMAGE_STALE)
                enter_list(info, "instar-stale-bitmaps", INFO_DATA_STALE);
        else
                enter_list(info, "bitmaps", INFO_DATA_BITMAPS);
        info_bitmap_write(&info->tree, bitmap, info->image.facts.size);
}

void info_data_damage(struct info *info, const struct info_damage *damage)
{
        enter_list(info, "instar-damage", INFO_DATA_DAMAGE);
        info_damage_write(&info->tree, &info->image.facts, damage);
}

void info_data_end(struct info *info)
{
        finish_qemus(info);
}
