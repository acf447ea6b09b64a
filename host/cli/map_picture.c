/* SPDX-License-Identifier: MIT */
#include "host/cli/map_picture.h"

#include <stdio.h>
#include <string.h>

#include "guest/rt/checked.h"
#include "host/cli/size_text.h"

#define FRAME 2u /* the bars on both sides */

uint32_t map_picture_columns(unsigned int terminal_width)
{
        if (terminal_width <= FRAME)
                return 0;
        terminal_width -= FRAME;
        return terminal_width < ABI_MAX_COLUMNS ? terminal_width : ABI_MAX_COLUMNS;
}

/* part * steps / whole, for whole > 0 and part <= whole. */
static unsigned share(uint64_t part, uint64_t whole, unsigned steps)
{
        return (unsigned)((unsigned __int128)part * steps / whole);
}

/* Columns that lie on the disk; there are more where it has fewer bytes than columns. */
static uint32_t columns_in_use(const struct abi_report_picture *facts)
{
        return (uint32_t)divide_up(facts->size, facts->column_bytes);
}

/* Of a column in use; the last one may be shorter. */
static uint64_t column_length(const struct abi_report_picture *facts, uint32_t column)
{
        uint64_t left = facts->size - column * facts->column_bytes;

        return left < facts->column_bytes ? left : facts->column_bytes;
}

bool map_picture_is_sound(const struct abi_report_picture *facts, const uint64_t *dirty)
{
        uint64_t whole;
        uint64_t sum = 0;
        uint32_t used;

        if (facts->size > INT64_MAX || facts->dirty > facts->size ||
            !checked_mul(facts->column_bytes, facts->columns, &whole) ||
            facts->column_bytes == 0 || whole < facts->size)
                return false;
        used = columns_in_use(facts);
        for (uint32_t i = 0; i < facts->columns; i++) {
                if (dirty[i] > (i < used ? column_length(facts, i) : 0))
                        return false;
                sum += dirty[i]; /* no more than the disk's size */
        }
        return sum == facts->dirty;
}

/* ---- the line of words ------------------------------------------------------------- */

/* Rounded, but never to all or nothing where it is neither. */
static void append_percentage(struct output *output, uint64_t dirty, uint64_t size)
{
        unsigned hundredths = share(dirty, size, 2 * 100 * 100);
        char text[32];

        hundredths = hundredths / 2 + hundredths % 2;
        if (dirty && !hundredths) {
                output_string(output, " (less than 0.01 %)");
        } else if (dirty < size && hundredths == 100 * 100) {
                output_string(output, " (more than 99.99 %)");
        } else {
                snprintf(text, sizeof text, " (%u.%02u %%)", hundredths / 100,
                         hundredths % 100);
                output_string(output, text);
        }
}

static void draw_words(struct output *output, const struct abi_report_picture *facts)
{
        char text[SIZE_TEXT_SIZE];

        output_string(output, "dirty: ");
        size_text(facts->dirty, text);
        output_string(output, text);
        output_string(output, " of ");
        size_text(facts->size, text);
        output_string(output, text);
        if (facts->size)
                append_percentage(output, facts->dirty, facts->size);
        output_string(output, "\n");
}

/* ---- the line of blocks ------------------------------------------------------------ */

#define FULL 8u

static const char *const blocks[FULL + 1] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const ascii[FULL + 1] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};

static unsigned step_of(uint64_t dirty, uint64_t length)
{
        if (dirty == 0 || dirty == length)
                return dirty ? FULL : 0;
        return 1 + share(dirty, length, FULL - 1);
}

static void draw_columns(struct output *output, const struct abi_report_picture *facts,
                         const uint64_t *dirty, bool utf8)
{
        const char *const *steps = utf8 ? blocks : ascii;
        uint32_t used = columns_in_use(facts);

        output_string(output, "|");
        for (uint32_t i = 0; i < used; i++)
                output_string(output, steps[step_of(dirty[i], column_length(facts, i))]);
        output_string(output, "|\n");
}

/* ---- the scale --------------------------------------------------------------------- */

static void draw_blanks(struct output *output, size_t count)
{
        while (count--)
                output_bytes(output, " ", 1);
}

/* 0, the middle and the size, under what they mean; as far as there is room. */
static void draw_scale(struct output *output, const struct abi_report_picture *facts)
{
        size_t width = columns_in_use(facts) + FRAME;
        size_t at = strlen("0");
        char middle[SIZE_TEXT_SIZE];
        char size[SIZE_TEXT_SIZE];
        size_t middle_at;
        size_t size_at;

        size_text(facts->size / 2, middle);
        size_text(facts->size, size);
        if (at + 1 + strlen(size) > width)
                return;
        size_at = width - strlen(size);
        output_string(output, "0");
        middle_at = strlen(middle) < width ? (width - strlen(middle)) / 2 : 0;
        if (middle_at > at && middle_at + strlen(middle) < size_at) {
                draw_blanks(output, middle_at - at);
                output_string(output, middle);
                at = middle_at + strlen(middle);
        }
        draw_blanks(output, size_at - at);
        output_string(output, size);
        output_string(output, "\n");
}

void map_picture_draw(struct output *output, const struct abi_report_picture *facts,
                      const uint64_t *dirty, bool utf8)
{
        draw_words(output, facts);
        if (facts->size == 0)
                return;
        draw_columns(output, facts, dirty, utf8);
        draw_scale(output, facts);
}
