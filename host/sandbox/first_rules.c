/* SPDX-License-Identifier: MIT */
/*
 * The system calls of a process that reads journals, which others may have written, from
 * the first byte of the first one: all that the rest of any run takes, recovery, the
 * index, the machine and its children included.  What is not here kills: no program is
 * executed, no network reached, no owner or mode changed, nothing mounted, no memory made
 * executable.
 *
 * Paths cannot be told apart by a filter.  What Landlock adds: see
 * landlock_restrict_first().
 */
#include "host/sandbox/filter_rules.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "host/sandbox/allowed.h"

#define KVM     SANDBOX_FIRST_KVM
#define PROCESS SANDBOX_FIRST_PROCESS
#define BOTH    (SANDBOX_FIRST_KVM | SANDBOX_FIRST_PROCESS)

#define CALL    FILTER_CALL
#define ANY     FILTER_ANY
#define IS      FILTER_IS
#define NAMED   FILTER_NAMED
#define WITHOUT FILTER_WITHOUT

/* Of a process's number: all negative ones are groups. */
#define NO_GROUP                                                                         \
        {                                                                                \
                {"its sign", 0, UINT32_C(0x80000000), 0},                                \
                {                                                                        \
                        NULL, 0, 0, 0                                                    \
                }                                                                        \
        }

/* As fork(3) asks: no thread, no namespace. */
#define FORK                                                                             \
        NAMED(0, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,                    \
              "CLONE_CHILD_SETTID|CLONE_CHILD_CLEARTID|SIGCHLD")

#define FORK_UNTRACED NAMED(0, CLONE_UNTRACED | SIGCHLD, "CLONE_UNTRACED|SIGCHLD")

#define POPULATE   NAMED(2, ALLOWED_POPULATE, "MADV_POPULATE_WRITE")
#define PUNCH_HOLE NAMED(1, ALLOWED_FALLOCATE, "FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE")
#define TEXT       NAMED(2, ALLOWED_TEXT, "PROT_READ|PROT_EXEC")
#define DEADLINE   FILTER_BOTH(1, SOL_SOCKET, "SOL_SOCKET", 2, SO_RCVTIMEO, "SO_RCVTIMEO")

