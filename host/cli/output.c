/* SPDX-License-Identifier: MIT */
#include "host/cli/output.h"

#include <string.h>

/* More than any number has digits. */
#define NUMBER_ROOM 32u

static void flush(struct output *output)
{
        output->begun |= output->text.length > 0;
        if (!output->error)
                output->error = text_write(&output->text, output->fd);
        text_start(&output->text);
}

void output_start(struct output *output, int fd)
{
        output->fd = fd;
        output->error = 0;
        output->begun = false;
        text_start(&output->text);
}

void output_bytes(struct output *output, const char *bytes, size_t length)
{
        while (length) {
                size_t part = TEXT_MAX - output->text.length;

                if (part > length)
                        part = length;
                text_bytes(&output->text, bytes, part);
                bytes += part;
                length -= part;
                if (length)
                        flush(output);
        }
}

void output_string(struct output *output, const char *string)
{
        output_bytes(output, string, strlen(string));
}

static void make_room(struct output *output, size_t room)
{
        if (TEXT_MAX - output->text.length < room)
                flush(output);
}

void output_number(struct output *output, uint64_t number)
{
        make_room(output, NUMBER_ROOM);
        text_number(&output->text, number);
}

void output_escaped(struct output *output, const void *bytes, size_t length)
{
        const char *at = bytes;

        while (length) {
                size_t part;

                make_room(output, TEXT_CHARACTER_MAX);
                part = text_escaped_character(&output->text, at, length);
                at += part;
                length -= part;
        }
}

char *output_room(struct output *output, size_t length)
{
        make_room(output, length);
        return output->text.bytes + output->text.length;
}

void output_took(struct output *output, const char *end)
{
        output->text.length = (size_t)(end - output->text.bytes);
}

int output_finish(struct output *output)
{
        flush(output);
        return output->error;
}
