/* SPDX-License-Identifier: MIT */
/*
 * One image, one invocation after the other.  Every run is judged at once: the host's
 * rules were kept, the image is readable, no refcount is too low, no cluster leaked
 * but those the guest has told of, everything that is no bitmap is as before, and a
 * refusal or a no-op has written nothing (invariant 6).
 */
#ifndef INSTAR_TESTS_UNIT_OPS_OPS_H
#define INSTAR_TESTS_UNIT_OPS_OPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guest/abi.h"
#include "tests/native/image_maker.h"
#include "tests/native/native_host.h"
#include "tests/native/reader.h"

struct ops {
        struct native_host *host;
        struct native_image *image;
        struct made_options options;
        struct made_places places;
        struct native_image before; /* copy from before the last run */
        struct read_image read;     /* of the image after the last run */
        struct native_outcome outcome;
        uint32_t flags;       /* abi_call.flags of the runs to come */
        uint64_t known_leaks; /* that the image has, or was left with */
        bool damaged; /* the image is crafted: only the test knows what is right */
};

void ops_open(struct ops *ops);
void ops_open_sized(struct ops *ops, uint64_t image_capacity);
void ops_close(struct ops *ops);

/* A new image. */
void ops_make(struct ops *ops, const struct made_options *options);

/* Take the image for what is right now (after damage by the test). */
void ops_look(struct ops *ops);

/*
 * Fill in a call.  `actions`: letters in order: a add, r remove, c clear, e enable, d
 * disable, m merge; and A remove all (of the name ""), s reset.  `sources`: names
 * separated by '|', or NULL.
 */
void ops_call(struct abi_call *call, const char *name, const char *actions,
              uint64_t granularity, const char *sources);

/* Run a call, judge it, and return the result's code. */
enum abi_code ops_run_call(struct ops *ops, const struct abi_call *call);

/* The same for what most tests need. */
enum abi_code ops_run(struct ops *ops, const char *name, const char *actions);
enum abi_code ops_add(struct ops *ops, const char *name, uint64_t granularity);
enum abi_code ops_merge(struct ops *ops, const char *name, const char *sources);

/* The bitmap of this name in the image as it is now; fails the test without. */
const struct read_bitmap *ops_bitmap(const struct ops *ops, const char *name);

/* How many bits of it are set. */
uint64_t ops_bits_set(const struct ops *ops, const char *name);

#endif
