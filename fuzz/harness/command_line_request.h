/* SPDX-License-Identifier: MIT */
/* What a command line may ask for, and how it is written down for the journal. */
#ifndef INSTAR_FUZZ_HARNESS_COMMAND_LINE_REQUEST_H
#define INSTAR_FUZZ_HARNESS_COMMAND_LINE_REQUEST_H

#include <stdbool.h>

struct edit_command;

/* Everything that was accepted lies within its bounds. */
void command_line_judge_request(const struct edit_command *command);

/* A shell would take what was written down for these very words. */
void command_line_judge_quoted(int argc, char **argv);

/* What is printed of a word can be read back, and steers no terminal. */
void command_line_judge_word(const char *word, bool last);

#endif
