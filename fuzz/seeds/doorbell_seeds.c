/* SPDX-License-Identifier: MIT */
/*
 * Seeds of the harness `doorbell`: an edit as the guest programs do it, and its variants,
 * each ended in every way.  `fuzz_doorbell_seeds DIRECTORY` writes them there.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz/harness/doorbell_input.h"
#include "guest/abi.h"

#define RING  DOORBELL_RING
#define BYTES (DOORBELL_OFFSET_BYTES | DOORBELL_LENGTH_BYTES)

#define BEGIN(sectors)                                                                   \
        {                                                                                \
                .op = ABI_BEGIN, .length = (sectors)                                     \
        }
#define PREPARE(sectors)                                                                 \
        {                                                                                \
                .op = ABI_BEGIN, .flags = ABI_BEGIN_PREPARES, .length = (sectors)        \
        }
#define ASSERT(first, sectors)                                                           \
        {                                                                                \
                .op = ABI_ASSERT, .offset = (first), .length = (sectors)                 \
        }
#define CLAIM(first, sectors)                                                            \
        {                                                                                \
                .op = ABI_CLAIM, .offset = (first), .length = (sectors)                  \
        }
#define OVERWRITE(number, first, sectors)                                                \
        {                                                                                \
                .op = ABI_JOURNAL, .step = (number), .offset = (first),                  \
                .length = (sectors)                                                      \
        }
#define FRESH(number, first, sectors)                                                    \
        {                                                                                \
                .op = ABI_JOURNAL, .step = (number), .flags = ABI_CHANGE_FRESH,          \
                .offset = (first), .length = (sectors), .addr = 16                       \
        }
#define SWITCH(number, at, bytes)                                                        \
        {                                                                                \
                .op = ABI_JOURNAL, .how = BYTES, .step = (number),                       \
                .flags = ABI_CHANGE_SWITCH, .offset = (at), .length = (bytes),           \
                .addr = 40                                                               \
        }
#define PUNCH(number, first, sectors)                                                    \
        {                                                                                \
                .op = ABI_JOURNAL, .step = (number), .flags = ABI_CHANGE_PUNCH,          \
                .offset = (first), .length = (sectors)                                   \
        }
#define CUT(number, sectors)                                                             \
        {                                                                                \
                .op = ABI_JOURNAL, .step = (number), .flags = ABI_CHANGE_TRUNCATE,       \
                .offset = (sectors)                                                      \
        }
#define APPLY(number)                                                                    \
        {                                                                                \
                .op = ABI_APPLY, .step = (number)                                        \
        }
#define APPLY_RING(number)                                                               \
        {                                                                                \
                .op = ABI_APPLY, .how = RING, .step = (number)                           \
        }
#define PART(number)                                                                     \
        {                                                                                \
                .op = ABI_APPLY, .step = (number), .flags = ABI_APPLY_PART               \
        }
#define END(code)                                                                        \
        {                                                                                \
                .op = ABI_END, .how = RING, .value = (code)                              \
        }

#define SECTORS 24
#define MOST    24

static const struct seed {
        const char *name;
        uint8_t flags;
        struct doorbell_piece pieces[MOST];
} seeds[] = {
    {"look",
     DOORBELL_LOOKS | DOORBELL_REPORTS,
     {{.op = ABI_READ, .how = RING, .length = 8, .addr = 4096},
      {.op = ABI_QUERY_HOLE, .offset = 8, .length = 8},
      {.op = ABI_POPULATE, .length = 64},
      {.op = ABI_REPORT, .length = 1, .value = 2},
      END(0)}},
    {"switch", 0, {BEGIN(0), ASSERT(0, 8), SWITCH(1, 40, 8), APPLY(1), END(0)}},
    {"edit",
     0,
     {BEGIN(16), ASSERT(0, 8), CLAIM(24, 16), FRESH(1, 24, 8), OVERWRITE(1, 4, 2),
      SWITCH(2, 40, 8), APPLY(1), APPLY(2), END(0)}},
    {"one-by-one",
     0,
     {{.op = ABI_BEGIN, .how = RING, .length = 8},
      {.op = ABI_ASSERT, .how = RING, .length = 1},
      {.op = ABI_JOURNAL,
       .how = RING,
       .step = 1,
       .flags = ABI_CHANGE_FRESH,
       .offset = 24,
       .length = 4,
       .addr = 64},
      {.op = DOORBELL_POKE, .addr = 8000, .length = 4096, .value = 0x0301},
      APPLY_RING(1),
      {.op = ABI_JOURNAL,
       .how = RING | BYTES,
       .step = 2,
       .flags = ABI_CHANGE_SWITCH,
       .offset = 600,
       .length = 24,
       .addr = 8000},
      APPLY_RING(2),
      END(0)}},
    {"parts",
     0,
     {BEGIN(8), ASSERT(0, 1), FRESH(1, 24, 2), PART(1), FRESH(1, 26, 2), PART(1),
      OVERWRITE(1, 5, 1), APPLY_RING(1), SWITCH(2, 0, 12), APPLY(2), END(0)}},
    {"release",
     0,
     {BEGIN(4), ASSERT(0, 8), FRESH(1, 24, 4), SWITCH(2, 100, 8), APPLY(1), APPLY(2),
      OVERWRITE(3, 7, 1), APPLY(3), PUNCH(4, 8, 8), CUT(4, 26), APPLY(4), END(0)}},
    {"prepare",
     0,
     {PREPARE(8), ASSERT(0, 1), FRESH(1, 24, 8), SWITCH(2, 48, 12), APPLY(1),
      APPLY_RING(2), BEGIN(4), ASSERT(0, 8), FRESH(1, 32, 4), SWITCH(2, 512, 8), APPLY(1),
      APPLY(2), END(0)}},
    {"refused", 0, {BEGIN(4), ASSERT(0, 8), FRESH(1, 24, 2), APPLY(1), END(5)}},
    {"changed",
     0,
     {BEGIN(0),
      {.op = ABI_ASSERT, .how = DOORBELL_RAW | DOORBELL_WRONG | RING, .length = 1},
      BEGIN(0),
      ASSERT(0, 1),
      SWITCH(1, 8, 8),
      APPLY(1),
      END(0)}},
    {"device",
     DOORBELL_DEVICE,
     {BEGIN(0), ASSERT(0, 1), OVERWRITE(1, 3, 3), SWITCH(2, 1000, 4), APPLY(1), APPLY(2),
      END(0)}},
    {"read-over",
     0,
     {BEGIN(8),
      ASSERT(0, 8),
      FRESH(1, 24, 4),
      {.op = ABI_READ, .length = 1, .addr = 16},
      APPLY(1),
      END(5)}},
    {"growth-alone", 0, {BEGIN(8), APPLY(1), END(5)}},
    {"early-release", 0, {BEGIN(0), ASSERT(0, 8), PUNCH(1, 0, 8), APPLY(1), END(5)}},
    /* 0x12: the stack's end, and a little less */
    {"stack",
     0,
     {{.op = ABI_READ,
       .how = RING | DOORBELL_RAW | DOORBELL_EDGE_ADDR,
       .length = 8,
       .addr = 0x8012},
      END(0)}},
    {"tired",
     DOORBELL_TIRED,
     {{.op = ABI_READ, .how = RING, .length = 4},
      BEGIN(0),
      ASSERT(0, 1),
      SWITCH(1, 8, 8),
      APPLY(1),
      END(0)}},
};

