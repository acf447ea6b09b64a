/* SPDX-License-Identifier: MIT */
/* Damage of an image that a guest has reported, in words: what, and where. */
#ifndef INSTAR_HOST_CLI_DAMAGE_TEXT_H
#define INSTAR_HOST_CLI_DAMAGE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "guest/abi.h"
#include "host/cli/text.h"

/* Whether there are words for it: a hostile guest may say any code. */
bool damage_is_known(const struct abi_report_damage *damage);

/* Append it; `name` is the bitmap's, any bytes, of length 0 if it concerns none. */
void damage_append(struct text *text, const struct abi_report_damage *damage,
                   const void *name, size_t length);

#endif
