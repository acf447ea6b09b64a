/* SPDX-License-Identifier: MIT */
#include "host/sandbox/layers.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/sandbox/filter_rules.h"

/* Made by filter_generate from filter_rules.c and first_rules.c. */
static const struct sock_filter kvm_host[] = {
#include "filter_kvm.inc"
};
static const struct sock_filter process_host[] = {
#include "filter_process.inc"
};
static const struct sock_filter first_kvm[] = {
#include "filter_first_kvm.inc"
};
static const struct sock_filter first_process[] = {
#include "filter_first_process.inc"
};

#define INSTRUCTIONS_MAX 512

struct program {
        const struct sock_filter *instructions;
        size_t count;
};

#define PROGRAM(array) ((struct program){array, sizeof(array) / sizeof *(array)})

static struct program program_of(enum sandbox_table table)
{
        switch (table) {
        case SANDBOX_KVM_HOST:
                return PROGRAM(kvm_host);
        case SANDBOX_PROCESS_HOST:
                return PROGRAM(process_host);
        case SANDBOX_FIRST_KVM:
                return PROGRAM(first_kvm);
        case SANDBOX_FIRST_PROCESS:
                return PROGRAM(first_process);
        }
        return (struct program){NULL, 0};
}

/* Where there is none, the comparison must fail for every argument: -1 itself can be
 * passed as well, and the kernel does not look at it beside an absolute path. */
static void fill_in(struct sock_filter *comparison, int value)
{
        comparison->k = (uint32_t)value;
        if (value < 0)
                comparison->jt = comparison->jf;
}

static void fill_in_all(struct sock_filter *instructions, size_t count,
                        const struct sandbox_config *config)
{
        for (size_t i = 0; i < count; i++) {
                if (instructions[i].k == FILTER_MACHINE)
                        fill_in(&instructions[i], config->machine);
                else if (instructions[i].k == FILTER_JOURNAL_DIRECTORY)
                        fill_in(&instructions[i], config->journal_directory_fd);
        }
}

int filter_install(const struct sandbox_config *config)
{
        struct sock_filter instructions[INSTRUCTIONS_MAX];
        struct program program = program_of(config->table);
        const struct sock_fprog filled_in = {
            .len = (unsigned short)program.count,
            .filter = instructions,
        };

        if (program.count == 0 || program.count > INSTRUCTIONS_MAX)
                return -EINVAL;
        memcpy(instructions, program.instructions, program.count * sizeof *instructions);
        fill_in_all(instructions, program.count, config);
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filled_in) ? -errno : 0;
}