/* One line each, so that the table reads as one. */
/* clang-format off */
const struct filter_rule first_rules[] = {
    {BOTH,    CALL(openat),            WITHOUT(2, O_TRUNC),           "images, journals, the index, /dev/kvm"},
    {BOTH,    CALL(close),             ANY,                           "what was opened"},
    {BOTH,    CALL(close_range),       ANY,                           "what a child and the second filter have no use for"},
    {BOTH,    CALL(dup2),              ANY,                           "/dev/null for stdin; the index's child"},
    {BOTH,    CALL(read),              ANY,                           "what a child reports; the time zone; /proc and /sys"},
    {BOTH,    CALL(write),             ANY,                           "what is printed; a child's report; the index's entries"},
    {BOTH,    CALL(writev),            ANY,                           "the same, by the C library and LMDB"},
    {BOTH,    CALL(pread64),           ANY,                           "images, journals, the index"},
    {BOTH,    CALL(pwrite64),          ANY,                           "the same"},
    {BOTH,    CALL(lseek),             ANY,                           "sizes and holes"},
    {BOTH,    CALL(fsync),             ANY,                           "directories, durable"},
    {BOTH,    CALL(fdatasync),         ANY,                           "contents, durable"},
    {BOTH,    CALL(msync),             ANY,                           "LMDB, which maps its file"},
    {BOTH,    CALL(ftruncate),         ANY,                           "an image's old size; LMDB's lock file"},
    {BOTH,    CALL(fallocate),         PUNCH_HOLE,                    "punch freed clusters; no other mode"},
    {BOTH,    CALL(fcntl),             IS(1, F_OFD_SETLK),            "locks of images and journals"},
    {BOTH,    CALL(fcntl),             IS(1, F_OFD_GETLK),            "who holds them"},
    {BOTH,    CALL(fcntl),             IS(1, F_SETLK),                "LMDB's lock file"},
    {BOTH,    CALL(fcntl),             IS(1, F_SETLKW),               "the same"},
    {BOTH,    CALL(fcntl),             IS(1, F_GETLK),                "the same"},
    {BOTH,    CALL(fcntl),             IS(1, F_GETFD),                "the same"},
    {BOTH,    CALL(fcntl),             IS(1, F_SETFD),                "the same; no descriptor for children"},
    {BOTH,    CALL(fcntl),             IS(1, F_GETFL),                "the C library, which opens directories"},
    {BOTH,    CALL(ioctl),             IS(1, TCGETS),                 "is it a terminal?"},
    {BOTH,    CALL(ioctl),             IS(1, TIOCGWINSZ),             "how wide is it?"},
    {BOTH,    CALL(ioctl),             IS(1, BLKROGET),               "an image on a block device"},
    {BOTH,    CALL(ioctl),             IS(1, BLKGETSIZE64),           "the same"},
    {KVM,     CALL(ioctl),             IS(1, KVM_GET_API_VERSION),    "make a machine"},
    {KVM,     CALL(ioctl),             IS(1, KVM_CHECK_EXTENSION),    "make a machine"},
    {KVM,     CALL(ioctl),             IS(1, KVM_GET_VCPU_MMAP_SIZE), "make a machine"},
    {KVM,     CALL(ioctl),             IS(1, KVM_CREATE_VM),          "make a machine"},
    {KVM,     CALL(ioctl),             IS(1, KVM_SET_USER_MEMORY_REGION), "make a machine"},
    {KVM,     CALL(ioctl),             IS(1, KVM_CREATE_VCPU),        "make a machine"},
    {KVM,     CALL(ioctl),             IS(1, KVM_RUN),                "use it"},
    {KVM,     CALL(ioctl),             IS(1, KVM_GET_REGS),           "use it"},
    {KVM,     CALL(ioctl),             IS(1, KVM_GET_SREGS),          "use it"},
    {KVM,     CALL(ioctl),             IS(1, KVM_SET_REGS),           "use it"},
    {KVM,     CALL(ioctl),             IS(1, KVM_SET_SREGS),          "use it"},
    {KVM,     CALL(ioctl),             IS(1, KVM_SET_FPU),            "use it"},
    {KVM,     CALL(ioctl),             IS(1, KVM_SET_VCPU_EVENTS),    "use it"},
    {PROCESS, CALL(ptrace),            ANY,                           "use a machine that is a process"},
    {PROCESS, CALL(clone),             FORK_UNTRACED,                 "make it, as no other tracer's"},
    {PROCESS, CALL(setsid),            ANY,                           "keep the terminal's signals from it"},
    {PROCESS, CALL(rseq),              ANY,                           "it takes back what the C library has told the kernel"},
    {PROCESS, CALL(mprotect),          TEXT,                          "its text, which is not writable"},
    {BOTH,    CALL(mprotect),          WITHOUT(2, PROT_EXEC),         "the C library's memory; the guest's"},
    {BOTH,    CALL(mmap),              WITHOUT(2, PROT_EXEC),         "memory; LMDB's file; the vCPU's page"},
    {BOTH,    CALL(mremap),            ANY,                           "the C library's memory; the guest's"},
    {BOTH,    CALL(munmap),            ANY,                           "memory that is given back"},
    {BOTH,    CALL(brk),               ANY,                           "the C library's memory"},
    {BOTH,    CALL(madvise),           IS(2, MADV_DONTNEED),          "clear guest memory; the C library's"},
    {BOTH,    CALL(madvise),           IS(2, MADV_REMOVE),            "clear guest memory that is shared"},
    {BOTH,    CALL(madvise),           POPULATE,                      "guest memory that will be touched anyway"},
    {BOTH,    CALL(madvise),           IS(2, MADV_HUGEPAGE),          "guest memory"},
    {BOTH,    CALL(madvise),           IS(2, MADV_NOHUGEPAGE),        "guest memory"},
    {BOTH,    CALL(newfstatat),        ANY,                           "what kind of file it is, and whose"},
    {BOTH,    CALL(statx),             ANY,                           "the same; when it was made"},
    {BOTH,    CALL(stat),              ANY,                           "the same, by other C libraries"},
    {BOTH,    CALL(fstat),             ANY,                           "the same, by other C libraries"},
    {BOTH,    CALL(lstat),             ANY,                           "the same, by other C libraries"},
    {BOTH,    CALL(statfs),            ANY,                           "the file system"},
    {BOTH,    CALL(fstatfs),           ANY,                           "the file system, its free space"},
    {BOTH,    CALL(access),            ANY,                           "is there an index?"},
    {BOTH,    CALL(faccessat),         ANY,                           "may a journal lie here?"},
    {BOTH,    CALL(faccessat2),        ANY,                           "may a journal lie here?"},
    {BOTH,    CALL(readlink),          ANY,                           "resolve paths"},
    {BOTH,    CALL(readlinkat),        ANY,                           "resolve paths"},
    {BOTH,    CALL(getcwd),            ANY,                           "resolve paths"},
    {BOTH,    CALL(getdents64),        ANY,                           "folders that are searched for journals"},
    {BOTH,    CALL(name_to_handle_at), ANY,                           "the identity of an image"},
    {BOTH,    CALL(mkdir),             ANY,                           "the state directory"},
    {BOTH,    CALL(mkdirat),           ANY,                           "the state directory"},
    {BOTH,    CALL(umask),             ANY,                           "nobody else reads the index"},
    {BOTH,    CALL(unlink),            ANY,                           "LMDB's lock file"},
    {BOTH,    CALL(unlinkat),          IS(2, 0),                      "journals; no directory"},
    {BOTH,    CALL(renameat),          ANY,                           "set a journal aside, or a damaged index"},
    {BOTH,    CALL(renameat2),         ANY,                           "set a journal aside"},
    {BOTH,    CALL(clone),             FORK,                          "children: fork, nothing else"},
    {BOTH,    CALL(set_robust_list),   ANY,                           "the C library, in a child"},
    {BOTH,    CALL(futex),             ANY,                           "LMDB's locks"},
    {BOTH,    CALL(wait4),             ANY,                           "the end of a child"},
    {BOTH,    CALL(kill),              NO_GROUP,                      "end a child; pass a signal on; no groups"},
    {BOTH,    CALL(tgkill),            IS(2, SIGABRT),                "LMDB gives up, in the index's child"},
    {BOTH,    CALL(pipe2),             ANY,                           "to a child that runs a guest"},
    {BOTH,    CALL(poll),              ANY,                           "wait for its report"},
    {BOTH,    CALL(restart_syscall),   ANY,                           "the kernel, when a stopped process goes on"},
    {BOTH,    CALL(socketpair),        IS(0, AF_UNIX),                "to the index's child, to a guest's process"},
    {BOTH,    CALL(setsockopt),        DEADLINE,                      "its deadline"},
    {BOTH,    CALL(sendto),            ANY,                           "its answers"},
    {BOTH,    CALL(recvfrom),          ANY,                           "its answers"},
    {BOTH,    CALL(alarm),             ANY,                           "its own deadline"},
    {BOTH,    CALL(rt_sigaction),      ANY,                           "signals"},
    {BOTH,    CALL(rt_sigprocmask),    ANY,                           "signals"},
    {BOTH,    CALL(rt_sigreturn),      ANY,                           "signals"},
    {BOTH,    CALL(timer_create),      ANY,                           "a guest's time limit"},
    {BOTH,    CALL(timer_settime),     ANY,                           "a guest's time limit"},
    {BOTH,    CALL(timer_delete),      ANY,                           "a guest's time limit"},
    {BOTH,    CALL(clock_gettime),     ANY,                           "time stamps, where the clock is not in the vDSO"},
    {BOTH,    CALL(clock_getres),      ANY,                           "the clock of a guest's process"},
    {BOTH,    CALL(getrandom),         ANY,                           "a transaction's name"},
    {BOTH,    CALL(uname),             ANY,                           "LMDB, which asks how old the kernel is"},
    {BOTH,    CALL(sysinfo),           ANY,                           "the C library, which sorts"},
    {BOTH,    CALL(getpid),            ANY,                           "LMDB's readers"},
    {BOTH,    CALL(gettid),            ANY,                           "the thread that runs a guest"},
    {BOTH,    CALL(getuid),            ANY,                           "who the user is"},
    {BOTH,    CALL(geteuid),           ANY,                           "whose files are trusted"},
    {BOTH,    CALL(prlimit64),         IS(0, 0),                      "limits of this process, and of no other"},
    {BOTH,    CALL(prctl),             IS(0, PR_SET_NO_NEW_PRIVS),    "arm the second filter"},
    {BOTH,    CALL(prctl),             IS(0, PR_SET_DUMPABLE),        "arm the second filter"},
    {BOTH,    CALL(prctl),             IS(0, PR_SET_PDEATHSIG),       "a child ends with its parent"},
    {BOTH,    CALL(seccomp),           IS(0, SECCOMP_SET_MODE_FILTER), "arm the second filter"},
    {BOTH,    CALL(landlock_create_ruleset), ANY,                     "arm the second filter"},
    {BOTH,    CALL(landlock_add_rule), ANY,                           "arm the second filter"},
    {BOTH,    CALL(landlock_restrict_self), ANY,                      "arm the second filter"},
    {BOTH,    CALL(exit_group),        ANY,                           "the end"},
};
/* clang-format on */

const size_t first_rule_count = sizeof first_rules / sizeof first_rules[0];
