/* SPDX-License-Identifier: MIT */
/*
 * Guest memory is found where the program tells KVM about it, and counted in
 * /proc/PID/pagemap.
 *
 * Which pages the *guest* has touched only KVM knows: it counts the page faults that it
 * has resolved, in statistics that it hands out for a vCPU (KVM_GET_STATS_FD) to the
 * process that owns the machine, and to no other.  So the program, stopped behind its
 * KVM_CREATE_VCPU, is made to ask for that descriptor, by one more ioctl(2) in its name;
 * a copy of the descriptor is then read here.
 */
#define _GNU_SOURCE
#include "observe_kvm.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_INSTRUCTION_LENGTH 2

/* The memory slots that the program gave to KVM (one program has one machine). */
static struct {
        uint64_t address, length;
} slots[8];
static unsigned slot_count;

static int statistics = -1; /* of the vCPU */

/* ---- guest memory ------------------------------------------------------------ */

static void note_slot(const struct task *task)
{
        struct kvm_userspace_memory_region region;
        struct iovec here = {&region, sizeof(region)};
        struct iovec there = {(void *)(uintptr_t)task->arguments[2], sizeof(region)};

        if (process_vm_readv(task->pid, &here, 1, &there, 1, 0) != sizeof(region))
                observe_fail("process_vm_readv");
        if (region.memory_size != 0 && slot_count < sizeof(slots) / sizeof(slots[0])) {
                slots[slot_count].address = region.userspace_addr;
                slots[slot_count].length = region.memory_size;
                slot_count++;
        }
}

static uint64_t present_pages(int pagemap, uint64_t address, uint64_t length)
{
        uint64_t entries[512], count = 0, first = address / 4096, left = length / 4096;

        while (left != 0) {
                uint64_t chunk = left < 512 ? left : 512;
                ssize_t bytes = pread(pagemap, entries, chunk * 8, (off_t)(first * 8));
                if (bytes != (ssize_t)(chunk * 8))
                        return count;
                for (uint64_t i = 0; i < chunk; i++)
                        count += entries[i] >> 63;
                first += chunk;
                left -= chunk;
        }
        return count;
}

static uint64_t resident_pages(pid_t pid)
{
        char path[64];
        uint64_t pages = 0;
        int pagemap;

        snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
        pagemap = open(path, O_RDONLY | O_CLOEXEC);
        if (pagemap < 0)
                return 0;
        for (unsigned i = 0; i < slot_count; i++)
                pages += present_pages(pagemap, slots[i].address, slots[i].length);
        close(pagemap);
        return pages;
}

/* ---- page faults --------------------------------------------------------------- */

/* Let the stopped thread run to its next stop at a system call. */
static bool to_system_call(pid_t pid)
{
        int status;

        return ptrace(PTRACE_SYSCALL, pid, NULL, 0L) == 0 &&
               waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);
}

/* Make the thread, stopped behind a system call, do another one; then nothing of it
 * is left but its result. */
static int64_t call_in_its_name(pid_t pid, uint64_t call, uint64_t first, uint64_t second)
{
        struct user_regs_struct saved, changed;
        int64_t result = -1;

        if (ptrace(PTRACE_GETREGS, pid, NULL, &saved) != 0)
                return -1;
        changed = saved;
        changed.rax = call;
        changed.rdi = first;
        changed.rsi = second;
        changed.rip -= SYSCALL_INSTRUCTION_LENGTH;
        if (ptrace(PTRACE_SETREGS, pid, NULL, &changed) == 0 && to_system_call(pid) &&
            to_system_call(pid) && ptrace(PTRACE_GETREGS, pid, NULL, &changed) == 0)
                result = (int64_t)changed.rax;
        if (ptrace(PTRACE_SETREGS, pid, NULL, &saved) != 0)
                observe_fail("PTRACE_SETREGS");
        return result;
}

/* Where the kernel has no such statistics the faults stay unknown. */
static void open_statistics(pid_t program, pid_t pid, int vcpu)
{
        int64_t theirs =
            call_in_its_name(pid, __NR_ioctl, (uint64_t)vcpu, KVM_GET_STATS_FD);
        if (theirs < 0)
                return;
        int process = (int)syscall(SYS_pidfd_open, program, 0);
        if (process < 0)
                return;
        statistics = (int)syscall(SYS_pidfd_getfd, process, (int)theirs, 0);
        close(process);
}

/* The value of pf_fixed, or -1. */
static int64_t read_faults(void)
{
        struct kvm_stats_header header;
        struct kvm_stats_desc descriptor; /* its name follows it */
        char name[128];
        uint64_t value;

        if (statistics < 0 ||
            pread(statistics, &header, sizeof(header), 0) != sizeof(header) ||
            header.name_size > sizeof(name))
                return -1;
        for (uint32_t i = 0; i < header.num_desc; i++) {
                size_t size = sizeof(descriptor) + header.name_size;
                off_t place = (off_t)(header.desc_offset + i * size);
                struct iovec parts[] = {{&descriptor, sizeof(descriptor)},
                                        {name, header.name_size}};

                if (preadv(statistics, parts, 2, place) != (ssize_t)size)
                        return -1;
                if (strncmp(name, "pf_fixed", header.name_size) != 0)
                        continue;
                place = (off_t)(header.data_offset + descriptor.offset);
                if (pread(statistics, &value, sizeof(value), place) != sizeof(value))
                        return -1;
                return (int64_t)value;
        }
        return -1;
}

void kvm_note_ioctl(pid_t program, const struct task *task, int64_t result,
                    struct kvm_counts *counts)
{
        switch (task->arguments[1]) {
        case KVM_SET_USER_MEMORY_REGION:
                if (result == 0)
                        note_slot(task);
                break;
        case KVM_CREATE_VCPU:
                if (result >= 0)
                        open_statistics(program, task->pid, (int)result);
                break;
        case KVM_RUN:
                counts->exits++;
                uint64_t pages = resident_pages(task->pid);
                if (pages > counts->resident)
                        counts->resident = pages;
                counts->faults = read_faults();
                break;
        default:
                break;
        }
}
