/* SPDX-License-Identifier: MIT */
#include "tests/unit/image/scratch.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[PATH_MAX];

int scratch_enter(void **state)
{
        char template[] = "/tmp/instar-test-XXXXXX";

        (void)state;
        return !mkdtemp(template) || chdir(template) != 0 || !getcwd(path, sizeof path);
}

int scratch_leave(void **state)
{
        char command[PATH_MAX + 16];

        (void)state;
        snprintf(command, sizeof command, "rm -rf '%s'", path);
        return chdir("/") != 0 || system(command) != 0;
}

const char *scratch_path(void)
{
        return path;
}

void scratch_write(const char *name, const void *bytes, size_t length)
{
        int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, length), length);
        close(fd);
}

struct image scratch_open(const char *name)
{
        struct image image;
        int error;

        assert_int_equal(image_open(name, &image, &error), IMAGE_OK);
        return image;
}
