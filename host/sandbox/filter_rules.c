/* SPDX-License-Identifier: MIT */
/*
 * The system calls of a process whose guest runs, each with its reason.  The default
 * is to kill the process.  A new line here is a decision about security: it wants a
 * reason, and a test that needs it.
 */
#include "host/sandbox/filter_rules.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/kvm.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "host/sandbox/allowed.h"

#define KVM  SANDBOX_KVM_HOST
#define PROC SANDBOX_PROCESS_HOST
#define BOTH (SANDBOX_KVM_HOST | SANDBOX_PROCESS_HOST)

#define CALL        FILTER_CALL
#define ANY         FILTER_ANY
#define IS          FILTER_IS
#define NAMED       FILTER_NAMED
#define VCPU(what)  FILTER_BOTH(0, FILTER_MACHINE, "the vCPU", 1, what, #what)
#define GUEST(what) FILTER_BOTH(0, what, #what, 1, FILTER_MACHINE, "the guest's process")
#define BELOW(what, text)                                                                \
        FILTER_BOTH(0, FILTER_JOURNAL_DIRECTORY, "the journal's directory", 2, what, text)

#define IS_GUEST   NAMED(0, FILTER_MACHINE, "the guest's process")
#define POPULATE   NAMED(2, ALLOWED_POPULATE, "MADV_POPULATE_WRITE")
#define PUNCH_HOLE NAMED(1, ALLOWED_FALLOCATE, "FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE")
#define CREATE                                                                           \
        BELOW(ALLOWED_OPEN, "O_RDWR|O_CREAT|O_EXCL|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC")

/* One line each, so that the table reads as one. */
/* clang-format off */
const struct filter_rule filter_rules[] = {
    {KVM,  CALL(ioctl),         VCPU(KVM_RUN),             "run the guest"},
    {KVM,  CALL(ioctl),         VCPU(KVM_GET_REGS),        "say where a guest died"},
    {KVM,  CALL(ioctl),         VCPU(KVM_GET_SREGS),       "say where a guest died; a fresh try"},
    {KVM,  CALL(ioctl),         VCPU(KVM_SET_REGS),        "a fresh try on the same vCPU"},
    {KVM,  CALL(ioctl),         VCPU(KVM_SET_SREGS),       "a fresh try on the same vCPU"},
    {KVM,  CALL(ioctl),         VCPU(KVM_SET_FPU),         "a fresh try on the same vCPU"},
    {KVM,  CALL(ioctl),         VCPU(KVM_SET_VCPU_EVENTS), "a fresh try on the same vCPU"},
    {PROC, CALL(ptrace),        GUEST(PTRACE_CONT),        "run the guest"},
    {PROC, CALL(ptrace),        GUEST(PTRACE_INTERRUPT),   "stop it, at the time limit or for the user"},
    {PROC, CALL(ptrace),        GUEST(PTRACE_PEEKUSER),    "where it has stopped"},
    {PROC, CALL(ptrace),        GUEST(PTRACE_POKEUSER),    "behind the doorbell's instruction"},
    {PROC, CALL(ptrace),        GUEST(PTRACE_GETSIGINFO),  "say where a guest died"},
    {PROC, CALL(ptrace),        GUEST(PTRACE_GETREGS),     "take the host's memory from it"},
    {PROC, CALL(ptrace),        GUEST(PTRACE_SETREGS),     "take the host's memory from it; the program's start"},
    {PROC, CALL(ptrace),        GUEST(PTRACE_GETREGSET),   "the length of its extended registers"},
    {PROC, CALL(ptrace),        GUEST(PTRACE_SETREGSET),   "the program's start"},
    {PROC, CALL(wait4),         IS_GUEST,                  "until the guest stops"},
    {PROC, CALL(madvise),       IS(2, MADV_REMOVE),        "clear guest memory for a fresh try"},
    {KVM,  CALL(madvise),       IS(2, MADV_DONTNEED),      "clear guest memory for a fresh try"},
    {BOTH, CALL(madvise),       POPULATE,                  "guest memory that will be touched anyway"},
    {BOTH, CALL(madvise),       IS(2, MADV_HUGEPAGE),      "a large arena in huge pages"},
    {BOTH, CALL(pread64),       ANY,                       "read the image; read the journal for a rollback"},
    {BOTH, CALL(pwrite64),      ANY,                       "write the image and the journal"},
    {BOTH, CALL(fdatasync),     ANY,                       "a barrier between two steps"},
    {BOTH, CALL(fsync),         ANY,                       "make the journal's directory entry durable"},
    {BOTH, CALL(ftruncate),     ANY,                       "grow the image, or cut it"},
    {BOTH, CALL(fallocate),     PUNCH_HOLE,                "punch freed clusters; no other mode"},
    {BOTH, CALL(lseek),         ANY,                       "the image's size; is a range a hole?"},
    {BOTH, CALL(openat),        CREATE,                    "create the journal: what exists cannot be opened"},
    {BOTH, CALL(unlinkat),      BELOW(0, "0"),             "remove the journal; no directory"},
    {BOTH, CALL(fcntl),         IS(1, F_OFD_SETLK),        "lock the journal as one whose writer lives"},
    {BOTH, CALL(close),         ANY,                       "the journal of one transaction before the next"},
    {BOTH, CALL(recvfrom),      ANY,                       "wait for the index child's answer"},
    {BOTH, CALL(write),         ANY,                       "the index's entry; the report on stdout and stderr"},
    {BOTH, CALL(clock_gettime), ANY,                       "time stamps, where the clock is not in the vDSO"},
    {BOTH, CALL(rt_sigreturn),  ANY,                       "the handlers of timer and signals"},
    {BOTH, CALL(exit_group),    ANY,                       "the end"},
};
/* clang-format on */

const size_t filter_rule_count = sizeof filter_rules / sizeof filter_rules[0];
