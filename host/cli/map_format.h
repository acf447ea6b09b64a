/* SPDX-License-Identifier: MIT */
/* The extents of `instar map`, as --output says. */
#ifndef INSTAR_HOST_CLI_MAP_FORMAT_H
#define INSTAR_HOST_CLI_MAP_FORMAT_H

#include <stddef.h>

#include "host/cli/output.h"

/* `first`, `none`: nothing was, nothing had been printed before. */
struct map_format {
        /* Print struct abi_range[count], which need not be aligned. */
        void (*extents)(struct output *output, const uint8_t *ranges, size_t count,
                        bool first);
        void (*end)(struct output *output, bool none);
};

/* A header, then a line an extent: offset and length. */
extern const struct map_format map_human;

/* As qemu-img map would have it, if all that is not dirty were left out. */
extern const struct map_format map_json;

#endif
