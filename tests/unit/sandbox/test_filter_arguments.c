/* SPDX-License-Identifier: MIT */
/*
 * What is known only when the filter is installed: a call is allowed for that one
 * descriptor, and where there is none, for none.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox/filter_tables.h"
#include "host/sandbox/sandbox.h"
#include "tests/unit/sandbox/child.h"

#define KILLED   (128 + SIGSYS)
#define SURVIVED 1

#define CREATE (O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

#define TEXT(literal) (long)(uintptr_t)(literal)

/* One call, and what the process is armed with. */
struct attempt {
        struct sandbox_config config;
        long number;
        long first;
        long second;
        long third;
};

static char path[64];
static int directory_fd;
static int other_fd;

static int make_attempt(void *argument)
{
        const struct attempt *a = argument;

        if (sandbox_arm(&a->config))
                return 98;
        syscall(a->number, a->first, a->second, a->third, 0600);
        return SURVIVED;
}

static int end_of(enum sandbox_table table, int machine, int directory, long number,
                  long first, long second, long third)
{
        struct attempt attempt = {
            .config = {.table = table,
                       .machine = machine,
                       .journal_directory_fd = directory},
            .number = number,
            .first = first,
            .second = second,
            .third = third,
        };

        return child_run(make_attempt, &attempt);
}

static int run_vcpu(int machine, long used)
{
        return end_of(SANDBOX_KVM_HOST, machine, -1, __NR_ioctl, used, KVM_RUN, 0);
}

/* Other descriptors answer these requests too: a terminal, a disk. */
static void ioctl_is_for_the_vcpu_alone(void **state)
{
        (void)state;
        assert_int_equal(run_vcpu(other_fd, other_fd), SURVIVED);
        assert_int_equal(run_vcpu(other_fd, directory_fd), KILLED);
        assert_int_equal(run_vcpu(other_fd, 0), KILLED);
        assert_int_equal(run_vcpu(other_fd, -1), KILLED);
}

static void without_a_machine_there_is_no_ioctl(void **state)
{
        (void)state;
        assert_int_equal(run_vcpu(-1, other_fd), KILLED);
        assert_int_equal(run_vcpu(-1, -1), KILLED);
        assert_int_equal(run_vcpu(-1, 0xffffffff), KILLED);
        assert_int_equal(run_vcpu(-1, FILTER_MACHINE), KILLED);
}

static void the_host_of_a_process_has_no_ioctl(void **state)
{
        (void)state;
        assert_int_equal(
            end_of(SANDBOX_PROCESS_HOST, other_fd, -1, __NR_ioctl, other_fd, KVM_RUN, 0),
            KILLED);
}

static int trace(long request, int guest, long used)
{
        return end_of(SANDBOX_PROCESS_HOST, guest, -1, __NR_ptrace, request, used, 0);
}

static void ptrace_is_for_the_guest_alone(void **state)
{
        const int guest = 4000000;
        const long others[] = {getpid(), 1, 0, -1};

        (void)state;
        assert_int_equal(trace(PTRACE_CONT, guest, guest), SURVIVED);
        assert_int_equal(trace(PTRACE_INTERRUPT, guest, guest), SURVIVED);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
                assert_int_equal(trace(PTRACE_CONT, guest, others[i]), KILLED);
        assert_int_equal(trace(PTRACE_CONT, -1, -1), KILLED);
}

/* What it has to do with the guest it does through memory that both share. */
static void ptrace_cannot_attach_detach_or_read_memory(void **state)
{
        const long requests[] = {PTRACE_TRACEME,  PTRACE_ATTACH,   PTRACE_SEIZE,
                                 PTRACE_DETACH,   PTRACE_PEEKTEXT, PTRACE_POKETEXT,
                                 PTRACE_PEEKDATA, PTRACE_POKEDATA, PTRACE_SETOPTIONS};

        (void)state;
        for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
                assert_int_equal(trace(requests[i], 4000000, 4000000), KILLED);
}

