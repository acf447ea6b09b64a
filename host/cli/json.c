/* SPDX-License-Identifier: MIT */
#include "host/cli/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/text.h"
#include "host/cli/timestamp.h"

/* With room for the escapes; NULL without memory. */
static struct text *new_text(void)
{
        struct text *text = malloc(sizeof *text);

        if (text)
                text_start(text);
        return text;
}

static json_t *string_of(struct text *text)
{
        json_t *value = json_stringn(text->bytes, text->length);

        free(text);
        return value;
}

json_t *json_escaped(const char *string)
{
        struct text *text = string ? new_text() : NULL;

        if (!text)
                return NULL;
        text_escaped(text, string);
        return string_of(text);
}

json_t *json_escaped_bytes(const void *bytes, size_t length)
{
        struct text *text = new_text();

        if (!text)
                return NULL;
        text_escaped_bytes(text, bytes, length);
        return string_of(text);
}

json_t *json_time(uint64_t nanoseconds)
{
        char text[TIMESTAMP_SIZE];

        if (!nanoseconds)
                return NULL;
        timestamp(nanoseconds, text);
        return json_string(text);
}

static int write_all(int fd, const char *bytes, size_t length)
{
        while (length) {
                ssize_t put = write(fd, bytes, length);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put <= 0) {
                        errno = put ? errno : EIO;
                        return -1;
                }
                bytes += put;
                length -= (size_t)put;
        }
        return 0;
}

char *json_text(const json_t *value)
{
        char *text =
            json_dumps(value, JSON_INDENT(4) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
        size_t length = text ? strlen(text) : 0;
        char *line = text ? realloc(text, length + 2) : NULL;

        if (line)
                memcpy(line + length, "\n", 2);
        else
                free(text);
        return line;
}

int json_write(const json_t *value, int fd)
{
        char *text = json_text(value);
        int error = 0;

        if (!text)
                return ENOMEM;
        if (write_all(fd, text, strlen(text)))
                error = errno;
        free(text);
        return error;
}
