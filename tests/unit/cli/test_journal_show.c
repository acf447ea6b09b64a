/* SPDX-License-Identifier: MIT */
/*
 * Showing journals that the library wrote: long ones, hostile ones, and ones that were
 * changed at random with all checksums made right again, so that every field of the
 * printing path meets values that no writer would write.
 */
#include "tests/unit/cli/cmocka_all.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cli/journal_show.h"
#include "journal/crc32c.h"
#include "journal/journal.h"
#include "journal/read.h"

#define ROUNDS   3000u
#define OLD_SIZE (1u << 20)

static char directory[] = "/tmp/instar-test-XXXXXX";
static struct text err;
static struct journal_reader reader;

/* ---- making journals ------------------------------------------------------------- */

static struct journal *begin(struct journal_place *place, const char *asked)
{
        struct journal_identity identity = {.kind = JOURNAL_IDENTITY_INODE, .length = 20};
        struct journal *journal;

        memset(place, 0, sizeof *place);
        place->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        strcpy(place->name, "j");
        assert_true(place->directory_fd >= 0);
        place->path = strdup("j");
        assert_int_equal(
            journal_prepare(place, &identity, "/i\xff\x1b[m", asked, &journal), 0);
        assert_int_equal(journal_begin(journal, OLD_SIZE, 2 * OLD_SIZE), 0);
        return journal;
}

/* One batch: every old content, the switch last. */
static void add_changes(struct journal *journal, uint64_t *hashes)
{
        static const uint8_t old[1024] = {1};
        const struct journal_change changes[] = {
            {.step = 1, .length = 2048, .behind_end = true, .offset = OLD_SIZE},
            {.step = 1, .length = 512, .offset = 4096},
            {.step = 2, .length = 1024, .offset = 4608, .old_bytes = old},
            {.step = 3, .length = 512, .old_bytes = old, .is_switch = true},
        };

        for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
                struct journal_change change = changes[i];
                change.new_hashes = hashes;
                assert_int_equal(journal_add(journal, &change), 0);
        }
        assert_int_equal(journal_close_batch(journal), 0);
}

/* Many records in several batches: far more text than fits a buffer. */
static void add_many(struct journal *journal, uint64_t *hashes, unsigned batches,
                     unsigned records)
{
        for (unsigned batch = 0; batch < batches; batch++) {
                for (unsigned i = 0; i < records; i++) {
                        struct journal_change change = {.step = 1,
                                                        .length = 512,
                                                        .offset = 1024u * (i % 1024u),
                                                        .new_hashes = hashes};
                        assert_int_equal(journal_add(journal, &change), 0);
                }
                assert_int_equal(journal_close_batch(journal), 0);
        }
}

/* The file becomes a memory file, which is returned. */
static int end(struct journal *journal, struct journal_place *place)
{
        int memory = memfd_create("journal", MFD_CLOEXEC);
        int fd = openat(place->directory_fd, place->name, O_RDONLY | O_CLOEXEC);
        char bytes[4096];
        ssize_t length;

        assert_true(memory >= 0 && fd >= 0);
        while ((length = read(fd, bytes, sizeof bytes)) > 0)
                assert_int_equal(write(memory, bytes, (size_t)length), length);
        close(fd);
        assert_int_equal(journal_remove(journal), 0);
        journal_close(journal);
        journal_place_release(place);
        return memory;
}

static int plain_journal(const char *asked)
{
        uint64_t hashes[4] = {1, 2, 3, 4};
        struct journal_place place;
        struct journal *journal = begin(&place, asked);

        add_changes(journal, hashes);
        return end(journal, &place);
}

/* ---- showing them ------------------------------------------------------------------ */

