/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/command_line_request.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/harness/command_line_text.h"
#include "fuzz/harness/command_line_world.h"
#include "host/cli/edit_command.h"
#include "host/cli/quote.h"
#include "host/cli/resize_options.h"
#include "host/cli/size.h"

/* ---- sizes
 * ------------------------------------------------------------------------------ */

static unsigned value_of(char digit)
{
        if (digit >= '0' && digit <= '9')
                return (unsigned)(digit - '0');
        return (unsigned)((digit | 0x20) - 'a') + 10;
}

/* A whole number of at most 2^64 - 1 with a suffix, read without minding its form. */
static unsigned __int128 read_size(const char *text)
{
        bool hexadecimal = text[0] == '0' && (text[1] | 0x20) == 'x';
        const char *digits = hexadecimal ? "0123456789abcdefABCDEF" : "0123456789";
        unsigned __int128 number = 0;
        const char *suffix;
        const char *found;

        if (hexadecimal)
                text += 2;
        suffix = text + strspn(text, digits);
        for (; text < suffix; text++) {
                number = number * (hexadecimal ? 16 : 10) + value_of(*text);
                if (number > UINT64_MAX)
                        return number;
        }
        found = *suffix ? strchr("bkmgtpe", *suffix | 0x20) : NULL;
        return found ? number << 10 * (found - strchr("bkmgtpe", 'b')) : number;
}

/* A number with a fraction lies between its whole part and the next. */
static void judge_fraction(const char *text, uint64_t size)
{
        const char *letters = "bkmgtpe";
        const char *found = strchr(letters, text[strlen(text) - 1] | 0x20);
        unsigned __int128 whole = strtoull(text, NULL, 10);

        MUST(found && found > letters);
        MUST(size >= whole << 10 * (found - letters));
        MUST(size < (whole + 1) << 10 * (found - letters));
}

static void judge_size(const char *text)
{
        uint64_t size;
        uint64_t other;

        if (size_parse(text, &size)) {
                MUST(read_size(text) == size);
                MUST(size_parse_fraction(text, &other) && other == size);
        } else if (size_parse_fraction(text, &size)) {
                judge_fraction(text, size);
        }
}

/* ---- the request
 * ------------------------------------------------------------------------ */

static void judge_names(const struct abi_call *call)
{
        MUST(call->target_length <= ABI_MAX_NAME);
        MUST(call->source_count <= ABI_MAX_MERGE_SOURCES);
        for (uint32_t i = 0; i < call->source_count; i++) {
                MUST(call->source_length[i] && call->source_length[i] <= ABI_MAX_NAME);
                MUST(call->source_offset[i] + call->source_length[i] <= ABI_NAMES_POOL);
        }
}

static void judge_actions(const struct abi_call *call)
{
        MUST(call->action_count <= ABI_MAX_ACTIONS);
        for (uint32_t i = 0; i < call->action_count; i++)
                MUST(call->actions[i] >= ABI_ACTION_ADD &&
                     call->actions[i] <= ABI_ACTION_RESET);
        MUST(!call->source_count || call->actions[0] == ABI_ACTION_MERGE);
        MUST(!call->action_count || call->actions[0] == ABI_ACTION_REMOVE_ALL ||
             call->target_length);
}

void command_line_judge_request(const struct edit_command *command)
{
        const struct abi_call *call = command->call;
        uint64_t granularity = call->granularity;
        uint64_t memory = command->options->memory_limit;

        judge_names(call);
        judge_actions(call);
        MUST(!granularity || (granularity >= 512 && granularity <= UINT64_C(2) << 30));
        MUST(!(granularity & (granularity - 1)));
        MUST(!memory || (memory >= OPTION_MEMORY_LEAST && memory <= OPTION_MEMORY_MOST));
        MUST(memory % OPTION_MEMORY_UNIT == 0);
        MUST(call->size_mode <= ABI_SIZE_LESS);
        MUST(!command->options->format || strcmp(command->options->format, "qcow2") == 0);
}

/* ---- words
 * ------------------------------------------------------------------------------ */

/* Read one word as a shell does, and compare; what is behind it, or NULL. */
static const char *read_word(const char *text, const char *word)
{
        bool quoted = false;

        for (; *text && (quoted || *text != ' '); text++) {
                if (*text == '\'') {
                        quoted = !quoted;
                        continue;
                }
                if (!quoted && *text == '\\')
                        text++;
                else if (!quoted && !strchr("_-+=.,:/@%", *text) &&
                         !((*text | 0x20) >= 'a' && (*text | 0x20) <= 'z') &&
                         !(*text >= '0' && *text <= '9'))
                        return NULL;
                if (*word++ != *text)
                        return NULL;
        }
        return *word || quoted ? NULL : text;
}

void command_line_judge_quoted(int argc, char **argv)
{
        char *command = quote_command(argc, argv);
        const char *at = command;

        MUST(at && (at = read_word(at, "instar")));
        for (int i = 0; i < argc; i++) {
                MUST(*at == ' ');
                /* An empty word has to be seen. */
                MUST(*argv[i] || strncmp(at, " ''", 3) == 0);
                at = read_word(at + 1, argv[i]);
                MUST(at);
        }
        MUST(!*at);
        free(command);
}

void command_line_judge_word(const char *word, bool last)
{
        judge_size(word);
        command_line_judge_escaped(word);
        if (last) /* that takes as long as all else */
                command_line_judge_json(word);
}
