/* SPDX-License-Identifier: MIT */
/* A journal that was found, in words and in JSON: the same in all subcommands. */
#ifndef INSTAR_HOST_CLI_JOURNAL_ITEM_H
#define INSTAR_HOST_CLI_JOURNAL_ITEM_H

#include <jansson.h>

#include "host/recovery/recovery.h"

/* What became of it, or would; NULL where it stops whoever wants to write:
 * message_of_recovery() has the words then. */
const char *journal_item_line(enum recovery_state state);

/* One object of "instar-journals"; NULL without memory. */
json_t *journal_item_json(const struct recovery_item *item);

#endif
