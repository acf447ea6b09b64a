/* SPDX-License-Identifier: MIT */
/* The filter of a process that reads journals. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox/filter_tables.h"
#include "host/sandbox/layers.h"
#include "host/sandbox/sandbox.h"
#include "tests/unit/sandbox/child.h"

#define KILLED (128 + SIGSYS)

#define TEXT(literal) (long)(uintptr_t)(literal)

struct attempt {
        const char *what;
        long number;
        long arguments[6];
};

struct attempt_by {
        const struct attempt *attempt;
        enum sandbox_table table;
};

static uint8_t page[4096] __attribute__((aligned(4096)));

static const struct attempt forbidden[] = {
    {"execve", __NR_execve, {TEXT("/bin/true"), 0, 0}},
    {"execveat", __NR_execveat, {AT_FDCWD, TEXT("/bin/true"), 0, 0, 0}},
    {"socket", __NR_socket, {AF_INET, SOCK_STREAM, 0}},
    {"socketpair of another kind",
     __NR_socketpair,
     {AF_INET, SOCK_STREAM, 0, TEXT(page)}},
    {"connect", __NR_connect, {0, TEXT(page), 16}},
    {"a thread", __NR_clone, {0x10f00, 0, 0, 0, 0}},
    {"a namespace", __NR_clone, {0x10000000 | SIGCHLD, 0, 0, 0, 0}},
    {"vfork", __NR_vfork, {0}},
    {"openat that truncates", __NR_openat, {AT_FDCWD, TEXT("/tmp/x"), O_RDWR | O_TRUNC}},
    {"mmap to execute",
     __NR_mmap,
     {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
    {"mprotect to write and execute",
     __NR_mprotect,
     {TEXT(page), 4096, PROT_READ | PROT_WRITE | PROT_EXEC}},
    {"chmod", __NR_chmod, {TEXT("/tmp/x"), 0777}},
    {"fchown", __NR_fchown, {0, 0, 0}},
    {"symlink", __NR_symlink, {TEXT("/tmp/x"), TEXT("/tmp/y")}},
    {"link", __NR_link, {TEXT("/tmp/x"), TEXT("/tmp/y")}},
    {"unlinkat of a directory", __NR_unlinkat, {AT_FDCWD, TEXT("/tmp/x"), AT_REMOVEDIR}},
    {"mount", __NR_mount, {TEXT("/"), TEXT("/tmp"), 0, 0, 0}},
    {"setuid", __NR_setuid, {0}},
    {"kill of a group", __NR_kill, {-1, 0}},
    {"tgkill", __NR_tgkill, {1, 1, SIGTERM}},
    {"process_vm_writev", __NR_process_vm_writev, {1, 0, 0, 0, 0, 0}},
    {"bpf", __NR_bpf, {0, 0, 0}},
    {"io_uring_setup", __NR_io_uring_setup, {1, TEXT(page)}},
    {"userfaultfd", __NR_userfaultfd, {0}},
    {"init_module", __NR_init_module, {0, 0, 0}},
    {"limits of another process", __NR_prlimit64, {1, 0, 0, 0}},
};

static const enum sandbox_table tables[] = {SANDBOX_FIRST_KVM, SANDBOX_FIRST_PROCESS};

static int make_attempt(void *argument)
{
        const struct attempt_by *by = argument;
        const long *a = by->attempt->arguments;

        if (sandbox_arm_first(by->table))
                return 98;
        syscall(by->attempt->number, a[0], a[1], a[2], a[3], a[4], a[5]);
        return 99;
}

static int end_of(const struct attempt *attempt, enum sandbox_table table)
{
        struct attempt_by by = {attempt, table};

        return child_run(make_attempt, &by);
}

static void what_no_run_needs_kills(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
                for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
                        int end = end_of(&forbidden[i], tables[t]);
                        if (end != KILLED)
                                fail_msg("%s: the child ended with %d", forbidden[i].what,
                                         end);
                }
}

/* Only where guests are processes. */
static void with_kvm_there_is_no_ptrace_and_no_text(void **state)
{
        const struct attempt trace = {"", __NR_ptrace, {PTRACE_TRACEME, 0, 0, 0}};
        const struct attempt text = {
            "", __NR_mprotect, {TEXT(page), 4096, PROT_READ | PROT_EXEC}};

        (void)state;
        assert_int_equal(end_of(&trace, SANDBOX_FIRST_KVM), KILLED);
        assert_int_equal(end_of(&text, SANDBOX_FIRST_KVM), KILLED);
        assert_int_equal(end_of(&trace, SANDBOX_FIRST_PROCESS), 99);
        assert_int_equal(end_of(&text, SANDBOX_FIRST_PROCESS), 99);
}

