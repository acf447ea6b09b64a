/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/quote.h"

/* Every byte may become '\'' and each word has a space and two quotes. */
#define WORST_PER_BYTE 4u
#define WORST_PER_WORD 3u

static bool is_plain(const char *word)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789_-+=.,:/@%";

        return *word && word[strspn(word, plain)] == '\0';
}

static char *append_quoted(char *to, const char *word)
{
        if (is_plain(word))
                return stpcpy(to, word);
        *to++ = '\'';
        for (; *word; word++) {
                if (*word == '\'')
                        to = stpcpy(to, "'\\''");
                else
                        *to++ = *word;
        }
        return stpcpy(to, "'");
}

char *quote_command(int argc, char *const *argv)
{
        size_t size = sizeof "instar";
        char *command;
        char *to;

        for (int i = 0; i < argc; i++)
                size += WORST_PER_BYTE * strlen(argv[i]) + WORST_PER_WORD;
        command = malloc(size);
        if (!command)
                return NULL;
        to = stpcpy(command, "instar");
        for (int i = 0; i < argc; i++) {
                *to++ = ' ';
                to = append_quoted(to, argv[i]);
        }
        return command;
}
