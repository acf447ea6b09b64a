/* SPDX-License-Identifier: MIT */
#include "host/sandbox/layers.h"

#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

/*
 * Leaks are looked for now, in memory that a child shares with its parent, too: the
 * search starts a thread that traces this process, which no filter here allows, and an
 * armed process leaves its memory to the end of the process.  Nothing is allocated later.
 * The runtime looks once in a process, so there is no second search at its end.
 *
 * Where memory is mapped it reads in /proc, and keeps that for its report of a fault.
 */
void sanitizers_prepare(void)
{
        __lsan_do_leak_check();
        __sanitizer_sandbox_on_notify(NULL);
}
