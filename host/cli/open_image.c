/* SPDX-License-Identifier: MIT */
#include "host/cli/open_image.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A file that may be read but not written deserves clearer words than "denied". */
static enum message explain_edit(enum message message, const char *path)
{
        if (message == MESSAGE_OPEN_DENIED &&
            faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0)
                return MESSAGE_OPEN_READ_ONLY_FILE;
        return message;
}

/* `wrong` came of image_open() or image_open_read_only(). */
static enum message explain_open(enum image_error wrong, int error, const char *path,
                                 enum image_use use)
{
        /* What the rows of an error say beyond its description is about writing. */
        if (wrong == IMAGE_OPEN_FAILED && use != IMAGE_EDIT)
                return MESSAGE_OPEN_FAILED;
        return explain_edit(message_of_image(wrong, error), path);
}

static enum image_error lock(struct image *image, enum image_use use, int *error)
{
        switch (use) {
        case IMAGE_EDIT:
                return image_lock(image, error);
        case IMAGE_LOOK:
                return image_lock_shared(image, error);
        case IMAGE_LOOK_SHARED:
                break;
        }
        return IMAGE_OK;
}

enum message open_image(const char *path, enum image_use use, struct image *image,
                        int *error)
{
        enum image_error wrong = use == IMAGE_EDIT
                                     ? image_open(path, image, error)
                                     : image_open_read_only(path, image, error);

        if (wrong)
                return explain_open(wrong, *error, path, use);
        wrong = lock(image, use, error);
        if (!wrong)
                wrong = image_check_magic(image, error);
        if (wrong)
                image_close(image);
        if (wrong == IMAGE_LOCKED && use == IMAGE_LOOK)
                return MESSAGE_LOCKED_SHARED;
        return message_of_image(wrong, *error);
}

bool is_our_format(const char *format)
{
        return !format || strcmp(format, "qcow2") == 0;
}
