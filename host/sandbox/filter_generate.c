/* SPDX-License-Identifier: MIT */
/*
 * Build-time program: turns the table that argv[1] names (filter_tables.c) into a BPF
 * program, as the initializer of an array of struct sock_filter on stdout.  So arming
 * costs one system call, and the program carries no libseccomp.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <seccomp.h>

#include "host/sandbox/filter_tables.h"

static bool is_placeholder(uint32_t value)
{
        return value == FILTER_MACHINE || value == FILTER_JOURNAL_DIRECTORY;
}

static int add_rule(scmp_filter_ctx filter, const struct filter_rule *rule)
{
        struct scmp_arg_cmp comparisons[FILTER_COMPARISONS];
        unsigned int count = 0;

        for (; count < FILTER_COMPARISONS && rule->compare[count].text; count++)
                comparisons[count] = (struct scmp_arg_cmp){
                    .arg = rule->compare[count].argument,
                    .op = SCMP_CMP_MASKED_EQ,
                    .datum_a = rule->compare[count].mask,
                    .datum_b = rule->compare[count].value,
                };
        return seccomp_rule_add_exact_array(filter, SCMP_ACT_ALLOW, rule->number, count,
                                            comparisons);
}

static int make_filter(scmp_filter_ctx filter, const struct filter_table *table)
{
        const struct filter_rule *rule = NULL;
        int error =
            seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

        while (!error && (rule = filter_next_rule(table, rule)))
                error = add_rule(filter, rule);
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
        while ((n = read(fd, &instruction, sizeof instruction)) == sizeof instruction) {
                /* filter_install() knows how to fill in no other. */
                if (is_placeholder(instruction.k) &&
                    instruction.code != (BPF_JMP | BPF_JEQ | BPF_K))
                        return -ENOTSUP;
                print_instruction(&instruction);
        }
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

static int generate(const struct filter_table *table)
{
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
        int fd = memfd_create("filter", MFD_CLOEXEC);
        int error;

        if (!filter || fd < 0)
                return -ENOMEM;
        error = make_filter(filter, table);
        if (!error)
                error = seccomp_export_bpf(filter, fd);
        print_no_call();
        if (!error)
                error = print_instructions(fd);
        close(fd);
        seccomp_release(filter);
        return error;
}

static const struct filter_table *find_table(const char *name)
{
        for (size_t i = 0; i < filter_table_count; i++)
                if (strcmp(filter_tables[i].name, name) == 0)
                        return &filter_tables[i];
        return NULL;
}

int main(int argc, char **argv)
{
        const struct filter_table *table = argc == 2 ? find_table(argv[1]) : NULL;
        int error = table ? generate(table) : -EINVAL;

        if (!error && fflush(stdout))
                error = -errno;
        if (error)
                fprintf(stderr, "filter_generate: %s\n", strerror(-error));
        return error ? 1 : 0;
}
