/* SPDX-License-Identifier: MIT */
#include "host/cli/damage_text.h"

#include <string.h>

#include "host/cli/messages.h"

bool damage_is_known(const struct abi_report_damage *damage)
{
        const struct abi_result result = {.code = damage->code};
        struct message_values values = {0};
        enum message message = message_of_result(&result, &values);

        return message != MESSAGE_NONE && message != MESSAGE_PROTOCOL;
}

/* A C string of a name, for a message, which shows TEXT_ARGUMENT_MAX bytes of it. */
static const char *argument_of(const void *name, size_t length)
{
        static char argument[TEXT_ARGUMENT_MAX + 2];

        if (length > sizeof argument - 1)
                length = sizeof argument - 1;
        memcpy(argument, name, length);
        argument[length] = '\0';
        return argument;
}

/*
 * The message of its code.  That of a header is the specification's, and has what is
 * wrong in its hint; where the image can be described all the same, it is not the whole
 * header that cannot be read.
 */
void damage_append(struct text *text, const struct abi_report_damage *damage,
                   const void *name, size_t length)
{
        struct abi_result result = {.code = damage->code};
        struct message_values values = {0};
        enum message message;

        memcpy(result.detail, damage->detail, sizeof result.detail);
        message = message_of_result(&result, &values);
        values.argument = argument_of(name, length);
        if (message != MESSAGE_BAD_HEADER) {
                message_append_text(text, message, &values);
        } else {
                text_string(text, "malformed image header: ");
                text_string(text, values.fault);
                text_string(text, "; value ");
                text_hex(text, values.detail[1]);
        }
}
