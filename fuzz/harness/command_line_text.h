/* SPDX-License-Identifier: MIT */
/* Text for a terminal. */
#ifndef INSTAR_FUZZ_HARNESS_COMMAND_LINE_TEXT_H
#define INSTAR_FUZZ_HARNESS_COMMAND_LINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Nothing in it but characters of UTF-8 that show, and newlines. */
bool command_line_is_clean(const char *bytes, size_t length);

/* What a word becomes in messages is clean, and can be read back; the same in JSON. */
void command_line_judge_escaped(const char *word);
void command_line_judge_json(const char *word);

/* Both streams of a run that ended with this code. */
void command_line_judge_output(int exit_code, bool named);

#endif
