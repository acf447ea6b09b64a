/* SPDX-License-Identifier: MIT */
#include "host/cli/journal_view.h"

#include <string.h>

#include "journal/hex.h"

const char *old_content_name(enum journal_old old)
{
        switch (old) {
        case JOURNAL_OLD_BYTES:
                return "bytes";
        case JOURNAL_OLD_ZEROS:
                return "zeros";
        case JOURNAL_OLD_BEHIND_END:
                return "behind-end";
        }
        return "unknown";
}

const char *identity_kind_name(uint32_t kind)
{
        switch (kind) {
        case JOURNAL_IDENTITY_HANDLE:
                return "handle";
        case JOURNAL_IDENTITY_INODE:
                return "inode";
        case JOURNAL_IDENTITY_DEVICE:
                return "device";
        default:
                return "unknown";
        }
}

bool boot_text(const uint8_t boot[JOURNAL_BOOT_ID_SIZE], char text[BOOT_TEXT_SIZE])
{
        static const uint8_t not_known[JOURNAL_BOOT_ID_SIZE];
        static const size_t groups[] = {4, 2, 2, 2, 6};
        char *to = text;

        for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
                if (i)
                        *to++ = '-';
                hex_text(boot, groups[i], to);
                boot += groups[i];
                to += 2 * groups[i];
        }
        return memcmp(boot - JOURNAL_BOOT_ID_SIZE, not_known, sizeof not_known) != 0;
}
