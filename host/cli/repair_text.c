/* SPDX-License-Identifier: MIT */
#include "host/cli/repair_text.h"

#include <string.h>

#include "host/cli/messages.h"

/* Words with places for the numbers: %d decimal, %x hexadecimal, each the next of
 * detail[]; %b the bitmap, %f what is wrong with it. */
static const char *const words[ABI_REPAIR_KIND_COUNT] = {
    [ABI_REPAIR_LEAKS] = "leaked clusters given back: %d",
    [ABI_REPAIR_REFCOUNTS] = "refcounts that were too low raised: %d",
    [ABI_REPAIR_REBUILT] = "refcount structures built anew at offset %x: %d clusters",
    [ABI_REPAIR_COPIED] = "COPIED flags set right: %d",
    [ABI_REPAIR_ENTRIES] = "L1 and L2 entries mended, which read the same: %d",
    [ABI_REPAIR_TABLE_LOST] =
        "guest data from %d on, %d bytes, could not be read, for its "
        "L2 table is lost: it is taken for not allocated",
    [ABI_REPAIR_DATA_LOST] =
        "clusters of guest data that could not be read read as zeros "
        "now: %d, the first at guest offset %d",
    [ABI_REPAIR_TABLE_COPIED] = "an L2 table at offset %x, where something else is, too, "
                                "copied to %x",
    [ABI_REPAIR_BITMAP_REMOVED] = "bitmap '%b' removed: %f",
    [ABI_REPAIR_BITMAP_RESET] = "bitmap '%b' marked all dirty: %f",
    [ABI_REPAIR_BITMAP_MENDED] = "bitmap '%b' mended: no bit of it changed",
    [ABI_REPAIR_ENTRY_REMOVED] =
        "bitmap directory entry at offset %x removed: it makes no "
        "sense",
    [ABI_REPAIR_LIST_REMOVED] = "all bitmaps removed: there is no directory at offset %x",
    [ABI_REPAIR_STALE_REMOVED] = "bitmaps that were invalid already removed: %d",
    [ABI_REPAIR_DIRECTORY] = "bitmap directory written: %d bitmaps, %d bytes",
    [ABI_REPAIR_EXTENSION] = "header extension at offset %x, type %x: length set to %d",
    [ABI_REPAIR_EXTENSION_REMOVED] =
        "header extension at offset %x, type %x, removed: it cannot be read",
    [ABI_REPAIR_AUTOCLEAR] = "autoclear feature bits %x cleared",
    [ABI_REPAIR_HEADER] = "header field at offset %d: %x is %x now",
    [ABI_REPAIR_SNAPSHOT_REMOVED] = "snapshot %d of the table removed: it cannot be read",
    [ABI_REPAIR_SNAPSHOTS_REMOVED] =
        "all %d snapshots removed: there is no table at offset %x",
    [ABI_REPAIR_SNAPSHOT_TABLE] = "snapshot table entries completed: %d",
    [ABI_REPAIR_MARKS] = "incompatible feature bits %x (dirty, corrupt) cleared",
};

static const char *reason_of(const struct abi_report_repair *repair)
{
        switch (repair->detail[0]) {
        case ABI_REPAIR_REASON_ENTRY:
                return message_fault(ABI_BAD_DIRECTORY, repair->detail[1]);
        case ABI_REPAIR_REASON_TABLE:
                return "its table is damaged";
        case ABI_REPAIR_REASON_BEYOND_END:
                return "its data lies behind the end of the file";
        case ABI_REPAIR_REASON_SHARED:
                return "a cluster of it is used by something else, too";
        default:
                return "unknown fault";
        }
}

bool repair_append(struct text *text, const struct abi_report_repair *repair,
                   const void *name)
{
        const char *at =
            repair->kind < ABI_REPAIR_KIND_COUNT ? words[repair->kind] : NULL;
        unsigned int number = 0;

        if (!at)
                return false;
        while (*at) {
                size_t plain = strcspn(at, "%");

                text_bytes(text, at, plain);
                at += plain;
                if (!*at)
                        break;
                if (at[1] == 'd')
                        text_number(text, repair->detail[number++ % 3]);
                else if (at[1] == 'x')
                        text_hex(text, repair->detail[number++ % 3]);
                else if (at[1] == 'b')
                        text_escaped_bytes(text, name, repair->name_length);
                else
                        text_string(text, reason_of(repair));
                at += 2;
        }
        return true;
}
