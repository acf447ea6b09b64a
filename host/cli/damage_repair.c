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

/* guest/qcow2/format.h is the guest's alone. */
#define AUTOCLEAR_BITMAPS UINT64_C(1)
#define EXTENSION_BITMAPS UINT64_C(0x23852875)
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
        uint64_t fault; /* ANY: all others */
        struct damage_repair repair;
} rows[] = {
    {ABI_BAD_EXTENSION,
     ABI_EXTENSION_OVERRUN,
     {false, OPENS_NOT "; what follows it cannot be told from it"}},
    {ABI_BAD_EXTENSION,
     ABI_EXTENSION_LENGTH,
     {false, OPENS_NOT "; not even with its bitmaps marked invalid"}},
    {ABI_BAD_EXTENSION, ABI_EXTENSION_TOO_LONG, {false, OPENS_NOT}},
    {ABI_BAD_EXTENSION, ABI_EXTENSION_NOT_LUKS, {false, OPENS_NOT}},
    {ABI_BAD_EXTENSION, ABI_EXTENSION_LUKS, {false, OPENS_NOT}},
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
     ABI_DIRECTORY_DUPLICATE_IN_USE,
     {false,
      "instar cannot repair it; qemu opens the image all the same, and passes over "
      "this entry"}},
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
    {ABI_BAD_HEADER,
     ABI_HEADER_RAW_DATA,
     {false, "qemu opens the image again without that bit, on a copy first: clear bit 1 "
             "of the byte at file offset 95"}},
    {ABI_BAD_HEADER,
     ABI_HEADER_SNAPSHOT_EXTRA,
     {false, "qemu cannot open the image, but can cut the extra data to 1024 bytes, on a "
             "copy first: qemu-img check -r all IMAGE"}},
    {ABI_BAD_HEADER, ABI_HEADER_COMPRESSION, {false, OPENS_NOT}},
    {ABI_BAD_HEADER, ABI_HEADER_SUBCLUSTERS, {false, OPENS_NOT}},
    {ABI_BAD_HEADER, ABI_HEADER_ENCRYPTION, {false, OPENS_NOT}},
    {ABI_BAD_HEADER,
     ABI_HEADER_NO_LUKS,
     {false, "instar cannot repair it, and qemu cannot open the image: without its LUKS "
             "header nothing can be decrypted"}},
    {ABI_BAD_HEADER, ANY, {false, "instar cannot repair it"}},
};

/* Where the list is invalid already, qemu does not look at it. */
static const struct damage_repair not_looked_at = {
    false, "nothing has to be done: the bitmaps are invalid already, and qemu drops them "
           "with its first write; qemu-img check -r leaks IMAGE frees their clusters"};

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
