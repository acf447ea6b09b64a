/* SPDX-License-Identifier: MIT */
/*
 * Preparing, beginning, removing, closing a transaction.
 *
 * Everything that allocates or reads the system's state is done in journal_prepare(),
 * before a sandbox is armed.  That includes the random bits: each transaction's
 * identifier is a 128-bit hash of 32 of them and the transaction's number, so that
 * no system call is needed later.
 */
#include "journal/transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>
#include <xxhash.h>

#include "journal/boot.h"
#include "journal/hex.h"

uint64_t journal_hash(const void *data, size_t length)
{
        return XXH3_64bits(data, length);
}

static int read_random(uint8_t *bytes, size_t length)
{
        while (length) {
                ssize_t n = getrandom(bytes, length, 0);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                bytes += n;
                length -= (size_t)n;
        }
        return 0;
}

int journal_prepare(const struct journal_place *place,
                    const struct journal_identity *identity, const char *image_path,
                    const char *asked, struct journal **journal)
{
        struct journal *j = calloc(1, sizeof *j);
        int error;

        *journal = NULL;
        if (!j)
                return -ENOMEM;
        j->fd = -1;
        j->directory_fd = place->directory_fd;
        memcpy(j->name, place->name, sizeof j->name);
        j->identity = *identity;
        j->asked_length = (uint32_t)strnlen(asked, JOURNAL_ASKED_MAX);
        memcpy(j->asked, asked, j->asked_length);
        j->path_length = (uint32_t)strlen(image_path);
        if (j->path_length > JOURNAL_PATH_MAX) /* a path that was cut leads nowhere */
                j->path_length = 0;
        memcpy(j->asked + j->asked_length, image_path, j->path_length);
        boot_id(j->boot);
        error = read_random(j->seed, sizeof j->seed);
        j->path = strdup(place->path);
        if (!error && !j->path)
                error = -ENOMEM;
        if (error) {
                journal_close(j);
                return error;
        }
        *journal = j;
        return 0;
}

static void next_identifier(struct journal *journal)
{
        uint8_t source[sizeof journal->seed + 8];
        XXH128_canonical_t id;

        memcpy(source, journal->seed, sizeof journal->seed);
        store_le64(source + sizeof journal->seed, journal->transactions++);
        XXH128_canonicalFromHash(&id, XXH3_128bits(source, sizeof source));
        memcpy(journal->id, id.digest, JOURNAL_ID_SIZE);
        hex_text(journal->id, JOURNAL_ID_SIZE, journal->id_text);
        journal->tag = load_le64(journal->id);
}

/* The lock tells a journal in use from one whose writer is gone. */
static int create_file(struct journal *journal)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int error;

        journal->fd =
            openat(journal->directory_fd, journal->name,
                   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (journal->fd < 0)
                return -errno;
        if (fcntl(journal->fd, F_OFD_SETLK, &lock) == 0)
                return 0;
        error = -errno;
        journal_remove(journal);
        return error;
}

static void reset(struct journal *journal, uint64_t old_size, uint64_t final_size)
{
        journal->old_size = old_size;
        journal->final_size = final_size;
        journal->sequence = 0;
        journal->previous = 0;
        journal->batch = 1;
        journal->batch_count = 0;
        journal->batch_crc = 0;
        journal->last_step = 1;
        journal->has_switch = false;
        journal->may_be_closed = false;
        journal->directory_synced = false;
        journal->failed = 0;
        journal->buffer_offset = 0;
        journal->undo.sync_failed = false;
        journal->undo.sync_unknown = false;
        journal->undo.only_new = false;
        journal->undo.dirty = false;
}

/* Header, and the room for the ending record: zeros that are there when it is needed. */
static void buffer_header(struct journal *journal)
{
        uint8_t *header = journal->buffer;

        memset(header, 0, JOURNAL_RECORDS_OFFSET);
        memcpy(header + HEADER_MAGIC, JOURNAL_MAGIC, JOURNAL_MAGIC_SIZE);
        store_le32(header + HEADER_VERSION, JOURNAL_FORMAT_VERSION);
        memcpy(header + HEADER_TRANSACTION, journal->id, JOURNAL_ID_SIZE);
        memcpy(header + HEADER_BOOT, journal->boot, JOURNAL_BOOT_ID_SIZE);
        store_le64(header + HEADER_OLD_SIZE, journal->old_size);
        store_le64(header + HEADER_FINAL_SIZE, journal->final_size);
        store_le64(header + HEADER_TIME, boot_now());
        store_le32(header + HEADER_IDENTITY_KIND, journal->identity.kind);
        store_le32(header + HEADER_IDENTITY_LENGTH, journal->identity.length);
        memcpy(header + HEADER_IDENTITY, journal->identity.bytes, JOURNAL_IDENTITY_MAX);
        journal_sector_seal(header, 0);
        journal->fill = JOURNAL_RECORDS_OFFSET;
}

static int append_asked(struct journal *journal)
{
        static const uint8_t zeros[8];
        uint8_t record[ASKED_TEXT] = {0};
        uint32_t length = journal->asked_length + journal->path_length;
        int error;

        store_le32(record + RECORD_KIND, JOURNAL_RECORD_ASKED);
        store_le32(record + ASKED_LENGTH, journal->asked_length);
        store_le32(record + ASKED_PATH, journal->path_length);
        error = writer_append_record(journal, record, sizeof record);
        if (!error)
                error = writer_append(journal, journal->asked, length);
        if (!error)
                error = writer_append(journal, zeros, padded_to_8(length) - length);
        return error;
}

int journal_begin(struct journal *journal, uint64_t old_size, uint64_t final_size)
{
        int error;

        if (journal->fd >= 0)
                return -EBUSY;
        if (final_size < old_size || final_size > INT64_MAX)
                return -EINVAL;
        next_identifier(journal);
        error = create_file(journal);
        if (error)
                return error;
        reset(journal, old_size, final_size);
        buffer_header(journal);
        return append_asked(journal); /* fits the buffer: no write */
}

int journal_remove(struct journal *journal)
{
        int error = 0;

        if (journal->fd < 0)
                return 0;
        if (unlinkat(journal->directory_fd, journal->name, 0) != 0)
                error = -errno;
        close(journal->fd);
        journal->fd = -1;
        return error;
}

int journal_remove_durably(struct journal *journal)
{
        if (journal->fd < 0)
                return 0;
        if (unlinkat(journal->directory_fd, journal->name, 0) != 0 && errno != ENOENT)
                return -errno;
        if (fsync(journal->directory_fd) != 0)
                return -errno;
        close(journal->fd);
        journal->fd = -1;
        return 0;
}

void journal_close(struct journal *journal)
{
        if (!journal)
                return;
        if (journal->fd >= 0)
                close(journal->fd);
        free(journal->path);
        free(journal);
}

const char *journal_transaction_id(const struct journal *journal)
{
        return journal->id_text;
}

const char *journal_path(const struct journal *journal)
{
        return journal->path;
}
