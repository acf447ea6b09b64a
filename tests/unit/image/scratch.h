/* SPDX-License-Identifier: MIT */
/* A directory of files to test on. */
#ifndef INSTAR_TESTS_UNIT_IMAGE_SCRATCH_H
#define INSTAR_TESTS_UNIT_IMAGE_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/image/image.h"

/* Group set-up and tear-down: an empty directory, entered and removed again. */
int scratch_enter(void **state);
int scratch_leave(void **state);

/* Its absolute path, without symbolic links. */
const char *scratch_path(void);

/* (Re)write a file. */
void scratch_write(const char *name, const void *bytes, size_t length);

/* Open a file as an image; fails the test if that does not work. */
struct image scratch_open(const char *name);

#endif
