/* SPDX-License-Identifier: MIT */
/* Words for the fault enums of guest/abi.h, each what {fault} stands for. */
#include "guest/abi_check.h"
#include "host/cli/messages.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const header_faults[] = {
    [ABI_HEADER_SHORT] = "the file ends inside the header",
    [ABI_HEADER_VERSION] = "the version is neither 2 nor 3",
    [ABI_HEADER_CLUSTER_BITS] = "the cluster size is not between 512 bytes and 2 MiB",
    [ABI_HEADER_LENGTH] = "the header's length is impossible",
    [ABI_HEADER_BACKING] =
        "the backing file's name is too long or outside the header cluster",
    [ABI_HEADER_REFTABLE] =
        "the refcount table is unaligned, empty, too large or outside the "
        "file",
    [ABI_HEADER_L1] = "the L1 table is unaligned, too large or outside the file",
    [ABI_HEADER_SNAPSHOTS] =
        "the snapshot table is damaged, unaligned or outside the file",
    [ABI_HEADER_SIZE] = "the virtual size is out of range",
    [ABI_HEADER_REFCOUNT_ORDER] = "the refcount width is out of range",
    [ABI_HEADER_COMPRESSION] =
        "the compression type is unknown or contradicts incompatible bit 3",
    [ABI_HEADER_SUBCLUSTERS] = "extended L2 entries need clusters of 16 KiB or more",
    [ABI_HEADER_ENCRYPTION] = "the encryption method is unknown",
    [ABI_HEADER_RAW_DATA] =
        "autoclear bit 1 says that the data file is raw, but there is no data file",
    [ABI_HEADER_NO_LUKS] =
        "the image is encrypted with LUKS, but the encryption extension is missing",
    [ABI_HEADER_SNAPSHOT_EXTRA] = "a snapshot has more than 1024 bytes of extra data",
};

static const char *const extension_faults[] = {
    [ABI_EXTENSION_OVERRUN] = "it runs past the end of the extension area",
    [ABI_EXTENSION_LENGTH] = "a bitmaps extension must be 24 bytes long",
    [ABI_EXTENSION_DUPLICATE] = "there is a second bitmaps extension",
    [ABI_EXTENSION_RESERVED] = "its reserved field is not zero",
    [ABI_EXTENSION_NO_BITMAPS] = "it announces no bitmaps",
    [ABI_EXTENSION_TOO_MANY] = "it announces more than 65535 bitmaps",
    [ABI_EXTENSION_DIRECTORY] =
        "the directory's offset is zero, unaligned or outside the file",
    [ABI_EXTENSION_DIRECTORY_SIZE] =
        "the directory's size is zero or above 67107840 bytes",
    [ABI_EXTENSION_TOO_LONG] = "its text is longer than qemu takes",
    [ABI_EXTENSION_NOT_LUKS] = "an encryption extension is only for LUKS",
    [ABI_EXTENSION_LUKS] =
        "an encryption extension must be 16 bytes long, and its offset aligned",
};

static const char *const directory_faults[] = {
    [ABI_DIRECTORY_TRUNCATED] = "the entry runs past the directory's end",
    [ABI_DIRECTORY_COUNT] = "the number of entries is not the announced one",
    [ABI_DIRECTORY_TABLE_OFFSET] =
        "the table's offset is zero, unaligned or outside the file",
    [ABI_DIRECTORY_TABLE_SIZE] = "the table's size does not fit the bitmap",
    [ABI_DIRECTORY_FLAGS] = "unknown flags are set",
    [ABI_DIRECTORY_TYPE] = "the type is not 1 (dirty tracking)",
    [ABI_DIRECTORY_GRANULARITY] = "the granularity is out of range",
    [ABI_DIRECTORY_NAME_SIZE] = "the name is empty or longer than 1023 bytes",
    [ABI_DIRECTORY_DUPLICATE_NAME] = "another entry has the same name",
    [ABI_DIRECTORY_PADDING] = "the padding is not zero",
    [ABI_DIRECTORY_NO_NAME] = "the name is empty",
    [ABI_DIRECTORY_EXTRA] = "it has extra data, or may have: the format knows that, but "
                            "qemu opens no such image",
    [ABI_DIRECTORY_SAME_TO_NUL] =
        "up to a NUL, another entry has the same name: the format knows that, but qemu "
        "opens no such image",
    [ABI_DIRECTORY_DUPLICATE_IN_USE] =
        "another entry has the same name, and this one is in use",
};

