/* SPDX-License-Identifier: MIT */
#include "host/cli/info_damage.h"

#include <string.h>

#include "host/cli/info_repair.h"
#include "host/cli/messages.h"

/* A C string of a name, for a message, which shows TEXT_ARGUMENT_MAX bytes of it. */
static const char *argument_of(struct info_string name)
{
        static char argument[TEXT_ARGUMENT_MAX + 2];

        if (name.length > sizeof argument - 1)
                name.length = sizeof argument - 1;
        memcpy(argument, name.bytes, name.length);
        argument[name.length] = '\0';
        return argument;
}

/*
 * The message of its code.  That of a header is the specification's, and has what is
 * wrong in its hint; where the image can be described all the same, it is not the whole
 * header that cannot be read.
 */
static void append_what(struct text *text, const struct info_damage *damage)
{
        struct abi_result result = {.code = damage->facts.code};
        struct message_values values = {0};
        enum message message;

        memcpy(result.detail, damage->facts.detail, sizeof result.detail);
        message = message_of_result(&result, &values);
        values.argument = argument_of(damage->name);
        if (message != MESSAGE_BAD_HEADER) {
                message_append_text(text, message, &values);
                return;
        }
        text_string(text, "malformed image header: ");
        text_string(text, values.fault);
        text_string(text, "; value ");
        text_hex(text, values.detail[1]);
}

void info_damage_write(struct tree_writer *tree, const struct abi_report_image *image,
                       const struct info_damage *damage)
{
        static struct text what;
        const struct info_repair *repair = info_repair(image, &damage->facts);
        const struct info_string name = info_shown(damage->name);

        text_start(&what);
        append_what(&what, damage);
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
