/* SPDX-License-Identifier: MIT */
/* Arguments that the filter compares with, as the callers pass them. */
#ifndef INSTAR_HOST_SANDBOX_ALLOWED_H
#define INSTAR_HOST_SANDBOX_ALLOWED_H

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>

/* How journal_begin() creates its file. */
#define ALLOWED_OPEN (O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

#define ALLOWED_FALLOCATE (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

#define ALLOWED_POPULATE 23 /* MADV_POPULATE_WRITE, Linux 5.14 */

/* Memory of a guest program, which is not writable. */
#define ALLOWED_TEXT (PROT_READ | PROT_EXEC)

#endif
