/* SPDX-License-Identifier: MIT */
/* A directory of the process's own on a tmpfs, for what must be real files. */
#ifndef INSTAR_FUZZ_HARNESS_TMPFS_DIRECTORY_H
#define INSTAR_FUZZ_HARNESS_TMPFS_DIRECTORY_H

#define TMPFS_DIRECTORY_MAX 64u

struct tmpfs_directory {
        char path[TMPFS_DIRECTORY_MAX];
        int fd;
};

/* Make it, and remove what processes that were killed have left.  Aborts where that is
 * impossible.  The directory goes when the process exits. */
void tmpfs_directory_make(struct tmpfs_directory *directory);

#endif
