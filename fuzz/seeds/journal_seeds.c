/* SPDX-License-Identifier: MIT */
/*
 * Seeds of the journal harness: edits of several kinds that came to each point, what may
 * have become of their files, and the files themselves as bytes.
 * `fuzz_journal_seeds DIRECTORY` writes them there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/harness/journal_make.h"

#define MAX_PIECES 12u
#define OLD_SIZE   (8u * 512u)

struct seed {
        const char *name;
        uint32_t old_size;
        uint32_t final_size;
        uint32_t changes; /* of all closed batches */
        struct journal_piece pieces[MAX_PIECES];
};

#define CHANGE(at, number, ...)                                                          \
        {                                                                                \
                .kind = JOURNAL_PIECE_CHANGE, .where = (at), .sectors = (number)-1,      \
                __VA_ARGS__                                                              \
        }
#define SWITCH(at)                                                                       \
        {                                                                                \
                .kind = JOURNAL_PIECE_SWITCH, .where = (at), .steps = 1                  \
        }
#define CLAIM(at, bytes)                                                                 \
        {                                                                                \
                .kind = JOURNAL_PIECE_CLAIM, .where = (at), .value = (bytes)-1           \
        }
#define CLOSE                                                                            \
        {                                                                                \
                .kind = JOURNAL_PIECE_CLOSE                                              \
        }
#define NONE                                                                             \
        {                                                                                \
                .kind = JOURNAL_PIECE_KINDS                                              \
        }

static const struct seed seeds[] = {
    {"add",
     OLD_SIZE,
     OLD_SIZE + 2048,
     4,
     {CHANGE(8, 4), CHANGE(3, 1), CLAIM(OLD_SIZE, 2048),
      CHANGE(0, 1, .steps = 1, .flags = JOURNAL_CHANGE_SAME), SWITCH(1), CLOSE, NONE}},
    {"batches",
     OLD_SIZE - 100,
     OLD_SIZE + 1000,
     6,
     {CHANGE(8, 2), CLAIM(OLD_SIZE, 512), CLOSE, CHANGE(2, 3, .steps = 1), CHANGE(7, 1),
      CLOSE, CHANGE(2, 1, .steps = 1), CHANGE(4, 1), SWITCH(0), CLOSE, NONE}},
    {"torn",
     OLD_SIZE,
     OLD_SIZE,
     2,
     {CHANGE(2, 3), CHANGE(6, 1), CLOSE, CHANGE(2, 3, .steps = 1), SWITCH(1), NONE}},
    {"same-size",
     OLD_SIZE,
     OLD_SIZE,
     5,
     {CHANGE(1, 1), CHANGE(1, 1, .steps = 1), CHANGE(1, 1, .steps = 2),
      CHANGE(5, 3, .flags = JOURNAL_CHANGE_KIND), SWITCH(1), CLOSE, NONE}},
    {"large",
     20000,
     32768,
     3,
     {CHANGE(0, 8, .flags = JOURNAL_CHANGE_MANY), CHANGE(45, 10, .steps = 1), SWITCH(3),
      CLOSE, NONE}},
    {"nothing", OLD_SIZE, OLD_SIZE, 0, {CLOSE, NONE}},
    {"only-asked", 0, 0, 0, {NONE}},
    {"from-nothing", 0, 3000, 2, {CHANGE(0, 3), SWITCH(2), CLOSE, NONE}},
};

/* What is done to the edit, to its file, or to its image. */
struct twist {
        const char *name;
        struct journal_input input;
        struct journal_piece piece;
};

