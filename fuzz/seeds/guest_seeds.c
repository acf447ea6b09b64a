/* SPDX-License-Identifier: MIT */
/*
 * Seeds of the guest harness: small images of every kind that the maker makes, each with
 * operations that succeed on it.  `fuzz_guest_seeds DIRECTORY` writes them there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/harness/guest_input.h"
#include "fuzz/harness/made_kinds.h"

struct seed_call {
        const char *name;
        struct guest_input input;
};

static const struct made_kind images[] = {
    {"plain", {SMALL, .data_clusters = 3}},
    {"two", {SMALL, .data_clusters = 3, TWO}},
    {"backing", {SMALL, .data_clusters = 2, .backing = "base.img", TWO}},
    {"backing-none", {SMALL, .data_clusters = 2, .backing = "base.img"}},
    {"snapshots", {SMALL, .data_clusters = 2, .snapshots = 2, TWO}},
    {"records", {SMALL, .record_before = 20, .record_behind = 12, TWO}},
    KINDS_UNUSUAL,
    {"extra", {SMALL, .bitmap_count = 1, .bitmaps = {{EXTRA}}}},
    {"unknown-autoclear", {SMALL, .autoclear = 1ull << 40, TWO}},
    {"dirty", {SMALL, .incompatible = 1, .data_clusters = 1}},
    {"data-file", {SMALL, .incompatible = 4, TWO}},
    {"full-block", {SMALL, .data_clusters = 245, TWO}},
    {"table",
     {.cluster_bits = 9,
      .virtual_size = 4 << 20,
      .bitmap_count = 1,
      .bitmaps = {{.name = "a", .granularity_bits = 9, .fill = MADE_SPARSE}}}},
    {"clusters-4k",
     {.cluster_bits = 12, .virtual_size = 1 << 20, .data_clusters = 1, TWO}},
    {"clusters-64k", {.cluster_bits = 16, .virtual_size = 1 << 20, TWO}},
};

#define BITMAP(...)                                                                      \
        {                                                                                \
                .operation = GUEST_BITMAP, __VA_ARGS__                                   \
        }

static const struct seed_call calls[] = {
    {"add", BITMAP(.action_count = 1, .actions = {ABI_ACTION_ADD}, .target = 130,
                   .granularity = 9)},
    {"remove", BITMAP(.action_count = 1, .actions = {ABI_ACTION_REMOVE})},
    {"clear", BITMAP(.action_count = 1, .actions = {ABI_ACTION_CLEAR})},
    {"disable", BITMAP(.action_count = 1, .actions = {ABI_ACTION_DISABLE})},
    {"enable", BITMAP(.action_count = 1, .actions = {ABI_ACTION_ENABLE}, .target = 1)},
    {"merge", BITMAP(.action_count = 1, .actions = {ABI_ACTION_MERGE}, .source_count = 1,
                     .sources = {1})},
    {"add-merge",
     BITMAP(.action_count = 2, .actions = {ABI_ACTION_ADD, ABI_ACTION_MERGE},
            .target = 129, .granularity = 9, .source_count = 2, .sources = {0, 1})},
    {"remove-all", BITMAP(.action_count = 1, .actions = {ABI_ACTION_REMOVE_ALL})},
    {"reset", BITMAP(.action_count = 1, .actions = {ABI_ACTION_RESET})},
    {"check", {.operation = GUEST_CHECK}},
    {"info", {.operation = GUEST_INFO, .flags = ABI_CALL_COUNT}},
    {"map", {.operation = GUEST_MAP, .columns = 10}},
    {"repair",
     {.operation = GUEST_REPAIR, .flags = ABI_CALL_REPAIR_ALL | ABI_CALL_RESET_DAMAGED}},
    {"grow", {.operation = GUEST_RESIZE, .size = 8192 * 512}},
    {"shrink", {.operation = GUEST_RESIZE, .flags = ABI_CALL_SHRINK, .size = 512}},
    {"unreferenced",
     {.operation = GUEST_UNREFERENCED, .range_count = 1, .ranges = {{200, 1}}}},
};

static void write_pieces(const struct native_image *image, FILE *file)
{
        uint8_t piece[GUEST_INPUT_PIECE];
        static const uint8_t zeros[GUEST_INPUT_PIECE];
        for (uint64_t at = 0; at < image->size && at < GUEST_INPUT_MAX_IMAGE / 2;
             at += sizeof piece) {
                uint64_t place = at / sizeof piece;
                native_image_read(image, at, piece, sizeof piece);
                if (!memcmp(piece, zeros, sizeof piece))
                        continue;
                putc((int)(place & 0xff), file);
                putc((int)(place >> 8), file);
                fwrite(piece, 1, sizeof piece, file);
        }
}

static bool write_seed(const char *directory, const struct made_kind *made,
                       const struct native_image *image, const struct seed_call *call)
{
        char path[4096];
        uint8_t bytes[GUEST_INPUT_CALL];
        struct guest_input input = call->input;
        input.image_size = (uint32_t)image->size;
        guest_input_encode(&input, bytes);
        snprintf(path, sizeof path, "%s/seed-%s-%s", directory, made->name, call->name);
        FILE *file = fopen(path, "wb");
        if (!file)
                return false;
        fwrite(bytes, 1, sizeof bytes, file);
        write_pieces(image, file);
        return !fclose(file);
}

int main(int argc, char **argv)
{
        struct native_image image;
        bool good = argc == 2 && native_image_create(&image, 16 << 20, 512);
        for (size_t i = 0; good && i < sizeof images / sizeof images[0]; i++) {
                make_image(&image, &images[i].options, NULL);
                for (size_t c = 0; good && c < sizeof calls / sizeof calls[0]; c++)
                        good = write_seed(argv[1], &images[i], &image, &calls[c]);
        }
        if (!good) {
                perror("usage: fuzz_guest_seeds DIRECTORY");
                return 1;
        }
        native_image_destroy(&image);
        return 0;
}
