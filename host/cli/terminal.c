/* SPDX-License-Identifier: MIT */
#include "host/cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>

#define USUAL_WIDTH 80u

unsigned int terminal_width(int fd)
{
        struct winsize size;

        if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
                return USUAL_WIDTH;
        return size.ws_col;
}

/* The first that is set and not empty (setlocale(3)); "" without. */
static const char *locale_name(void)
{
        static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};

        for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
                const char *value = getenv(variables[i]);

                if (value && *value)
                        return value;
        }
        return "";
}

/* By the name, "de_DE.UTF-8@euro": to ask setlocale(3) would read files, and a static
 * program may know fewer locales than the terminal. */
bool terminal_is_utf8(void)
{
        const char *codeset = strchr(locale_name(), '.');
        size_t length;

        if (!codeset++)
                return false;
        length = strcspn(codeset, "@");
        return (length == 5 && strncasecmp(codeset, "UTF-8", length) == 0) ||
               (length == 4 && strncasecmp(codeset, "UTF8", length) == 0);
}
