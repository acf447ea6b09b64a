/* SPDX-License-Identifier: MIT */
/*
 * Seeds of the cut harness: each image with each kind of operation, cut off at several
 * points.  `fuzz_cut_seeds DIRECTORY` writes them there.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz/harness/cut_images.h"
#include "fuzz/harness/cut_input.h"
#include "guest/abi.h"

#define STEPS 3u

struct seed {
        const char *name;
        struct cut_step steps[STEPS]; /* as many as have actions, or another operation */
};

#define BITMAP(...)                                                                      \
        {                                                                                \
                .operation = CUT_BITMAP, __VA_ARGS__                                     \
        }
#define ONE(action, ...)                                                                 \
        BITMAP(.action_count = 1, .actions = {ABI_ACTION_##action}, __VA_ARGS__)

static const struct seed seeds[] = {
    {"add", {ONE(ADD, .target = 130, .granularity = 8)}},
    {"remove", {ONE(REMOVE, .target = 0)}},
    {"clear", {ONE(CLEAR, .target = 1)}},
    {"disable", {ONE(DISABLE, .target = 0)}},
    {"enable", {ONE(ENABLE, .target = 1)}},
    {"reset", {ONE(RESET, .target = 0)}},
    {"merge", {ONE(MERGE, .target = 0, .source_count = 1, .sources = {1})}},
    {"add-merge",
     {BITMAP(.action_count = 3,
             .actions = {ABI_ACTION_ADD, ABI_ACTION_MERGE, ABI_ACTION_DISABLE},
             .target = 129, .granularity = 8, .source_count = 2, .sources = {0, 1})}},
    {"again",
     {BITMAP(.action_count = 2, .actions = {ABI_ACTION_REMOVE, ABI_ACTION_ADD},
             .target = 1)}},
    {"remove-all",
     {BITMAP(.action_count = 1, .actions = {ABI_ACTION_ADD},
             .flags = CUT_FLAG_REMOVE_ALL)}},
    {"rotate",
     {ONE(ADD, .target = 131), ONE(REMOVE, .target = 0), ONE(ADD, .target = 132)}},
    {"repair",
     {ONE(ADD, .target = 131),
      {.operation = CUT_REPAIR},
      {.operation = CUT_REPAIR, .flags = CUT_FLAG_ALL | CUT_FLAG_RESET}}},
    {"resize",
     {{.operation = CUT_RESIZE, .size = 4999},
      {.operation = CUT_RESIZE, .size = 6, .flags = CUT_FLAG_SHRINK},
      ONE(ADD, .target = 131)}},
    {"emptied-resize",
     {BITMAP(.action_count = 1, .actions = {ABI_ACTION_ADD},
             .flags = CUT_FLAG_REMOVE_ALL),
      {.operation = CUT_RESIZE, .size = 39},
      {.operation = CUT_RESIZE, .size = 1, .flags = CUT_FLAG_SHRINK}}},
};

/* How far the last steps come, and what is there then. */
struct point {
        const char *name;
        uint16_t cut;
        uint64_t chosen;
        uint8_t second_cut;
        uint8_t flags;
};

static const struct point points[] = {
    {"whole", 0, 0, 0, 0},
    {"begun", 5, 0x5555, 0, 0},
    {"built", 9, 0x3f0f, 3, CUT_FLAG_FEW},
    {"late", 14, 0xfffe, 2, CUT_FLAG_PROCESS},
    {"later", 20, 0xaaaaaaaa, 0, CUT_FLAG_NO_SCAN},
};

static bool is_step(const struct cut_step *step)
{
        return step->operation != CUT_BITMAP || step->action_count;
}

static bool write_seed(const char *directory, unsigned int image, bool device,
                       const struct seed *seed, const struct point *point)
{
        char path[4096];
        uint8_t head[CUT_INPUT_HEAD] = {(uint8_t)image, device};
        uint8_t bytes[CUT_INPUT_STEP];
        snprintf(path, sizeof path, "%s/seed-%s-%s-%s%s", directory,
                 cut_images_name(image), seed->name, point->name,
                 device ? "-device" : "");
        FILE *file = fopen(path, "wb");
        if (!file)
                return false;
        fwrite(head, 1, sizeof head, file);
        for (size_t i = 0; i < STEPS && is_step(&seed->steps[i]); i++) {
                struct cut_step step = seed->steps[i];
                step.cut = point->cut;
                step.chosen = point->chosen;
                step.second_cut = point->second_cut;
                step.flags |= point->flags;
                cut_input_encode(&step, bytes);
                fwrite(bytes, 1, sizeof bytes, file);
        }
        return !fclose(file);
}

int main(int argc, char **argv)
{
        bool good = argc == 2;
        for (unsigned int image = 0; good && image < cut_images_count(); image++)
                for (size_t s = 0; good && s < sizeof seeds / sizeof seeds[0]; s++)
                        for (size_t p = 0; good && p < sizeof points / sizeof points[0];
                             p++)
                                good = write_seed(argv[1], image, image % 4 == 1,
                                                  &seeds[s], &points[p]);
        if (!good) {
                perror("usage: fuzz_cut_seeds DIRECTORY");
                return 1;
        }
        return 0;
}
