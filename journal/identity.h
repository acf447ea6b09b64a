/* SPDX-License-Identifier: MIT */
/* Inside the library: the parts of journal_identify(). */
#ifndef INSTAR_JOURNAL_IDENTITY_H
#define INSTAR_JOURNAL_IDENTITY_H

#include <sys/types.h>

#include "journal/journal.h"

#define IDENTITY_DIGEST_SIZE 33

/* Of a regular file or a directory: handle, else inode and birth time. */
int identity_of_inode(int fd, struct journal_identity *identity);

/* Of an open block device, by what sysfs and udev know of it. */
int identity_of_device(int fd, dev_t device, struct journal_identity *identity);

/* 32 hex digits that name the identity in the state directory. */
void identity_digest(const struct journal_identity *identity,
                     char text[IDENTITY_DIGEST_SIZE]);

#endif
