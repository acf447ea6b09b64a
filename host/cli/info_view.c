/* SPDX-License-Identifier: MIT */
#include "host/cli/info_view.h"

#include <limits.h>
#include <string.h>

bool info_is_pending(const struct recovery_item *item)
{
        return item->state >= RECOVERY_WOULD_UNDO;
}

struct info_string info_shown(struct info_string string)
{
        if (string.length)
                string.length = strnlen(string.bytes, string.length);
        return string;
}

struct info_string info_full_backing(const struct info *info)
{
        static char full[PATH_MAX + ABI_MAX_NAME];
        const struct info_string name = info_shown(info->image.backing);
        const char *slash = strrchr(info->filename, '/');
        size_t directory = slash ? (size_t)(slash - info->filename) + 1 : 0;

        /* No longer path was ever opened. */
        if (!(info->image.facts.flags & ABI_IMAGE_BACKING_RELATIVE) ||
            directory > PATH_MAX)
                return name;
        memcpy(full, info->filename, directory);
        memcpy(full + directory, name.bytes, name.length);
        return (struct info_string){full, directory + name.length};
}
