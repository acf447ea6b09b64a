/* SPDX-License-Identifier: MIT */
/*
 * Whether damage can be repaired, and how.  Each row was tried with qemu-img 7.2 on an
 * image with that damage; none promises more than was seen there.
 *
 * qemu reads all bitmaps of an image before anything else, qemu-img check -r too, so most
 * damage of them keeps the whole disk from being opened, though no guest data is hurt.
 * Without autoclear bit 0 it does not look at them, and drops the list when it next
 * writes the header.
 */
#include "host/cli/damage_repair.h"

#include <stddef.h>

#include "guest/abi_check.h"

#define AUTOCLEAR_BITMAPS UINT64_C(1)
#define ANY               0u

#define OPENS_NOT                                                                        \
        "instar cannot repair it, and qemu cannot open the image, though its data is "   \
        "intact"

/* Byte 95 is the last of the autoclear features. */
#define GIVE_UP_BITMAPS                                                                  \
        "to give up all its bitmaps, on a copy first: clear bit 0 of the byte at file "  \
        "offset 95; qemu then opens the image and drops them with its first write, and " \
        "qemu-img check -r leaks IMAGE frees their clusters"

static const struct row {
        enum abi_code code;
        uint64_t fault; /* in detail[2]; ANY: all others */
        struct damage_repair repair;
} rows[] = {
    {ABI_BAD_EXTENSION,
     ABI_EXTENSION_OVERRUN,
     {false, OPENS_NOT "; what follows it cannot be told from it"}},
    {ABI_BAD_EXTENSION,
     ABI_EXTENSION_LENGTH,
     {false, OPENS_NOT "; not even with its bitmaps marked invalid"}},
    {ABI_BAD_EXTENSION, ABI_EXTENSION_TOO_LONG, {false, OPENS_NOT}},
    {ABI_BAD_EXTENSION,
     ABI_EXTENSION_DUPLICATE,
     {false, "instar cannot repair it; qemu goes by the last of them, and drops the "
             "others with its first write"}},
    {ABI_BAD_EXTENSION, ANY, {false, OPENS_NOT "; " GIVE_UP_BITMAPS}},
    {ABI_BAD_DIRECTORY,
     ABI_DIRECTORY_PADDING,
     {false, "instar cannot repair it; qemu opens the image all the same, and mends it "
             "with its first write"}},
    {ABI_BAD_DIRECTORY,
     ABI_DIRECTORY_NO_NAME,
     {false, "instar cannot repair it; qemu opens the image all the same"}},
    {ABI_BAD_DIRECTORY,
     ABI_DIRECTORY_EXTRA,
     {true, "qemu opens the image again when the bitmap is removed: instar bitmap "
            "--remove IMAGE BITMAP"}},
    {ABI_BAD_DIRECTORY, ANY, {false, OPENS_NOT "; " GIVE_UP_BITMAPS}},
    {ABI_BAD_TABLE,
     ANY,
     {true, "the bitmap's bits are lost, but it can be removed: instar bitmap --remove "
            "IMAGE BITMAP; then qemu-img check -r leaks IMAGE frees its clusters"}},
    {ABI_BAD_BITMAP,
     ABI_BITMAP_TAIL_BITS,
     {false, "nothing has to be done: nobody reads these bits, and qemu clears them when "
             "it next writes the bitmap"}},
    {ABI_BAD_BITMAP,
     ABI_BITMAP_IN_USE,
     {true,
      "the bitmap is of no use for a backup, but all of it can be marked as dirty: "
      "instar check --reset-in-use BITMAP IMAGE; or it can be removed: instar bitmap "
      "--remove IMAGE BITMAP"}},
    {ABI_BAD_BITMAP,
     ANY,
     {true, "the bitmap is of no use for a backup, but it can be removed: instar bitmap "
            "--remove IMAGE BITMAP; add a new one and make a full backup"}},
    {ABI_NO_AUTOCLEAR_EXTENSION,
     ANY,
     {false, "instar cannot repair it; a write by qemu, qemu-img check -r too, may mark "
             "the image as corrupt for good; on a copy first: clear bit 0 of the byte at "
             "file offset 95, then qemu-img check -r leaks IMAGE frees clusters that "
             "bitmaps have left"}},
    {ABI_UNKNOWN_INCOMPATIBLE,
     ANY,
     {false, "a newer program made this image: use that program"}},
    {ABI_BAD_HEADER, ANY, {false, "instar cannot repair it"}},
};

/* Where the list is invalid already, qemu does not look at it. */
static const struct damage_repair not_looked_at = {
    false, "nothing has to be done: the bitmaps are invalid already, and qemu drops them "
           "with its first write; qemu-img check -r leaks IMAGE frees their clusters"};

static const struct damage_repair unknown = {false, "instar cannot repair it"};

static bool is_looked_at(const struct abi_report_image *image,
                         const struct abi_report_damage *damage)
{
        uint64_t fault = damage->detail[2];

        if (image->autoclear & AUTOCLEAR_BITMAPS)
                return true;
        if (damage->code == ABI_BAD_EXTENSION)
                return fault == ABI_EXTENSION_OVERRUN || fault == ABI_EXTENSION_LENGTH ||
                       fault == ABI_EXTENSION_TOO_LONG;
        return damage->code != ABI_BAD_DIRECTORY && damage->code != ABI_BAD_TABLE;
}

const struct damage_repair *damage_repair(const struct abi_report_image *image,
                                          const struct abi_report_damage *damage)
{
        if (!is_looked_at(image, damage))
                return &not_looked_at;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                if (rows[i].code == damage->code &&
                    (rows[i].fault == ANY || rows[i].fault == damage->detail[2]))
                        return &rows[i].repair;
        return &unknown;
}
