/* SPDX-License-Identifier: MIT */
/*
 * The command line of every subcommand, from argv to what is printed, in a world where no
 * image can be opened.
 *
 * An input is one byte that says why, and words with a NUL behind each: the variables
 * INSTAR_SANDBOX and INSTAR_JOURNAL_DIR, then argv behind the program's name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/counts.h"
#include "fuzz/harness/command_line_request.h"
#include "fuzz/harness/command_line_text.h"
#include "fuzz/harness/command_line_world.h"
#include "fuzz/harness/harness.h"
#include "host/cli/exit_code.h"
#include "host/cli/program.h"

const char *const fuzz_count_words[FUZZ_COUNTS] = {
    [FUZZ_RUNS] = "runs",
    [FUZZ_PAST_HEADER] = "well-formed",
    [FUZZ_SUCCEEDED] = "with exit code 0",
    [FUZZ_CHANGED] = "asking for an edit",
};

#define WORDS_MAX 64
#define INPUT_MAX (32u << 10)

#define world command_line_world

/* How a run ended that is to be repeated. */
struct ending {
        int exit_code;
        struct command_line_output out;
        struct command_line_output err;
        unsigned edits;
        struct abi_call call;
};

static int error_of(uint8_t choice)
{
        static const int errors[] = {ENOENT, EACCES, EPERM, EROFS,   ENOTDIR,
                                     ELOOP,  EIO,    ENXIO, ETXTBSY, ENAMETOOLONG};

        return errors[choice % (sizeof errors / sizeof errors[0])];
}

/* The words, behind `argv[0]`; how many. */
static int split(char *text, size_t size, char *argv[WORDS_MAX + 1])
{
        char *end = text + size; /* where a NUL is */
        int count = 0;

        while (text < end && count < WORDS_MAX) {
                argv[count++] = text;
                text += strlen(text) + 1;
        }
        argv[count] = NULL;
        return count;
}

static int run(int argc, char **argv)
{
        int exit_code;

        world.out.length = 0;
        world.err.length = 0;
        world.edits = 0;
        world.inside = true;
        exit_code = program_run(argc, argv);
        world.inside = false;
        return exit_code;
}

static void keep(struct ending *ending, int exit_code)
{
        ending->exit_code = exit_code;
        ending->out.length = world.out.length;
        memcpy(ending->out.bytes, world.out.bytes, world.out.length);
        ending->err.length = world.err.length;
        memcpy(ending->err.bytes, world.err.bytes, world.err.length);
        ending->edits = world.edits;
        ending->call = world.call;
}

static bool is_same(const struct command_line_output *a,
                    const struct command_line_output *b)
{
        return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* A parser leaves nothing behind that the next one sees. */
static void judge_again(const struct ending *first, int argc, char **argv)
{
        MUST(run(argc, argv) == first->exit_code);
        MUST(is_same(&world.out, &first->out));
        MUST(is_same(&world.err, &first->err));
        MUST(world.edits == first->edits);
        MUST(memcmp(&world.call, &first->call, sizeof world.call) == 0);
}

static void count(const struct ending *ending)
{
        fuzz_count(FUZZ_RUNS);
        if (ending->exit_code != EXIT_COMMAND_LINE)
                fuzz_count(FUZZ_PAST_HEADER);
        if (ending->exit_code == EXIT_DONE)
                fuzz_count(FUZZ_SUCCEEDED);
        if (ending->edits)
                fuzz_count(FUZZ_CHANGED);
}

static void judge(int argc, char **argv)
{
        static struct ending ending;

        keep(&ending, run(argc, argv));
        command_line_judge_output(ending.exit_code, argc > 1);
        for (int i = 1; i < argc; i++)
                command_line_judge_word(argv[i], i + 1 == argc);
        judge_again(&ending, argc, argv);
        count(&ending);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static char name[] = "instar";
        char *words[WORDS_MAX + 1];
        char *text;
        int words_count;

        if (!size || size > INPUT_MAX)
                return -1;
        text = malloc(size); /* the first byte's room is the last word's NUL */
        if (!text)
                abort();
        memcpy(text, data + 1, size - 1);
        text[size - 1] = '\0';
        words_count = split(text, size - 1, words);
        world.error = error_of(data[0]);
        world.readable = data[0] & 0x80;
        world.sandbox = words_count > 0 ? words[0] : NULL;
        world.directory = words_count > 1 ? words[1] : NULL;
        if (words_count > 1) {
                words[1] = name;
                judge(words_count - 1, words + 1);
        } else {
                judge(1, (char *[]){name, NULL});
        }
        free(text);
        return 0;
}
