/* SPDX-License-Identifier: MIT */
/* Private directories. */
#ifndef INSTAR_JOURNAL_DIRECTORY_H
#define INSTAR_JOURNAL_DIRECTORY_H

/* Make `path` (absolute) and what is missing above it, 0700, and sync every directory
 * that got a new entry.  Existing ones are left as they are.  0 or -errno. */
int make_directories(const char *path);

/* Open a directory that must be the caller's own (effective user) and closed to group
 * and others: the descriptor, or -EPERM where it is not, or another errno. */
int open_private_directory(const char *path);

/* The same of `name` in an open directory, made and synced where it is missing; not
 * through a symbolic link.  So who renames what is on the way to it changes nothing. */
int open_private_directory_in(int parent, const char *name);

#endif
