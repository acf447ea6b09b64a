/* SPDX-License-Identifier: MIT */
/*
 * Build-time program: turns filter_rules.c into a BPF program, as the initializer of an
 * array of struct sock_filter on stdout.  So arming costs one system call, and the
 * program carries no libseccomp.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
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

static void print_instruction(const struct sock_filter *instruction)
{
        printf("{0x%02x, %u, %u, 0x%08x},\n", instruction->code, instruction->jt,
               instruction->jf, instruction->k);
}

static int print_instructions(int fd)
{
        struct sock_filter instruction;
        ssize_t n;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        while ((n = read(fd, &instruction, sizeof instruction)) == sizeof instruction)
                print_instruction(&instruction);
        return n == 0 ? 0 : -EIO;
}

/*
 * Number -1 is no system call: the kernel answers ENOSYS and does nothing.  It is what a
 * tracer makes of a call that it answers itself (`strace -e inject=`), and how every
 * call of the shipped program is made to fail in tests.  libseccomp has no rule for it.
 */
static void print_no_call(void)
{
        const struct sock_filter allow[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, UINT32_MAX, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };

        for (size_t i = 0; i < sizeof allow / sizeof allow[0]; i++)
                print_instruction(&allow[i]);
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
        print_no_call();
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