/* The exit code; *out is malloc'ed and terminated. */
static int show(int journal, bool json, char **out)
{
        int memory = memfd_create("out", MFD_CLOEXEC);
        char path[64];
        struct stat status;
        int exit_code;

        assert_true(memory >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", journal);
        text_start(&err);
        exit_code = journal_show(path, json, memory, &err);
        assert_int_equal(fstat(memory, &status), 0);
        *out = calloc(1, (size_t)status.st_size + 1);
        assert_non_null(*out);
        assert_int_equal(pread(memory, *out, (size_t)status.st_size, 0), status.st_size);
        close(memory);
        text_bytes(&err, "", 1);
        return exit_code;
}

static void expect_no_control(const char *text)
{
        for (; *text; text++)
                if (((unsigned char)*text < 0x20 && *text != '\n') || *text == 0x7f)
                        fail_msg("control byte %#x", (unsigned char)*text);
}

/* The JSON of a journal that is in order. */
static json_t *show_json(int journal)
{
        json_error_t error;
        json_t *value;
        char *out;

        if (show(journal, true, &out) != 0)
                fail_msg("%s", err.bytes);
        expect_no_control(out);
        value = json_loads(out, JSON_REJECT_DUPLICATES, &error);
        if (!value)
                fail_msg("%s at line %d: %s", error.text, error.line, out);
        free(out);
        return value;
}

static json_int_t integer(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);

        assert_true(json_is_integer(value));
        return json_integer_value(value);
}

static const char *string(const json_t *object, const char *key)
{
        const char *value = json_string_value(json_object_get(object, key));

        assert_non_null(value);
        return value;
}

/* ---- tests --------------------------------------------------------------------------
 */

static void every_change_is_told_with_its_old_content(void **state)
{
        static const char *const lines[] = {
            "\n  step 1  offset 1048576  length 2048  old behind-end\n",
            "\n  step 1  offset 4096  length 512  old zeros\n",
            "\n  step 2  offset 4608  length 1024  old bytes\n",
            "\n  step 3  offset 0  length 512  old bytes  switch\n",
            "\nstate         pending\n",
            "\nsize          1048576 -> 2097152\n",
            "\n1 batch, 6 records, 3 extents, 4096 bytes\n",
        };
        int journal = plain_journal("instar bitmap");
        char *out;

        (void)state;
        assert_int_equal(show(journal, false, &out), 0);
        for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
                if (!strstr(out, lines[i]))
                        fail_msg("no line %s in %s", lines[i], out);
        free(out);
        close(journal);
}

static void what_was_asked_is_shown_whole_whatever_it_holds(void **state)
{
        static char asked[JOURNAL_ASKED_MAX + 1];
        int journal;
        json_t *value;
        char *out;

        (void)state;
        memset(asked, '\x1b', JOURNAL_ASKED_MAX);
        asked[0] = '"';
        asked[1] = '\xff';
        journal = plain_journal(asked);
        value = show_json(journal);
        assert_int_equal(strlen(string(value, "asked")), 1 + 4 * (JOURNAL_ASKED_MAX - 1));
        assert_int_equal(strncmp(string(value, "asked"), "\"\\xff\\x1b\\x1b", 13), 0);
        assert_string_equal(string(value, "image"), "/i\\xff\\x1b[m");
        json_decref(value);
        assert_int_equal(show(journal, false, &out), 0);
        expect_no_control(out);
        assert_non_null(strstr(out, "asked         \"\\xff\\x1b\\x1b"));
        assert_true(strlen(out) > 4 * (JOURNAL_ASKED_MAX - 1));
        free(out);
        close(journal);
}

static void a_long_journal_is_one_whole_document(void **state)
{
        enum { BATCHES = 3, RECORDS = 1000 };
        uint64_t hash = 1;
        struct journal_place place;
        struct journal *writer = begin(&place, "x");
        const json_t *batches;
        json_t *value;
        int journal;

        (void)state;
        add_many(writer, &hash, BATCHES, RECORDS);
        journal = end(writer, &place);
        value = show_json(journal);
        batches = json_object_get(value, "batches");
        assert_int_equal(json_array_size(batches), BATCHES);
        for (size_t i = 0; i < BATCHES; i++) {
                const json_t *batch = json_array_get(batches, i);
                const json_t *changes = json_object_get(batch, "changes");

                assert_int_equal(integer(batch, "number"), i + 1);
                assert_int_equal(json_array_size(changes), RECORDS);
                for (size_t k = 0; k < RECORDS; k++)
                        assert_int_equal(integer(json_array_get(changes, k), "offset"),
                                         1024 * k);
        }
        assert_int_equal(integer(value, "records"), BATCHES * (RECORDS + 1) + 1);
        assert_int_equal(integer(value, "bytes"), 512 * BATCHES * RECORDS);
        json_decref(value);
        close(journal);
}

