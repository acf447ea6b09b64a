/* SPDX-License-Identifier: MIT */
/* An image as a command wants it: open, locked against others, of the right format. */
#ifndef INSTAR_HOST_CLI_OPEN_IMAGE_H
#define INSTAR_HOST_CLI_OPEN_IMAGE_H

#include "host/cli/messages.h"

enum image_use {
        IMAGE_EDIT,        /* for writing, under a writer's locks */
        IMAGE_LOOK,        /* for reading, under a reader's: nobody writes meanwhile */
        IMAGE_LOOK_SHARED, /* for reading, without locks: others may write */
};

/*
 * Open the image at `path`, take the locks, look at the magic.  MESSAGE_NONE, or the
 * message that says what failed, with its errno (or 0) in *error; then it is closed
 * again.
 */
enum message open_image(const char *path, enum image_use use, struct image *image,
                        int *error);

/* Of -f: the one format that there is, or none given. */
bool is_our_format(const char *format);

#endif
