/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "host/cli/exit_code.h"
#include "host/cli/program.h"
#include "host/vmm/first_filter.h"
#include "journal/read.h"

/*
 * If a standard descriptor is closed, the next file to be opened gets its number, and
 * what is meant for stdout would be written into the image.  Read-only, so that writing
 * to a closed stdout stays the error that it is.
 */
static bool fill_standard_descriptors(void)
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) == -1 && errno == EBADF &&
                    open("/dev/null", O_RDONLY | O_NOCTTY) != fd)
                        return false;
        return true;
}

int main(int argc, char **argv)
{
        if (!fill_standard_descriptors())
                return EXIT_REFUSED;
        /* A write behind the file size limit or into a closed pipe is an error to be
         * reported, not the end in the middle of an edit. */
        signal(SIGXFSZ, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        journal_before_reading(first_filter_arm);
        return program_run(argc, argv);
}