static void a_write_that_fails_is_told_once(void **state)
{
        uint64_t hash = 1;
        struct journal_place place;
        struct journal *writer = begin(&place, "x");
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        char path[64];
        int journal;

        (void)state;
        add_many(writer, &hash, 2, 3000); /* it fails long before the end */
        journal = end(writer, &place);
        snprintf(path, sizeof path, "/proc/self/fd/%d", journal);
        for (int json = 0; json < 2; json++) {
                text_start(&err);
                assert_int_equal(journal_show(path, json, full, &err), 1);
                text_bytes(&err, "", 1);
                assert_string_equal(err.bytes,
                                    "instar journal: cannot write to standard output: No "
                                    "space left on device\n");
        }
        close(full);
        close(journal);
}

/* ---- mutations ------------------------------------------------------------------------
 */

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_below(uint32_t limit)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (uint32_t)(random_state >> 33) % limit;
}

/* Values that are near a limit of some field, or anything. */
static uint8_t interesting_byte(void)
{
        static const uint8_t bytes[] = {0, 1, 2, 3, 0x1b, 0x40, 0x7f, 0x80, 0xfe, 0xff};

        return random_below(2) ? bytes[random_below(sizeof bytes)]
                               : (uint8_t)random_below(256);
}

/* Make the checksums right: the batch's, whose closing record is at file offset `close`,
 * and every sector's. */
static void mend(uint8_t *bytes, size_t size, uint64_t close)
{
        uint32_t crc = 0;

        for (uint64_t at = JOURNAL_RECORDS_OFFSET;;
             at = journal_sector_advance(at, SECTOR_PAYLOAD_SIZE)) {
                bool last = at / JOURNAL_SECTOR == close / JOURNAL_SECTOR;
                size_t length =
                    last ? close % JOURNAL_SECTOR + CLOSE_CRC : SECTOR_PAYLOAD_SIZE;

                crc = crc32c(crc, bytes + at, length);
                if (last)
                        break;
        }
        store_le32(bytes + close + CLOSE_CRC, crc);
        for (uint64_t i = 0; i < size / JOURNAL_SECTOR; i++)
                if (!all_zero(bytes + i * JOURNAL_SECTOR, JOURNAL_SECTOR))
                        journal_sector_seal(bytes + i * JOURNAL_SECTOR, i);
}

/* Shown as one document, or refused in words with stdout left empty. */
static bool expect_sane(int journal)
{
        char *out;
        int exit_code = show(journal, false, &out);

        expect_no_control(out);
        if (exit_code == 0) {
                json_decref(show_json(journal));
        } else {
                assert_int_equal(exit_code, 5);
                assert_string_equal(out, "");
                assert_non_null(strstr(err.bytes, "of the file"));
        }
        free(out);
        return exit_code == 0;
}

static void random_changes_are_shown_or_refused(void **state)
{
        int journal = plain_journal("instar bitmap --add \xc3\xa9 it");
        uint8_t sound[8192], bytes[sizeof sound];
        ssize_t size = pread(journal, sound, sizeof sound, 0);
        unsigned shown = 0;

        (void)state;
        assert_true(size > (ssize_t)JOURNAL_RECORDS_OFFSET &&
                    size < (ssize_t)sizeof sound);
        assert_int_equal(journal_reader_open(&reader, journal), 0);
        /* mend() must find the whole closing record in one sector. */
        assert_true(reader.last_close % JOURNAL_SECTOR + CLOSE_SIZE <=
                    SECTOR_PAYLOAD_SIZE);
        for (unsigned round = 0; round < ROUNDS; round++) {
                memcpy(bytes, sound, (size_t)size);
                for (uint32_t n = 1 + random_below(3); n; n--)
                        bytes[random_below((uint32_t)size)] = interesting_byte();
                if (round % 8)
                        mend(bytes, (size_t)size, reader.last_close);
                assert_int_equal(pwrite(journal, bytes, (size_t)size, 0), size);
                shown += expect_sane(journal);
        }
        /* Both ways are really gone. */
        assert_in_range(shown, ROUNDS / 10, ROUNDS - ROUNDS / 10);
        close(journal);
}

static int make_directory(void **state)
{
        (void)state;
        return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
        (void)state;
        return rmdir(directory);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_change_is_told_with_its_old_content),
            cmocka_unit_test(what_was_asked_is_shown_whole_whatever_it_holds),
            cmocka_unit_test(a_long_journal_is_one_whole_document),
            cmocka_unit_test(a_write_that_fails_is_told_once),
            cmocka_unit_test(random_changes_are_shown_or_refused),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