/* The process that ran the test is no child of the one that is armed. */
static int trace_a_stranger(void *argument)
{
        const pid_t stranger = *(const pid_t *)argument;

        if (sandbox_arm_first(SANDBOX_FIRST_PROCESS))
                return 98;
        if (ptrace(PTRACE_SEIZE, stranger, NULL, NULL) == 0)
                return 1;
        return errno == EPERM ? 0 : 2;
}

static void strangers_are_not_traced(void **state)
{
        pid_t stranger = fork();

        (void)state;
        if (!landlock_abi())
                skip();
        if (stranger == 0)
                for (;;)
                        pause();
        assert_int_equal(child_run(trace_a_stranger, &stranger), 0);
        kill(stranger, SIGKILL);
        waitpid(stranger, NULL, 0);
}

static int signal_a_stranger(void *argument)
{
        const pid_t stranger = *(const pid_t *)argument;

        if (sandbox_arm_first(SANDBOX_FIRST_KVM))
                return 98;
        return kill(stranger, SIGKILL) == 0 ? 1 : errno == EPERM ? 0 : 2;
}

static void strangers_are_not_signalled(void **state)
{
        pid_t stranger = getpid();

        (void)state;
        if (landlock_abi() < 6)
                skip();
        assert_int_equal(child_run(signal_a_stranger, &stranger), 0);
}

/* Memory, a child with a sandbox of its own, its end. */
static int go_on(void *argument)
{
        const enum sandbox_table table = *(const enum sandbox_table *)argument;
        struct sandbox_config config = {
            .table = table == SANDBOX_FIRST_KVM ? SANDBOX_KVM_HOST : SANDBOX_PROCESS_HOST,
            .machine = -1,
            .journal_directory_fd = -1};
        int status;
        void *memory;
        pid_t pid;

        if (sandbox_arm_first(table) || sandbox_armed())
                return 1;
        memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
        if (memory == MAP_FAILED || munmap(memory, 1 << 20))
                return 2;
        memory = malloc(8 << 20);
        if (!memory)
                return 2;
        memset(memory, 1, 8 << 20);
        free(memory);
        pid = fork();
        if (pid == 0)
                _exit(sandbox_arm(&config) || write(STDERR_FILENO, "", 0) ? 1 : 7);
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 7)
                return 3;
        /* A second time it costs nothing: what allows no fifth layer would fail. */
        for (int i = 0; i < 100; i++)
                if (sandbox_arm_first(table))
                        return 4;
        return sandbox_arm(&config) ? 5 : 0;
}

static void the_run_goes_on(void **state)
{
        (void)state;
        for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
                enum sandbox_table table = tables[t];
                assert_int_equal(child_run(go_on, &table), 0);
        }
}

static bool first_has(const struct filter_table *first, int number)
{
        const struct filter_rule *rule = NULL;

        while ((rule = filter_next_rule(first, rule)))
                if (rule->number == number)
                        return true;
        return false;
}

/* Filters add up: what the first does not allow, the second cannot. */
static void each_later_call_is_in_the_first_table(void **state)
{
        const struct filter_rule *rule;

        (void)state;
        for (size_t i = 0; i < 2; i++) {
                rule = NULL;
                while ((rule = filter_next_rule(&filter_tables[i], rule)))
                        if (!first_has(&filter_tables[i + 2], rule->number))
                                fail_msg("%s: %s", filter_tables[i].name, rule->name);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_no_run_needs_kills),
            cmocka_unit_test(with_kvm_there_is_no_ptrace_and_no_text),
            cmocka_unit_test(strangers_are_not_traced),
            cmocka_unit_test(strangers_are_not_signalled),
            cmocka_unit_test(the_run_goes_on),
            cmocka_unit_test(each_later_call_is_in_the_first_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