static void the_guest_alone_is_waited_for(void **state)
{
        const int guest = 4000000;

        (void)state;
        assert_int_equal(end_of(SANDBOX_PROCESS_HOST, guest, -1, __NR_wait4, guest, 0, 0),
                         SURVIVED);
        assert_int_equal(end_of(SANDBOX_PROCESS_HOST, guest, -1, __NR_wait4, -1, 0, 0),
                         KILLED);
        assert_int_equal(end_of(SANDBOX_KVM_HOST, guest, -1, __NR_wait4, guest, 0, 0),
                         KILLED);
}

static int create_in(enum sandbox_table table, int allowed, long used, const char *name)
{
        return end_of(table, -1, allowed, __NR_openat, used, TEXT(name), CREATE);
}

static int unlink_in(enum sandbox_table table, int allowed, long used, const char *name)
{
        return end_of(table, -1, allowed, __NR_unlinkat, used, TEXT(name), 0);
}

static void files_are_made_and_removed_in_the_journals_directory_alone(void **state)
{
        const enum sandbox_table tables[] = {SANDBOX_KVM_HOST, SANDBOX_PROCESS_HOST};

        (void)state;
        for (size_t i = 0; i < 2; i++) {
                enum sandbox_table t = tables[i];
                assert_int_equal(create_in(t, directory_fd, directory_fd, "j"), SURVIVED);
                assert_int_equal(faccessat(directory_fd, "j", F_OK, 0), 0);
                assert_int_equal(create_in(t, directory_fd, other_fd, "k"), KILLED);
                assert_int_equal(create_in(t, directory_fd, AT_FDCWD, "/tmp/k"), KILLED);
                assert_int_equal(unlink_in(t, directory_fd, AT_FDCWD, "/tmp/k"), KILLED);
                assert_int_equal(unlink_in(t, directory_fd, other_fd, "j"), KILLED);
                assert_int_equal(faccessat(directory_fd, "j", F_OK, 0), 0);
                assert_int_equal(unlink_in(t, directory_fd, directory_fd, "j"), SURVIVED);
                assert_int_not_equal(faccessat(directory_fd, "j", F_OK, 0), 0);
        }
}

/* The kernel does not look at the descriptor beside an absolute path: no value of it may
 * pass. */
static void without_a_directory_nothing_can_be_opened_or_removed(void **state)
{
        const enum sandbox_table tables[] = {SANDBOX_KVM_HOST, SANDBOX_PROCESS_HOST};
        const long descriptors[] = {
            -1, 0xffffffff, AT_FDCWD, 0, FILTER_JOURNAL_DIRECTORY, directory_fd};

        (void)state;
        for (size_t i = 0; i < 2 * sizeof descriptors / sizeof *descriptors; i++) {
                assert_int_equal(
                    create_in(tables[i % 2], -1, descriptors[i / 2], "/tmp/k"), KILLED);
                assert_int_equal(
                    unlink_in(tables[i % 2], -1, descriptors[i / 2], "/tmp/k"), KILLED);
        }
}

static void no_table_no_filter(void **state)
{
        const struct sandbox_config none = {.machine = -1, .journal_directory_fd = -1};
        struct attempt attempt = {.config = none, .number = __NR_getpid};

        (void)state;
        assert_int_equal(child_run(make_attempt, &attempt), 98);
}

static int setup(void **state)
{
        (void)state;
        directory_fd = child_directory(path);
        other_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return directory_fd < 0 || other_fd < 0;
}

static int teardown(void **state)
{
        (void)state;
        close(directory_fd);
        close(other_fd);
        child_remove_directory(path);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(ioctl_is_for_the_vcpu_alone),
            cmocka_unit_test(without_a_machine_there_is_no_ioctl),
            cmocka_unit_test(the_host_of_a_process_has_no_ioctl),
            cmocka_unit_test(ptrace_is_for_the_guest_alone),
            cmocka_unit_test(ptrace_cannot_attach_detach_or_read_memory),
            cmocka_unit_test(the_guest_alone_is_waited_for),
            cmocka_unit_test(files_are_made_and_removed_in_the_journals_directory_alone),
            cmocka_unit_test(without_a_directory_nothing_can_be_opened_or_removed),
            cmocka_unit_test(no_table_no_filter),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
