/* SPDX-License-Identifier: MIT */
/* SIGINT, SIGTERM and SIGHUP end an edit in order; SIGXFSZ and SIGPIPE do not. */
#ifndef INSTAR_HOST_VMM_SIGNALS_H
#define INSTAR_HOST_VMM_SIGNALS_H

/* Install the handlers.  Before the sandbox is armed. */
void signals_catch(void);

/* The signal that came first; 0 if none did. */
int signals_caught(void);

/* In a child process: they are the parent's affair, those caught already as well. */
void signals_ignore(void);

#endif