/* A fault, and a way to end; the last is for a switch whose sync fails. */
static const struct doorbell_head heads[] = {
    {.seed = 0},
    {.seed = 0x04, .ending = DOORBELL_DIES},
    {.seed = 0x22, .ending = DOORBELL_DIES, .fault = 4, .flags = DOORBELL_FAULT_STAYS},
    {.seed = 0x13, .fault = 8, .flags = DOORBELL_FAULT_STAYS},
    {.seed = 0x08, .fault = 6},
    {.seed = 0x41, .signal = 7},
};

static bool write_seed(const char *directory, const struct seed *seed, size_t variant)
{
        uint8_t bytes[DOORBELL_PIECE];
        char path[4096];
        struct doorbell_head head = heads[variant];
        FILE *file;

        head.size = (uint16_t)(SECTORS * ABI_SECTOR + (variant == 4 ? 100 : 0));
        head.flags |= seed->flags;
        snprintf(path, sizeof path, "%s/seed-%s-%zu", directory, seed->name, variant);
        file = fopen(path, "wb");
        if (!file)
                return false;
        doorbell_head_encode(&head, bytes);
        fwrite(bytes, 1, DOORBELL_HEAD, file);
        for (size_t i = 0; i < MOST && seed->pieces[i].op; i++) {
                doorbell_piece_encode(&seed->pieces[i], bytes);
                fwrite(bytes, 1, sizeof bytes, file);
        }
        return !fclose(file);
}

int main(int argc, char **argv)
{
        bool good = argc == 2;

        for (size_t i = 0; good && i < sizeof seeds / sizeof seeds[0]; i++)
                for (size_t v = 0; good && v < sizeof heads / sizeof heads[0]; v++)
                        good = write_seed(argv[1], &seeds[i], v);
        if (!good) {
                perror("usage: fuzz_doorbell_seeds DIRECTORY");
                return 1;
        }
        return 0;
}