static const char *const refcount_faults[] = {
    [ABI_REFCOUNT_TAIL] = "it lies at or behind the end of the file and must have none",
    [ABI_REFCOUNT_BLOCK] = "its refcount block is unaligned or outside the file",
    [ABI_REFCOUNT_SHARED] = "it is to be written in place and must have refcount 1",
    [ABI_REFCOUNT_OVERLAP] =
        "it is to be written in place, but is also header, L1 table, "
        "refcount structure or snapshot table",
    [ABI_REFCOUNT_IN_USE] = "it holds data and may be in use, although nothing counts it",
};

static const char *const bitmap_faults[] = {
    [ABI_BITMAP_IN_USE] = "it is in use: it missed writes, unless a virtual machine uses "
                          "the image right now",
    [ABI_BITMAP_TAIL_BITS] = "bits behind the end of the disk are set",
    [ABI_BITMAP_OVERLAP] = "a cluster of it is used by something else, too",
    [ABI_BITMAP_BEYOND_END] =
        "it lies behind the end of the file in part: qemu takes what is missing for "
        "clean, and a backup would miss it",
};

static const char *const unrepairable[] = {
    [ABI_UNREPAIRABLE_REMAINS] = "something would be left that is not repaired",
    [ABI_UNREPAIRABLE_INCOMPLETE] = "the check comes to no end, so what is used is not "
                                    "known",
    [ABI_UNREPAIRABLE_EXTENSION] =
        "a header extension without which the data cannot be read is lost",
    [ABI_UNREPAIRABLE_L1] = "an L1 table that has to be changed is something else, too",
    [ABI_UNREPAIRABLE_LEAKS] = "the refcount structures cannot be trusted: only -r all "
                               "builds new ones",
    [ABI_UNREPAIRABLE_FULL] = "the block device has no room for what is to be made anew",
};

/* The first four as qemu-img has them. */
static const char *const resize_faults[] = {
    [ABI_RESIZE_NOT_POSITIVE] = "New image size must be positive",
    [ABI_RESIZE_UNALIGNED] = "The new size must be a multiple of 512",
    [ABI_RESIZE_L1_TOO_LARGE] = "Failed to grow the L1 table: File too large",
    [ABI_RESIZE_V2_SNAPSHOTS] = "Can't resize a v2 image which has snapshots",
    [ABI_RESIZE_DATA_FILE] =
        "the image has an external data file, which would have to be "
        "resized, too, and instar opens no file that an image names: "
        "use qemu-img",
    [ABI_RESIZE_SNAPSHOTS] = "internal snapshots may share what would be cut off or "
                             "replaced: delete them first, or use qemu-img",
    [ABI_RESIZE_BACKING_V2] = "the backing file may be longer than the image and would "
                              "show in the new area; a v2 image cannot hide it: upgrade "
                              "it first (qemu-img amend -o compat=1.1)",
    [ABI_RESIZE_BACKING_PARTIAL] =
        "the image ends inside a cluster, in the rest of which its backing file would "
        "show: use qemu-img",
    [ABI_RESIZE_BACKING_LARGE] =
        "the backing file would show in the new area, which is too large to be marked as "
        "zeros: grow in several steps",
    [ABI_RESIZE_DAMAGED] =
        "an entry of an L1 or L2 table is damaged: see the damage with "
        "instar check, and repair it first",
};

static const char *pick(const char *const *faults, size_t count, uint64_t fault)
{
        return fault < count && faults[fault] ? faults[fault] : "unknown fault";
}

const char *message_fault(enum abi_code kind, uint64_t fault)
{
        switch (kind) {
        case ABI_BAD_HEADER:
                return pick(header_faults, COUNT(header_faults), fault);
        case ABI_BAD_EXTENSION:
                return pick(extension_faults, COUNT(extension_faults), fault);
        case ABI_BAD_DIRECTORY:
                return pick(directory_faults, COUNT(directory_faults), fault);
        case ABI_BAD_REFCOUNTS:
                return pick(refcount_faults, COUNT(refcount_faults), fault);
        case ABI_BAD_BITMAP:
                return pick(bitmap_faults, COUNT(bitmap_faults), fault);
        case ABI_UNREPAIRABLE:
                return pick(unrepairable, COUNT(unrepairable), fault);
        case ABI_BAD_RESIZE:
                return pick(resize_faults, COUNT(resize_faults), fault);
        default:
                return pick(NULL, 0, fault);
        }
}
