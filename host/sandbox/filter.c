/* SPDX-License-Identifier: MIT */
#include "host/sandbox/layers.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Made by filter_generate from filter_rules.c. */
static const struct sock_filter instructions[] = {
#include "filter_instructions.inc"
};

int filter_install(void)
{
        const struct sock_fprog program = {
            .len = sizeof instructions / sizeof instructions[0],
            .filter = (struct sock_filter *)(uintptr_t)instructions,
        };

        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) ? -errno : 0;
}
