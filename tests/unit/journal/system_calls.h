/* SPDX-License-Identifier: MIT */
/*
 * The system calls by which a journal's file is opened, and it and its directory are
 * changed, seen before they are made: the tests have them in their own programs, in place
 * of the C library's.
 */
#ifndef INSTAR_TESTS_UNIT_JOURNAL_SYSTEM_CALLS_H
#define INSTAR_TESTS_UNIT_JOURNAL_SYSTEM_CALLS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum system_call {
        CALL_PWRITE,
        CALL_FDATASYNC,
        CALL_FSYNC,
        CALL_UNLINKAT,
        CALL_RENAMEAT2,
        CALL_OPENAT,
        CALL_FCNTL,
        CALL_PREAD,
};

struct system_call_made {
        enum system_call call;
        int fd;           /* of the file, or of the directory */
        const char *name; /* in the directory, or NULL */
        const void *bytes;
        size_t length;
        off_t offset;
};

/* 0: the call is made; else the errno that it fails with.  NULL: all are made. */
extern int (*system_calls_before)(void *context, const struct system_call_made *made);
extern void *system_calls_context;

/* The next pwrite(2) of more than this writes no more than this; 0: all of it. */
extern size_t system_calls_short_write;

#endif
