/* SPDX-License-Identifier: MIT */
#include "host/cli/info_damage.h"

#include "host/cli/damage_repair.h"
#include "host/cli/damage_text.h"

void info_damage_write(struct tree_writer *tree, const struct abi_report_image *image,
                       const struct info_damage *damage)
{
        static struct text what;
        const struct damage_repair *repair = damage_repair(image, &damage->facts);
        const struct info_string name = info_shown(damage->name);

        text_start(&what);
        damage_append(&what, &damage->facts, damage->name.bytes, damage->name.length);
        tree_object(tree, NULL);
        tree_bytes(tree, "what", what.bytes, what.length);
        tree_bool(tree, "repairable", repair->repairable);
        tree_string(tree, "repair", repair->text);
        if (damage->name.length)
                tree_bytes(tree, "bitmap", name.bytes, name.length);
        if (damage->facts.more)
                tree_number(tree, "not-listed", damage->facts.more);
        tree_end(tree);
}
