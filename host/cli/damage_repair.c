/* SPDX-License-Identifier: MIT */
/*
 * Whether damage can be repaired, and how.  Each row was tried on an image with that
 * damage; none promises more than was seen there.
 *
 * qemu reads all bitmaps of an image before anything else, qemu-img check -r too, so most
 * damage of them keeps the whole disk from being opened, though no guest data is hurt.
 * Without autoclear bit 0 it does not look at them, and drops the list when it next
 * writes the header.
 */
#include "host/cli/damage_repair.h"

#include <stddef.h>

#include "guest/abi_check.h"

/* guest/qcow2/format.h is the guest's alone. */
#define AUTOCLEAR_BITMAPS UINT64_C(1)
#define EXTENSION_BITMAPS UINT64_C(0x23852875)
#define ANY               0u

#define REPAIR "instar check -r all IMAGE "

#define OPENS_NOT                                                                        \
        "qemu cannot open the image, though its data is intact; " REPAIR                 \
        "makes it open again"

#define UNREPAIRABLE                                                                     \
        "instar cannot repair it, and qemu cannot open the image, though its data is "   \
        "intact"

#define REMOVES_OR_RESETS                                                                \
        REPAIR "removes the bitmap, and with --reset-damaged marks all of it as dirty"

static const struct row {
        enum abi_code code;
        uint64_t fault; /* ANY: all others */
        struct damage_repair repair;
} rows[] = {
    {ABI_BAD_EXTENSION, ABI_EXTENSION_NOT_LUKS, {false, UNREPAIRABLE}},
    {ABI_BAD_EXTENSION, ABI_EXTENSION_LUKS, {false, UNREPAIRABLE}},
    {ABI_BAD_EXTENSION,
     ABI_EXTENSION_DUPLICATE,
     {true, "qemu goes by the last of them; " REPAIR "drops the others"}},
    {ABI_BAD_EXTENSION, ANY, {true, OPENS_NOT}},
    {ABI_BAD_DIRECTORY,
     ABI_DIRECTORY_PADDING,
     {true, "qemu opens the image all the same; " REPAIR "mends it"}},
    {ABI_BAD_DIRECTORY,
     ABI_DIRECTORY_NO_NAME,
     {true, "qemu opens the image all the same; " REPAIR "removes the bitmap"}},
    {ABI_BAD_DIRECTORY,
     ABI_DIRECTORY_DUPLICATE_IN_USE,
     {true, "qemu opens the image all the same, and passes over this entry; " REPAIR
            "removes it"}},
    {ABI_BAD_DIRECTORY,
     ABI_DIRECTORY_EXTRA,
     {true, "qemu opens the image again when the bitmap is removed: instar bitmap "
            "--remove IMAGE BITMAP"}},
    {ABI_BAD_DIRECTORY,
     ANY,
     {true, OPENS_NOT " and keeps the bitmaps that nothing is wrong with"}},
    {ABI_BAD_TABLE, ANY, {true, "the bitmap's bits are lost: " REMOVES_OR_RESETS}},
    {ABI_BAD_BITMAP,
     ABI_BITMAP_TAIL_BITS,
     {true, "nobody reads these bits; " REPAIR "clears them"}},
    {ABI_BAD_BITMAP,
     ABI_BITMAP_IN_USE,
     {true,
      "the bitmap is of no use for a backup, but all of it can be marked as dirty: "
      "instar check --reset-in-use BITMAP IMAGE; or it can be removed: instar bitmap "
      "--remove IMAGE BITMAP"}},
    {ABI_BAD_BITMAP,
     ANY,
     {true, "the bitmap is of no use for a backup: " REMOVES_OR_RESETS}},
    {ABI_NO_AUTOCLEAR_EXTENSION,
     ANY,
     {true, "a write by qemu, qemu-img check -r too, may mark the image as corrupt for "
            "good; " REPAIR "clears the bit"}},
    {ABI_UNKNOWN_INCOMPATIBLE,
     ANY,
     {false, "a newer program made this image: use that program"}},
    {ABI_BAD_HEADER, ABI_HEADER_RAW_DATA, {true, REPAIR "clears the bit"}},
    {ABI_BAD_HEADER,
     ABI_HEADER_SNAPSHOT_EXTRA,
     {true, "qemu cannot open the image; " REPAIR "cuts the extra data to 1024 bytes"}},
    {ABI_BAD_HEADER, ABI_HEADER_COMPRESSION, {false, UNREPAIRABLE}},
    {ABI_BAD_HEADER, ABI_HEADER_SUBCLUSTERS, {false, UNREPAIRABLE}},
    {ABI_BAD_HEADER, ABI_HEADER_ENCRYPTION, {false, UNREPAIRABLE}},
    {ABI_BAD_HEADER,
     ABI_HEADER_NO_LUKS,
     {false, "instar cannot repair it, and qemu cannot open the image: without its LUKS "
             "header nothing can be decrypted"}},
    {ABI_BAD_HEADER, ABI_HEADER_REFTABLE, {true, REPAIR "builds a new refcount table"}},
    {ABI_BAD_HEADER,
     ABI_HEADER_REFCOUNT_ORDER,
     {true, OPENS_NOT " with new refcount blocks"}},
    {ABI_BAD_HEADER,
     ABI_HEADER_SNAPSHOTS,
     {true, REPAIR "takes out what of the snapshot table cannot be read"}},
    {ABI_BAD_HEADER,
     ABI_HEADER_L1,
     {true, REPAIR "helps where the table is at the beginning of that cluster"}},
    {ABI_BAD_HEADER,
     ABI_HEADER_LENGTH,
     {true, REPAIR "helps where extensions follow a header of the usual length"}},
    {ABI_BAD_HEADER, ANY, {false, "instar cannot repair it"}},
};

/* Where the list is invalid already, qemu does not look at it. */
static const struct damage_repair not_looked_at = {
    true, "nothing has to be done: the bitmaps are invalid already, and qemu drops them "
          "with its first write; " REPAIR "removes them"};

static const struct damage_repair unknown = {false, "instar cannot repair it"};

/* Where a fault of its kind stands. */
static uint64_t fault_of(const struct abi_report_damage *damage)
{
        return damage->detail[damage->code == ABI_BAD_HEADER ? 0 : 2];
}

static bool is_looked_at(const struct abi_report_image *image,
                         const struct abi_report_damage *damage)
{
        uint64_t fault = fault_of(damage);

        if (image->autoclear & AUTOCLEAR_BITMAPS)
                return true;
        if (damage->code == ABI_BAD_EXTENSION)
                return damage->detail[1] != EXTENSION_BITMAPS ||
                       fault == ABI_EXTENSION_OVERRUN || fault == ABI_EXTENSION_LENGTH;
        return damage->code != ABI_BAD_DIRECTORY && damage->code != ABI_BAD_TABLE;
}

const struct damage_repair *damage_repair(const struct abi_report_image *image,
                                          const struct abi_report_damage *damage)
{
        if (!is_looked_at(image, damage))
                return &not_looked_at;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                if (rows[i].code == damage->code &&
                    (rows[i].fault == ANY || rows[i].fault == fault_of(damage)))
                        return &rows[i].repair;
        return &unknown;
}
