/* SPDX-License-Identifier: MIT */
/*
 * The texts are qemu-img's (7.2), so that whoever knows them, or looks for them in a log,
 * finds the same.  {0} is a number, {x0} the same in hexadecimal without a prefix.
 */
#include "host/cli/check_findings.h"

#include <stdio.h>
#include <string.h>

#define FINDING_NUMBERS 3u

static const char *const texts[ABI_FINDING_COUNT] = {
    [ABI_FINDING_BEYOND_END] =
        "ERROR: counting reference for region exceeding the end of the file by one "
        "cluster or more: offset 0x{x0} size 0x{x1}",
    [ABI_FINDING_OVERFLOW] =
        "ERROR: overflow cluster offset=0x{x0}\n"
        "Use qemu-img amend to increase the refcount entry width or qemu-img convert to "
        "create a clean copy if the image cannot be opened for writing",
    [ABI_FINDING_L1_RESERVED] = "ERROR found L1 entry with reserved bits set: {x0}",
    [ABI_FINDING_L2_UNALIGNED] =
        "ERROR l2_offset={x0}: Table is not cluster aligned; L1 entry corrupted",
    [ABI_FINDING_L2_RESERVED] = "ERROR found l2 entry with reserved bits set: {x0}",
    [ABI_FINDING_COMPRESSED_COPIED] =
        "ERROR: coffset=0x{x0}: copied flag must never be set for compressed clusters",
    [ABI_FINDING_COMPRESSED_DATA_FILE] =
        "ERROR compressed cluster {0} with data file, entry=0x{x1}",
    [ABI_FINDING_COMPRESSED_SUBCLUSTERS] =
        "ERROR compressed cluster {0} with non-zero subcluster allocation bitmap, "
        "entry=0x{x1}",
    [ABI_FINDING_SUBCLUSTER_BITMAP] =
        "ERROR offset={x0}: Allocated cluster has corrupted subcluster allocation bitmap",
    [ABI_FINDING_PREALLOCATED_UNALIGNED] =
        "ERROR offset={x0}: Preallocated cluster is not properly aligned; L2 entry "
        "corrupted.",
    [ABI_FINDING_DATA_UNALIGNED] =
        "ERROR offset={x0}: Data cluster is not properly aligned; L2 entry corrupted.",
    [ABI_FINDING_UNALLOCATED_SUBCLUSTERS] =
        "ERROR: Unallocated cluster has non-zero subcluster allocation map",
    [ABI_FINDING_REFTABLE_RESERVED] =
        "ERROR refcount table entry {0} has reserved bits set",
    [ABI_FINDING_REFBLOCK_UNALIGNED] =
        "ERROR refcount block {0} is not cluster aligned; refcount table entry corrupted",
    [ABI_FINDING_REFBLOCK_OUTSIDE] = "ERROR refcount block {0} is outside image",
    [ABI_FINDING_REFBLOCK_REFCOUNT] = "ERROR refcount block {0} refcount={1}",
    [ABI_FINDING_SNAPSHOTS_DATA_FILE] = "ERROR {0} snapshots in image with data file",
    [ABI_FINDING_SNAPSHOT_INCOMPLETE] = "ERROR snapshot table entry {0} is incomplete",
    [ABI_FINDING_SNAPSHOT_L1_UNALIGNED] =
        "ERROR snapshot {id} ({name}) l1_offset=0x{x0}: L1 table is not cluster aligned; "
        "snapshot table entry corrupted",
    [ABI_FINDING_SNAPSHOT_L1_TOO_LARGE] =
        "ERROR snapshot {id} ({name}) l1_size=0x{x0}: L1 table is too large; snapshot "
        "table entry corrupted",
    [ABI_FINDING_COPIED_L2] =
        "ERROR OFLAG_COPIED L2 cluster: l1_index={0} l1_entry={x1} refcount={2}",
    [ABI_FINDING_COPIED_DATA] =
        "ERROR OFLAG_COPIED data cluster: l2_entry={x0} refcount={1}",
    [ABI_FINDING_REFCOUNT_TOO_LOW] = "ERROR cluster {0} refcount={1} reference={2}",
    [ABI_FINDING_LEAK] = "Leaked cluster {0} refcount={1} reference={2}",
    [ABI_FINDING_REFCOUNT_UNREADABLE] =
        "Can't get refcount for cluster {0}: Input/output error",
};

static void append_hex(struct text *text, uint64_t number)
{
        char digits[17];

        snprintf(digits, sizeof digits, "%llx", (unsigned long long)number);
        text_string(text, digits);
}

/* What stands in the braces at `word`; how long it is, braces included. */
static size_t append_value(struct text *text, const char *word,
                           const struct abi_finding *finding, const char *id,
                           const char *name)
{
        bool hex = word[1] == 'x';
        unsigned index = (unsigned)(word[hex ? 2 : 1] - '0');

        if (strncmp(word, "{id}", 4) == 0) {
                text_escaped(text, id);
        } else if (strncmp(word, "{name}", 6) == 0) {
                text_escaped(text, name);
        } else if (index < FINDING_NUMBERS) {
                if (hex)
                        append_hex(text, finding->detail[index]);
                else
                        text_number(text, finding->detail[index]);
        }
        return strcspn(word, "}") + 1;
}

bool finding_append(struct text *text, const struct abi_finding *finding, const char *id,
                    const char *name)
{
        const char *at = finding->kind < ABI_FINDING_COUNT ? texts[finding->kind] : NULL;

        if (!at)
                return false;
        while (*at) {
                size_t plain = strcspn(at, "{");

                text_bytes(text, at, plain);
                at += plain;
                if (*at)
                        at += append_value(text, at, finding, id, name);
        }
        text_string(text, "\n");
        return true;
}
