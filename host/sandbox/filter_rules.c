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
#include <sys/syscall.h>

#include "host/sandbox/allowed.h"

#define ANY FILTER_ANY_ARGUMENT

/* One line each, so that the table reads as one. */
/* clang-format off */
const struct filter_rule filter_rules[] = {
    {__NR_ioctl,           1, KVM_RUN,             "run the guest"},
    {__NR_ioctl,           1, KVM_GET_REGS,        "say where a guest died"},
    {__NR_ioctl,           1, KVM_GET_SREGS,       "say where a guest died; a fresh try"},
    {__NR_ioctl,           1, KVM_SET_REGS,        "a fresh try on the same vCPU"},
    {__NR_ioctl,           1, KVM_SET_SREGS,       "a fresh try on the same vCPU"},
    {__NR_ioctl,           1, KVM_SET_FPU,         "a fresh try on the same vCPU"},
    {__NR_ioctl,           1, KVM_SET_VCPU_EVENTS, "a fresh try on the same vCPU"},
    {__NR_madvise,         2, MADV_DONTNEED,       "clear guest memory for a fresh try"},
    {__NR_madvise,         2, ALLOWED_POPULATE,    "guest memory that will be touched anyway"},
    {__NR_madvise,         2, MADV_HUGEPAGE,       "a large arena in huge pages"},
    {__NR_pread64,       ANY, 0,                   "read the image; read the journal for a rollback"},
    {__NR_pwrite64,      ANY, 0,                   "write the image and the journal"},
    {__NR_fdatasync,     ANY, 0,                   "a barrier between two steps"},
    {__NR_fsync,         ANY, 0,                   "make the journal's directory entry durable"},
    {__NR_ftruncate,     ANY, 0,                   "grow the image, or cut it"},
    {__NR_fallocate,       1, ALLOWED_FALLOCATE,   "punch freed clusters; no other mode"},
    {__NR_lseek,         ANY, 0,                   "the image's size; is a range a hole?"},
    {__NR_openat,          2, ALLOWED_OPEN,        "create the journal: what exists cannot be opened"},
    {__NR_unlinkat,        2, 0,                   "remove the journal; no directory"},
    {__NR_fcntl,           1, F_OFD_SETLK,         "lock the journal as one whose writer lives"},
    {__NR_close,         ANY, 0,                   "the journal of one transaction before the next"},
    {__NR_recvfrom,      ANY, 0,                   "wait for the index child's answer"},
    {__NR_write,         ANY, 0,                   "the index's entry; the report on stdout and stderr"},
    {__NR_clock_gettime, ANY, 0,                   "time stamps, where the clock is not in the vDSO"},
    {__NR_rt_sigreturn,  ANY, 0,                   "the handlers of timer and signals"},
    {__NR_exit_group,    ANY, 0,                   "the end"},
};
/* clang-format on */

const size_t filter_rule_count = sizeof filter_rules / sizeof filter_rules[0];
