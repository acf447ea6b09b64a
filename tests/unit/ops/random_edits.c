/* SPDX-License-Identifier: MIT */
#include "tests/unit/ops/random_edits.h"

#include <string.h>

#include "tests/unit/ops/ops.h"

static uint64_t random_state;

void random_start(uint64_t seed)
{
        random_state = seed * 0x9e3779b97f4a7c15ull + 1;
}

uint64_t random_below(uint64_t limit)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (random_state >> 11) % limit;
}

/* Names of all lengths; a few, so that they meet again. */
static const char *random_name(void)
{
        static char names[12][1024];
        static bool made;
        for (size_t i = 0; i < 12 && !made; i++) {
                size_t length = i < 8 ? i + 1 : i * 93 - 1;
                memset(names[i], (char)('a' + i), length);
        }
        made = true;
        return names[random_below(8) ? random_below(8) : random_below(12)];
}

void random_image(struct made_options *options)
{
        static const uint32_t cluster_bits[] = {9, 9, 9, 12, 12, 16};
        static const char names[4][4] = {"a", "bb", "ccc", "s"};
        memset(options, 0, sizeof *options);
        options->cluster_bits = cluster_bits[random_below(6)];
        options->virtual_size = (1 + random_below(32768)) * 512;
        options->header_length = random_below(2) ? 104 : 112;
        options->backing = random_below(2) ? "some/where/base.img" : NULL;
        options->record_before = random_below(3) ? 0 : (uint32_t)random_below(100);
        options->record_behind = random_below(3) ? 0 : (uint32_t)random_below(60);
        options->data_clusters = (uint32_t)random_below(5);
        options->snapshots = random_below(3) ? 0 : (uint32_t)random_below(3);
        options->autoclear = random_below(6) ? 0 : 1ull << (2 + random_below(62));
        options->free_clusters = random_below(3) ? 0 : (uint32_t)random_below(20);
        /* A block of 512-byte clusters is full with 256 of them. */
        if (options->cluster_bits == 9 && !random_below(3))
                options->data_clusters = 190 + (uint32_t)random_below(50);
        options->cut = random_below(3) ? 0 : (uint32_t)random_below(64);
        options->bitmap_count = (uint32_t)random_below(5);
        options->stale = options->bitmap_count && !random_below(8);
        options->emptied_record = !options->bitmap_count && random_below(2);
        for (uint32_t i = 0; i < options->bitmap_count; i++)
                options->bitmaps[i] = (struct made_bitmap){
                    .name = names[i],
                    .granularity_bits =
                        (uint32_t)(random_below(3) ? 9 : 9 + random_below(4)),
                    .flags = (uint32_t)(random_below(8) ? random_below(2) * 2
                                                        : random_below(4)),
                    .fill = (enum made_fill)random_below(4),
                    .seed = (uint32_t)random_below(1000),
                    .dirty_tail = random_below(4) == 0,
                    .extra_length = random_below(8) ? 0 : (uint32_t)random_below(40),
                };
        for (uint32_t i = 0; i < options->bitmap_count; i++)
                if (options->bitmaps[i].extra_length && random_below(3))
                        options->bitmaps[i].flags |= 4;
        if (options->cluster_bits == 9) {
                options->record_before %= 64;
                options->record_behind %= 32;
        }
}

/* Mostly the name of a bitmap that is there. */
static void random_target(const struct model *model, char name[1024])
{
        if (model->count && random_below(4)) {
                const struct model_bitmap *bitmap =
                    &model->bitmaps[random_below(model->count)];
                memcpy(name, bitmap->name, bitmap->name_length);
                name[bitmap->name_length] = '\0';
        } else {
                strcpy(name, random_name());
        }
}

static bool model_has(const struct model *model, const char *name)
{
        for (uint32_t i = 0; i < model->count; i++)
                if (model->bitmaps[i].name_length == strlen(name) &&
                    !memcmp(model->bitmaps[i].name, name, strlen(name)))
                        return true;
        return false;
}

static void random_merge(const struct model *model, struct abi_call *call)
{
        char sources[2048] = "";
        char name[1024];
        uint64_t count = 1 + random_below(3);
        for (uint64_t i = 0; i < count; i++) {
                random_target(model, name);
                if (strlen(sources) + strlen(name) + 1 < sizeof sources) {
                        strcat(sources, *sources ? "|" : "");
                        strcat(sources, name);
                }
        }
        random_target(model, name);
        ops_call(call, name, "m", 0, sources);
}

/* Mostly actions that are possible where they stand. */
void random_call(const struct model *model, struct abi_call *call)
{
        char actions[9] = "";
        char name[1024];
        if (!random_below(3)) {
                random_merge(model, call);
                return;
        }
        if (!random_below(24)) {
                ops_call(call, "", "A", 0, NULL);
                return;
        }
        random_target(model, name);
        if (!random_below(6)) {
                ops_call(call, name, "s", 0, NULL);
                return;
        }
        bool there = model_has(model, name);
        uint64_t count = 1 + random_below(random_below(3) ? 2 : 8);
        for (uint64_t i = 0; i < count; i++) {
                actions[i] = there ? "rcedcede"[random_below(8)] : 'a';
                if (!random_below(24))
                        actions[i] = "arcedx"[random_below(6)];
                there = actions[i] == 'a' || (there && actions[i] != 'r');
        }
        ops_call(call, name, actions,
                 random_below(8) ? 512ull << random_below(3) : random_below(70000), NULL);
}
