/* SPDX-License-Identifier: MIT */
/*
 * What the process may still do once the guest runs (invariants 9, 10).  A guest that
 * breaks out of KVM, or a host that it tricks, can create and unlink a journal and
 * write to descriptors that are open already: nothing else.
 *
 *     NO_NEW_PRIVS     no set-user-id program helps
 *     seccomp          filter_rules.c lists what is allowed; all else kills the process
 *     Landlock         as far as the kernel has it: only the journal's directory
 *     descriptors      what is not needed is closed
 *     limits           no core dump (it would hold image bytes), few descriptors, and a
 *                      bound for the size of any file
 *
 * After sandbox_arm() nothing can be mapped, forked or opened; memory that will be
 * needed is allocated before.  What is open or mapped is left to the end of the process:
 * munmap is not allowed either.
 *
 * A build for the sanitizers arms the same, with a filter of its own (sanitizer_rules.c).
 */
#ifndef INSTAR_HOST_SANDBOX_SANDBOX_H
#define INSTAR_HOST_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whose filter: bits, for a line of filter_rules.c may be of several. */
enum sandbox_table {
        SANDBOX_KVM_HOST = 1,
        SANDBOX_PROCESS_HOST = 2,
        SANDBOX_FIRST_KVM = 4, /* of sandbox_arm_first() */
        SANDBOX_FIRST_PROCESS = 8,
};

#define SANDBOX_KEEP_MAX 4

struct sandbox_config {
        enum sandbox_table table;
        int machine; /* the one that may be used: the vCPU's descriptor, or the guest
                      * process's number; -1: none */
        int journal_directory_fd; /* where files may be created and unlinked; -1: nowhere
                                   */
        int keep[SANDBOX_KEEP_MAX]; /* descriptors that stay open beside those and the
                                     * standard ones: sandbox_keep() */
        unsigned int keep_count;
        bool silent;              /* nothing is said on stdout or stderr */
        uint64_t file_size_limit; /* bytes; no file may grow beyond; 0: as it is */
};

/* This descriptor stays open; a negative one is none. */
void sandbox_keep(struct sandbox_config *config, int fd);

/*
 * For the rest of the process.  0, or a negative errno: then the process must not run a
 * guest (what was armed by then stays armed).  A kernel without Landlock is no error.
 */
int sandbox_arm(const struct sandbox_config *config);

/*
 * Before anything is read that others may have made and that no guest parses: a journal.
 * For the rest of the process and its children: NO_NEW_PRIVS, a wider filter
 * (first_rules.c), and of Landlock what never hurts.  sandbox_arm() may follow.  Does
 * nothing if one of the two has been armed already.  0 or a negative errno.
 */
int sandbox_arm_first(enum sandbox_table table);

/* Has sandbox_arm() succeeded? */
bool sandbox_armed(void);

/* For `--version`: what this kernel has, in one line, and in a second one what differs in
 * a build for the sanitizers. */
void sandbox_describe(char *text, size_t size);

#endif
