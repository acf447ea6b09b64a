/* SPDX-License-Identifier: MIT */
/*
 * There may be a hundred million extents, so each is put together where it is written
 * from: constant pieces of constant size, and numbers without a detour.
 */
#include "host/cli/map_format.h"

#include <string.h>

#include "guest/abi.h"
#include "host/cli/digits.h"

static struct abi_range range_at(const uint8_t *ranges, size_t index)
{
        struct abi_range range;

        memcpy(&range, ranges + index * sizeof range, sizeof range);
        return range;
}

/* A string literal without its NUL. */
#define APPEND(to, literal)                                                              \
        ((char *)memcpy(to, literal, sizeof(literal) - 1) + sizeof(literal) - 1)

/* ---- human ------------------------------------------------------------------------- */

#define COLUMN     16u /* characters */
#define HUMAN_ROOM 64u /* of a line */

/* "%#lx" */
static char *append_hex(char *to, uint64_t number)
{
        return digits_hex(number ? APPEND(to, "0x") : to, number);
}

/* "%#-16lx" */
static char *append_column(char *to, uint64_t number)
{
        char *end = append_hex(to, number);

        memcpy(end, "                ", COLUMN);
        return end < to + COLUMN ? to + COLUMN : end;
}

static void human_start(struct output *output)
{
        output_string(output, "Offset          Length\n");
}

static void human_extents(struct output *output, const uint8_t *ranges, size_t count,
                          bool first)
{
        if (first)
                human_start(output);
        for (size_t i = 0; i < count; i++) {
                struct abi_range range = range_at(ranges, i);
                char *to = output_room(output, HUMAN_ROOM);

                to = append_column(to, range.offset);
                to = append_hex(to, range.length);
                *to++ = '\n';
                output_took(output, to);
        }
}

static void human_end(struct output *output, bool none)
{
        if (none)
                human_start(output);
}

const struct map_format map_human = {human_extents, human_end};

/* ---- JSON -------------------------------------------------------------------------- */

#define JSON_ROOM 192u /* of an extent */

static void json_extents(struct output *output, const uint8_t *ranges, size_t count,
                         bool first)
{
        for (size_t i = 0; i < count; i++) {
                struct abi_range range = range_at(ranges, i);
                char *to = output_room(output, JSON_ROOM);

                to = first ? APPEND(to, "[") : APPEND(to, ",\n");
                first = false;
                to = APPEND(to, "{ \"start\": ");
                to = digits_decimal(to, range.offset);
                to = APPEND(to, ", \"length\": ");
                to = digits_decimal(to, range.length);
                to = APPEND(to, ", \"depth\": 0, \"present\": true, \"zero\": false, "
                                "\"data\": true}");
                output_took(output, to);
        }
}

static void json_end(struct output *output, bool none)
{
        output_string(output, none ? "[]\n" : "]\n");
}

const struct map_format map_json = {json_extents, json_end};
