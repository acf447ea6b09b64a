/* SPDX-License-Identifier: MIT */
/*
 * Build-time program: turns filter_rules.c into a BPF program, as the initializer of an
 * array of struct sock_filter on stdout.  So arming costs one system call, and the
 * program carries no libseccomp.
 */
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <seccomp.h>

#include "host/sandbox/filter_rules.h"

static int add_rule(scmp_filter_ctx filter, const struct filter_rule *rule)
{
        struct scmp_arg_cmp comparison = {.op = SCMP_CMP_EQ, .datum_a = rule->value};

        if (rule->argument == FILTER_ANY_ARGUMENT)
                return seccomp_rule_add_exact_array(filter, SCMP_ACT_ALLOW, rule->number,
                                                    0, NULL);
        comparison.arg = (unsigned int)rule->argument;
        return seccomp_rule_add_exact_array(filter, SCMP_ACT_ALLOW, rule->number, 1,
                                            &comparison);
}

static int make_filter(scmp_filter_ctx filter)
{
        int error =
            seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

        for (size_t i = 0; i < filter_rule_count && !error; i++)
                error = add_rule(filter, &filter_rules[i]);
        return error;
}

static int print_instructions(int fd)
{
        struct sock_filter instruction;
        ssize_t n;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        while ((n = read(fd, &instruction, sizeof instruction)) == sizeof instruction)
                printf("{0x%02x, %u, %u, 0x%08x},\n", instruction.code, instruction.jt,
                       instruction.jf, instruction.k);
        return n == 0 ? 0 : -EIO;
}

static int generate(void)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
        int fd = memfd_create("filter", MFD_CLOEXEC);
        int error;

        if (!filter || fd < 0)
                return -ENOMEM;
        error = make_filter(filter);
        if (!error)
                error = seccomp_export_bpf(filter, fd);
        if (!error)
                error = print_instructions(fd);
        close(fd);
        seccomp_release(filter);
        return error;
}

int main(void)
{
        int error = generate();

        if (!error && fflush(stdout))
                error = -errno;
        if (error)
                fprintf(stderr, "filter_generate: %s\n", strerror(-error));
        return error ? 1 : 0;
}
