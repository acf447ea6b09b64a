/* SPDX-License-Identifier: MIT */
/* What an armed process may do, and that everything else ends it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox/filter_tables.h"
#include "host/sandbox/sandbox.h"
#include "tests/unit/sandbox/child.h"
#include "tests/unit/sandbox/sanitizers.h"

#define KILLED   (128 + SIGSYS)
#define SURVIVED 99

/* One system call with up to six arguments. */
struct attempt {
        const char *what;
        long number;
        long arguments[6];
};

struct attempt_by {
        const struct attempt *attempt;
        enum sandbox_table table;
};

static const enum sandbox_table tables[] = {SANDBOX_KVM_HOST, SANDBOX_PROCESS_HOST};

static char directory[64];
static int directory_fd;
static uint8_t page[4096] __attribute__((aligned(4096)));

#define TEXT(literal) (long)(uintptr_t)(literal)

static const struct attempt forbidden[] = {
    {"sendto", __NR_sendto, {0, TEXT(page), 1, 0, 0, 0}},
    {"recvmsg", __NR_recvmsg, {0, TEXT(page), 0}},
    {"munmap", __NR_munmap, {TEXT(page), 4096}},
    {"brk", __NR_brk, {0}},
    {"socket", __NR_socket, {AF_INET, SOCK_STREAM, 0}},
    {"execve", __NR_execve, {TEXT("/bin/true"), 0, 0}},
    {"execveat", __NR_execveat, {AT_FDCWD, TEXT("/bin/true"), 0, 0, 0}},
    {"fork", __NR_fork, {0}},
    {"vfork", __NR_vfork, {0}},
    {"clone", __NR_clone, {SIGCHLD}},
    {"clone3", __NR_clone3, {TEXT(page), 88}},
    {"open", __NR_open, {TEXT("/etc/passwd"), O_RDONLY}},
    {"openat to read", __NR_openat, {AT_FDCWD, TEXT("/etc/passwd"), O_RDONLY}},
    {"openat to write", __NR_openat, {AT_FDCWD, TEXT("/tmp/x"), O_RDWR}},
    {"openat to create or open",
     __NR_openat,
     {AT_FDCWD, TEXT("/tmp/x"), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
      0600}},
    {"openat2", __NR_openat2, {AT_FDCWD, TEXT("/etc/passwd"), TEXT(page), 24}},
    {"creat", __NR_creat, {TEXT("/tmp/x"), 0600}},
    {"unlink", __NR_unlink, {TEXT("/tmp/x")}},
    {"unlinkat of a directory", __NR_unlinkat, {AT_FDCWD, TEXT("/tmp/x"), AT_REMOVEDIR}},
    {"rename", __NR_rename, {TEXT("/tmp/x"), TEXT("/tmp/y")}},
    {"link", __NR_link, {TEXT("/tmp/x"), TEXT("/tmp/y")}},
    {"symlink", __NR_symlink, {TEXT("/tmp/x"), TEXT("/tmp/y")}},
    {"mkdir", __NR_mkdir, {TEXT("/tmp/x"), 0700}},
    {"chmod", __NR_chmod, {TEXT("/tmp/x"), 0777}},
    {"fchmod", __NR_fchmod, {0, 0777}},
    {"fchown", __NR_fchown, {0, 0, 0}},
    {"mmap", __NR_mmap, {0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
    {"mmap to execute",
     __NR_mmap,
     {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
    {"mprotect to execute", __NR_mprotect, {TEXT(page), 4096, PROT_READ | PROT_EXEC}},
    {"mremap", __NR_mremap, {TEXT(page), 4096, 8192, MREMAP_MAYMOVE}},
    {"madvise of another kind", __NR_madvise, {TEXT(page), 4096, MADV_DONTFORK}},
    {"ptrace", __NR_ptrace, {PTRACE_TRACEME, 0, 0, 0}},
    {"process_vm_writev", __NR_process_vm_writev, {1, 0, 0, 0, 0, 0}},
    {"kill", __NR_kill, {1, 0}},
    {"tgkill", __NR_tgkill, {1, 1, 0}},
    {"setuid", __NR_setuid, {0}},
    {"prctl", __NR_prctl, {PR_SET_DUMPABLE, 1}},
    {"seccomp", __NR_seccomp, {0, 0, 0}},
    {"rt_sigaction", __NR_rt_sigaction, {SIGSYS, 0, 0, 8}},
    {"ioctl of a terminal", __NR_ioctl, {0, TIOCSTI, TEXT("x")}},
    {"ioctl to make a machine", __NR_ioctl, {0, KVM_CREATE_VM, 0}},
    {"ioctl to map guest memory",
     __NR_ioctl,
     {0, KVM_SET_USER_MEMORY_REGION, TEXT(page)}},
    {"fcntl of descriptor flags", __NR_fcntl, {0, F_SETFL, 0}},
    {"fcntl to duplicate", __NR_fcntl, {0, F_DUPFD, 0}},
    {"dup", __NR_dup, {0}},
    {"fallocate", __NR_fallocate, {0, 0, 0, 4096}},
    {"fallocate that collapses", __NR_fallocate, {0, FALLOC_FL_COLLAPSE_RANGE, 0, 4096}},
    {"mount", __NR_mount, {TEXT("/"), TEXT("/tmp"), 0, 0, 0}},
    {"bpf", __NR_bpf, {0, 0, 0}},
    {"io_uring_setup", __NR_io_uring_setup, {1, TEXT(page)}},
    {"memfd_create", __NR_memfd_create, {TEXT("x"), 0}},
    {"userfaultfd", __NR_userfaultfd, {0}},
    {"perf_event_open", __NR_perf_event_open, {TEXT(page), 0, -1, -1, 0}},
    {"a number of the x32 ABI", 0x40000000 | __NR_pread64, {0, TEXT(page), 1, 0}},
    {"a number that does not exist", 9999, {0}},
};

static struct sandbox_config config_of(enum sandbox_table table)
{
        return (struct sandbox_config){.table = table,
                                       .machine = directory_fd,
                                       .journal_directory_fd = directory_fd};
}

static int arm(enum sandbox_table table)
{
        const struct sandbox_config config = config_of(table);

        return sandbox_arm(&config);
}

static int make_attempt(void *argument)
{
        const struct attempt_by *by = argument;
        const long *a = by->attempt->arguments;

        if (arm(by->table))
                return 98;
        syscall(by->attempt->number, a[0], a[1], a[2], a[3], a[4], a[5]);
        return SURVIVED;
}

static void try_all(enum sandbox_table table)
{
        for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
                const struct attempt *a = &forbidden[i];
                struct attempt_by by = {a, table};
                int end = child_run(make_attempt, &by);
                if (end != (sanitizers_allow(table, a->number, a->arguments) ? SURVIVED
                                                                             : KILLED))
                        fail_msg("%s: the child ended with %d", a->what, end);
        }
}

static void everything_else_kills_kvms_host(void **state)
{
        (void)state;
        try_all(SANDBOX_KVM_HOST);
}

static void everything_else_kills_the_processes_host(void **state)
{
        (void)state;
        try_all(SANDBOX_PROCESS_HOST);
}

/* The kernel's other door: there 20 is getpid, and the filter knows no such numbers. */
static int call_as_i386(void *argument)
{
        long result;

        if (arm(*(const enum sandbox_table *)argument))
                return 98;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
        return 99;
}

static void i386_calls_do_not_pass(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
                enum sandbox_table table = tables[i];
                int end = child_run(call_as_i386, &table);
                if (end !=
                    KILLED) /* a kernel without the i386 ABI answers with a fault */
                        assert_int_equal(end, 128 + SIGSEGV);
        }
}

#define TRY(condition)                                                                   \
        do {                                                                             \
                if (!(condition))                                                        \
                        return (int)(__LINE__ % 90) + 1;                                 \
        } while (0)

static int journal_calls(int directory_descriptor)
{
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd =
            openat(directory_descriptor, "journal",
                   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

        TRY(fd >= 0);
        TRY(fcntl(fd, F_OFD_SETLK, &lock) == 0);
        TRY(pwrite(fd, page, sizeof page, 4096) == sizeof page);
        TRY(fdatasync(fd) == 0);
        TRY(fsync(directory_descriptor) == 0);
        TRY(pread(fd, page, 16, 4096) == 16);
        TRY(unlinkat(directory_descriptor, "journal", 0) == 0);
        TRY(close(fd) == 0);
        return 0;
}

/* The image was opened before. */
static int image_calls(int fd)
{
        TRY(ftruncate(fd, 1 << 20) == 0);
        TRY(pwrite(fd, page, sizeof page, 8192) == sizeof page);
        TRY(lseek(fd, 0, SEEK_END) == 1 << 20);
        TRY(lseek(fd, 0, SEEK_DATA) >= 0 || errno == EINVAL);
        TRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 4096) == 0 ||
            errno == EOPNOTSUPP);
        TRY(fdatasync(fd) == 0);
        return 0;
}

static volatile sig_atomic_t signals_seen;

static void on_signal(int number)
{
        (void)number;
        signals_seen++;
}

/* What an edit does once it is armed, and a report at the end. */
static int work(void *argument)
{
        int ends[2];
        int pipe_ends[2];
        char byte = 'x';
        int image = openat(directory_fd, "image", O_RDWR | O_CREAT, 0600);
        int failed;

        TRY(image >= 0);
        TRY(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
        TRY(pipe(pipe_ends) == 0);
        signal(SIGPIPE, on_signal);
        struct sandbox_config config = config_of(*(const enum sandbox_table *)argument);
        sandbox_keep(&config, image);
        sandbox_keep(&config, ends[0]);
        sandbox_keep(&config, ends[1]);
        sandbox_keep(&config, pipe_ends[1]);
        TRY(sandbox_arm(&config) == 0);
        failed = journal_calls(directory_fd);
        if (!failed)
                failed = image_calls(image);
        if (failed)
                return failed;
        TRY(write(ends[0], &byte, 1) == 1);
        TRY(recv(ends[1], &byte, 1, 0) == 1);
        TRY(madvise(page, sizeof page, MADV_HUGEPAGE) == 0 || errno == EINVAL);
        TRY(time(NULL) > 0);
        TRY(syscall(__NR_clock_gettime, CLOCK_MONOTONIC, page) == 0);
        /* The other end is closed with all that is not needed. The handler returns by
         * rt_sigreturn. */
        TRY(write(pipe_ends[1], &byte, 1) < 0 && errno == EPIPE && signals_seen == 1);
        TRY(write(STDERR_FILENO, "", 0) == 0);
        return 0;
}

static void an_edit_survives(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
                enum sandbox_table table = tables[i];
                int end = child_run(work, &table);
                if (end)
                        fail_msg("table %d: the child ended with %d (a line number "
                                 "modulo 90, plus 1)",
                                 (int)table, end);
        }
}

static int arm_and_ask(void *argument)
{
        (void)argument;
        if (sandbox_armed())
                return 1;
        if (arm(SANDBOX_KVM_HOST))
                return 2;
        return sandbox_armed() ? 0 : 3;
}

static void armed_is_known(void **state)
{
        (void)state;
        assert_int_equal(child_run(arm_and_ask, NULL), 0);
        assert_false(sandbox_armed());
}

static void each_rule_has_its_reason(void **state)
{
        (void)state;
        for (size_t i = 0; i < filter_rule_count; i++)
                assert_true(strlen(filter_rules[i].reason) > 4);
}

static bool is_named_before(size_t index)
{
        for (size_t i = 0; i < index; i++)
                if (filter_rules[i].tables & SANDBOX_KVM_HOST &&
                    filter_rules[i].number == filter_rules[index].number)
                        return true;
        return false;
}

/* docs and architecture promise this bound; what the sanitizers need is no part of it. */
static void at_most_eighteen_system_calls_are_allowed_with_kvm(void **state)
{
        size_t distinct = 0;

        (void)state;
        for (size_t i = 0; i < filter_rule_count; i++)
                distinct +=
                    filter_rules[i].tables & SANDBOX_KVM_HOST && !is_named_before(i);
        assert_in_range(distinct, 1, 18);
}

static int setup(void **state)
{
        (void)state;
        directory_fd = child_directory(directory);
        return directory_fd < 0;
}

static int teardown(void **state)
{
        (void)state;
        close(directory_fd);
        child_remove_directory(directory);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(everything_else_kills_kvms_host),
            cmocka_unit_test(everything_else_kills_the_processes_host),
            cmocka_unit_test(i386_calls_do_not_pass),
            cmocka_unit_test(an_edit_survives),
            cmocka_unit_test(armed_is_known),
            cmocka_unit_test(each_rule_has_its_reason),
            cmocka_unit_test(at_most_eighteen_system_calls_are_allowed_with_kvm),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
