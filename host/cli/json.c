/* SPDX-License-Identifier: MIT */
#include "host/cli/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/abi.h"
#include "host/cli/text.h"
#include "host/cli/timestamp.h"
#include "host/cli/utf8.h"
#include "journal/hex.h"

/* With room for the escapes; NULL without memory. */
static struct text *new_text(void)
{
        struct text *text = calloc(1, sizeof *text);

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

json_t *json_escaped_bytes(const void *bytes, size_t length)
{
        struct text *text = new_text();

        if (!text)
                return NULL;
        text_escaped_bytes(text, bytes, length);
        return string_of(text);
}

/* Append the first character; how many bytes it takes. */
static size_t append_character(struct text *text, const char *bytes, size_t left)
{
        uint32_t character;
        size_t taken = utf8_decode(bytes, left, &character);

        if (character == UTF8_INVALID)
                text_string(text, "\xef\xbf\xbd");
        else if (character == 0) /* c0 80, which jansson does not take */
                text_bytes(text, "", 1);
        else
                text_bytes(text, bytes, taken);
        return taken;
}

static json_t *plain(const char *bytes, size_t length)
{
        struct text *text = new_text();

        if (!text)
                return NULL;
        for (size_t at = 0; at < length;)
                at += append_character(text, bytes + at, length - at);
        return string_of(text);
}

json_t *json_plain(const char *string)
{
        return string ? plain(string, strlen(string)) : NULL;
}

void json_set_bitmap(json_t *object, const void *name, size_t length)
{
        static char hex[2 * ABI_MAX_NAME + 1];
        json_t *value = length <= ABI_MAX_NAME
                            ? plain(name, length ? strnlen(name, length) : 0)
                            : NULL;

        if (!value)
                return;
        json_object_set_new(object, "bitmap", value);
        if (utf8_is_text(name, length))
                return;
        hex_text(name, length, hex);
        json_object_set_new(object, "instar-name-bytes", json_string(hex));
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

#define DELETE     '\x7f'
#define DELETE_ASC "\\u007f"

/* A copy with a newline, in which DEL is escaped, too: jansson lets it pass, terminals do
 * not.  It stands inside strings only.  NULL without memory. */
static char *as_line(const char *json)
{
        size_t length = strlen(json) + 2;
        char *line;
        char *to;

        for (const char *at = json; (at = strchr(at, DELETE)); at++)
                length += strlen(DELETE_ASC) - 1;
        line = to = malloc(length);
        if (!line)
                return NULL;
        for (; *json; json++) {
                if (*json == DELETE)
                        to = stpcpy(to, DELETE_ASC);
                else
                        *to++ = *json;
        }
        strcpy(to, "\n");
        return line;
}

char *json_text(const json_t *value)
{
        char *json =
            json_dumps(value, JSON_INDENT(4) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
        char *line = json ? as_line(json) : NULL;

        free(json);
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
