/* SPDX-License-Identifier: MIT */
#ifndef INSTAR_HOST_CLI_BITMAP_REFUSE_H
#define INSTAR_HOST_CLI_BITMAP_REFUSE_H

#include "host/cli/bitmap_options.h"

/*
 * Every refusal that needs no image, in the specification's order.  MESSAGE_NONE
 * and the request in *call (what concerns the image stays zero), or the row of the first
 * thing that is wrong; values->argument is filled where the row shows one.
 */
enum message bitmap_refuse(const struct bitmap_options *options, struct abi_call *call,
                           struct message_values *values);

#endif