#define PIECE(...) .piece = {__VA_ARGS__}
static const struct twist twists[] = {
    {"whole", {0}, NONE},
    {"power", {.state = 7, .chosen = 0x5555aaaa1234}, NONE},
    {"unsynced", {.state = 5, .chosen = 0xfedc, .cut = 4}, NONE},
    {"failed-sync", {.state = 9}, NONE},
    {"fault", {.fault = 9, .cut = 5}, NONE},
    {"cut-5", {.cut = 5, .state = 4, .chosen = 0xaaaaaaaaaaaa}, NONE},
    {"cut-8", {.cut = 8, .state = 4, .chosen = 0xfffffffffff8}, NONE},
    {"cut-9", {.cut = 9, .state = 4, .chosen = 0xfffffffffffe}, NONE},
    {"two-cuts-6",
     {.cut = 5, .second_cut = 6, .state = 4, .chosen = 0xaaaaaaaaaaaa},
     NONE},
    {"two-cuts-8",
     {.cut = 4, .second_cut = 8, .state = 4, .chosen = 0xfffffffffffe},
     NONE},
    {"faults-10", {.fault = 10, .cut = 3, .state = 16}, NONE},
    {"faults-20", {.fault = 20, .cut = 3, .state = 16}, NONE},
    {"faults-26", {.fault = 26, .cut = 3, .state = 16}, NONE},
    {"faults", {.fault = 14, .cut = 3, .state = 16}, NONE},
    {"referenced", {.examiner = 1}, NONE},
    {"conflict", {.examiner = 2 + 4}, NONE},
    {"unproved", {.examiner = 3}, NONE},
    {"unchecked", {.examiner = 1 + 16}, NONE},
    {"holes", {.holes = 0xf0}, NONE},
    {"done", {.ending = 1}, NONE},
    {"recovering", {.ending = 3}, NONE},
    {"writable", {.file = JOURNAL_FILE_WRITABLE}, NONE},
    {"linked", {.file = JOURNAL_FILE_LINKED}, NONE},
    {"busy", {.file = JOURNAL_FILE_BUSY}, NONE},
    {"others", {.file = JOURNAL_FILE_OTHERS}, NONE},
    {"discard", {.file = JOURNAL_FILE_DISCARD}, NONE},
    {"other-size", {.size = 700}, NONE},
    {"foreign", {0}, PIECE(.kind = JOURNAL_PIECE_FOREIGN, .where = 3, .content = 9)},
    {"superseded",
     {.state = 1},
     PIECE(.kind = JOURNAL_PIECE_FOREIGN, .flags = JOURNAL_FOREIGN_UNSYNCED, .where = 3,
           .content = 9)},
    {"count", {0}, PIECE(.kind = JOURNAL_PIECE_CLOSE, .flags = 1, .value = 1)},
    {"batch", {0}, PIECE(.kind = JOURNAL_PIECE_CLOSE, .flags = 2, .value = 1)},
    {"poked",
     {0},
     PIECE(.kind = JOURNAL_PIECE_FILE, .flags = JOURNAL_POKE_SEAL, .where = 48,
           .value = 7)},
    {"lost", {0}, PIECE(.kind = JOURNAL_PIECE_LOST, .where = 3)},
    {"stale", {0}, PIECE(.kind = JOURNAL_PIECE_STALE, .where = 3, .value = 1)},
    {"cut", {0}, PIECE(.kind = JOURNAL_PIECE_SIZE, .value = 1300)},
    {"hole", {0}, PIECE(.kind = JOURNAL_PIECE_SIZE, .flags = 1, .value = 1ull << 40)},
    {"record",
     {0},
     PIECE(.kind = JOURNAL_PIECE_RECORD, .flags = 1 | JOURNAL_POKE_ADD, .where = 40,
           .value = 1)},
};

static bool write_file(const char *directory, const char *name, const uint8_t *head,
                       const uint8_t *rest, size_t length)
{
        char path[4096];
        snprintf(path, sizeof path, "%s/seed-%s", directory, name);
        FILE *file = fopen(path, "wb");
        if (!file)
                return false;
        fwrite(head, 1, JOURNAL_INPUT_HEAD, file);
        fwrite(rest, 1, length, file);
        return !fclose(file);
}

/* The file that it describes, as bytes. */
static bool write_bytes(const char *directory, const char *name,
                        struct journal_input input, const uint8_t *pieces, size_t length)
{
        static struct journal_made made;
        static struct journal_disk disk;
        uint8_t head[JOURNAL_INPUT_HEAD];
        char other[300];
        input.rest = pieces;
        input.rest_length = length;
        journal_make(&input, &made, &disk);
        for (input.mode = JOURNAL_RAW; input.mode <= JOURNAL_SEALED; input.mode++) {
                snprintf(other, sizeof other, "%s-%s", name,
                         input.mode == JOURNAL_RAW ? "raw" : "sealed");
                journal_input_encode(&input, head);
                if (made.length < 6000 &&
                    !write_file(directory, other, head, made.bytes, made.length))
                        return false;
        }
        return true;
}

/* It comes behind the first record. */
static bool is_early(const struct journal_piece *piece)
{
        return piece->kind == JOURNAL_PIECE_RECORD || piece->kind == JOURNAL_PIECE_CLOSE;
}

static bool write_seed(const char *directory, const struct seed *seed,
                       const struct twist *twist, uint32_t applied)
{
        uint8_t head[JOURNAL_INPUT_HEAD];
        uint8_t pieces[(MAX_PIECES + 1) * JOURNAL_INPUT_PIECE];
        struct journal_input input = twist->input;
        size_t length = 0;
        char name[200];
        input.old_size = seed->old_size;
        input.final_size = seed->final_size;
        input.applied = (uint8_t)applied;
        input.sectors = 0xfffffffd;
        for (size_t i = 0; seed->pieces[i].kind != JOURNAL_PIECE_KINDS; i++) {
                journal_input_encode_piece(&seed->pieces[i], pieces + length);
                length += JOURNAL_INPUT_PIECE;
                if (i || !is_early(&twist->piece))
                        continue;
                journal_input_encode_piece(&twist->piece, pieces + length);
                length += JOURNAL_INPUT_PIECE;
        }
        if (twist->piece.kind < JOURNAL_PIECE_KINDS && !is_early(&twist->piece)) {
                journal_input_encode_piece(&twist->piece, pieces + length);
                length += JOURNAL_INPUT_PIECE;
        }
        snprintf(name, sizeof name, "%s-%s-%u", seed->name, twist->name, applied);
        journal_input_encode(&input, head);
        return write_file(directory, name, head, pieces, length) &&
               (twist != twists || write_bytes(directory, name, input, pieces, length));
}

int main(int argc, char **argv)
{
        bool good = argc == 2;
        for (size_t s = 0; good && s < sizeof seeds / sizeof seeds[0]; s++)
                for (size_t t = 0; good && t < sizeof twists / sizeof twists[0]; t++)
                        for (uint32_t n = 0; good && n <= seeds[s].changes; n++)
                                good = write_seed(argv[1], &seeds[s], &twists[t], n);
        if (!good) {
                perror("usage: fuzz_journal_seeds DIRECTORY");
                return 1;
        }
        return 0;
}
