/* SPDX-License-Identifier: MIT */
#include "journal/index_entry.h"

#include <errno.h>
#include <string.h>

#include "journal/bytes.h"

#define VALUE_VERSION   0u
#define VALUE_IMAGE     4u /* lengths, without the terminating zero */
#define VALUE_JOURNAL   8u
#define VALUE_ASKED     12u
#define VALUE_TIME      16u
#define VALUE_IDENTITY  24u
#define VALUE_DIRECTORY (VALUE_IDENTITY + INDEX_IDENTITY_SIZE)
#define VALUE_TEXTS     (VALUE_DIRECTORY + INDEX_IDENTITY_SIZE)

void index_identity_store(uint8_t *to, const struct journal_identity *identity)
{
        store_le32(to, identity->kind);
        store_le32(to + 4, identity->length);
        memcpy(to + 8, identity->bytes, JOURNAL_IDENTITY_MAX);
}

int index_identity_load(const uint8_t *from, struct journal_identity *identity)
{
        identity->kind = load_le32(from);
        identity->length = load_le32(from + 4);
        memcpy(identity->bytes, from + 8, JOURNAL_IDENTITY_MAX);
        return identity->length <= JOURNAL_IDENTITY_MAX ? 0 : -EBADMSG;
}

static uint8_t *store_string(uint8_t *to, const char *text, size_t length)
{
        memcpy(to, text, length);
        to[length] = '\0';
        return to + length + 1;
}

void index_entry_store_directory(uint8_t *value, const struct journal_identity *directory)
{
        index_identity_store(value + VALUE_DIRECTORY, directory);
}

size_t index_entry_store(const struct journal_index_entry *entry, uint8_t *value,
                         size_t size)
{
        size_t image = strlen(entry->image_path);
        size_t journal = strlen(entry->journal_path);
        size_t asked = strnlen(entry->asked, JOURNAL_ASKED_MAX);
        uint8_t *end;

        if (image > size || journal > size ||
            VALUE_TEXTS + image + journal + asked + 3 > size)
                return 0;
        store_le32(value + VALUE_VERSION, INDEX_VALUE_VERSION);
        store_le32(value + VALUE_IMAGE, (uint32_t)image);
        store_le32(value + VALUE_JOURNAL, (uint32_t)journal);
        store_le32(value + VALUE_ASKED, (uint32_t)asked);
        store_le64(value + VALUE_TIME, entry->time);
        index_identity_store(value + VALUE_IDENTITY, entry->identity);
        memset(value + VALUE_DIRECTORY, 0, INDEX_IDENTITY_SIZE);
        end = store_string(value + VALUE_TEXTS, entry->image_path, image);
        end = store_string(end, entry->journal_path, journal);
        end = store_string(end, entry->asked, asked);
        return (size_t)(end - value);
}

/* The string of that length at *at, which must end before `end`. */
static const char *load_string(const uint8_t **at, const uint8_t *end, uint32_t length)
{
        const char *text = (const char *)*at;

        if ((size_t)(end - *at) <= length ||
            memchr(text, '\0', length + (size_t)1) != text + length)
                return NULL;
        *at += length + (size_t)1;
        return text;
}

int index_entry_load(const uint8_t *value, size_t size, struct journal_index_entry *entry,
                     struct journal_identity identities[2])
{
        const uint8_t *at = value + VALUE_TEXTS;
        const uint8_t *end = value + size;

        if (size < VALUE_TEXTS ||
            load_le32(value + VALUE_VERSION) != INDEX_VALUE_VERSION ||
            index_identity_load(value + VALUE_IDENTITY, &identities[0]) != 0 ||
            index_identity_load(value + VALUE_DIRECTORY, &identities[1]) != 0)
                return -EBADMSG;
        entry->image_path = load_string(&at, end, load_le32(value + VALUE_IMAGE));
        if (!entry->image_path)
                return -EBADMSG;
        entry->journal_path = load_string(&at, end, load_le32(value + VALUE_JOURNAL));
        if (!entry->journal_path)
                return -EBADMSG;
        entry->asked = load_string(&at, end, load_le32(value + VALUE_ASKED));
        if (!entry->asked || at != end)
                return -EBADMSG;
        entry->identity = &identities[0];
        entry->time = load_le64(value + VALUE_TIME);
        return 0;
}
