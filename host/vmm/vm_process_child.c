/* SPDX-License-Identifier: MIT */
/*
 * What the machine's process does itself, before it is the guest's: it gives up all that
 * needs no trick to be given up.  The rest (the very code that runs here) is taken from
 * it by its tracer.
 */
#include "host/vmm/vm_internal.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif

struct part {
        uint64_t from;
        uint64_t to;
};

static int move(const struct vm *vm, struct part part)
{
        size_t length = part.to - part.from;
        void *wanted = (void *)(uintptr_t)part.from;
        void *got = mremap(vm->memory + part.from, length, length,
                           MREMAP_MAYMOVE | MREMAP_FIXED, wanted);

        return got == wanted ? 0 : -errno;
}

/* The guest's memory, to the guest's addresses (guest/abi.h). */
static int move_memory(const struct vm *vm)
{
        const struct part parts[] = {
            {ABI_PROGRAM_BASE, ABI_PROGRAM_LIMIT},
            {ABI_STACK_BASE, ABI_STACK_TOP},
            {ABI_CALL_BASE, ABI_CALL_LIMIT},
            {ABI_DOORBELL_BASE, ABI_DOORBELL_LIMIT},
            {ABI_ARENA_BASE, vm->memory_size},
        };

        /* What is there already would be lost: this program, if it were made to run at
         * fixed addresses. */
        if ((uintptr_t)&move_memory < vm->memory_size)
                return -ENOTSUP;
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
                int error = move(vm, parts[i]);
                if (error)
                        return error;
        }
        /* From here the tracer makes it call the system. */
        return mprotect((void *)(uintptr_t)ABI_PROGRAM_BASE, ABI_PAGE_SIZE,
                        PROT_READ | PROT_EXEC)
                   ? -errno
                   : 0;
}

/* The C library has told the kernel of a place (rseq(2)) that is going to be unmapped;
 * the kernel would write there and kill the process. */
static int forget_rseq(void)
{
#ifdef RSEQ_SIG
        /* Of the lengths that libraries register: 32, or the kernel's, a multiple. */
        char *area = (char *)__builtin_thread_pointer() + __rseq_offset;

        if (!__rseq_size)
                return 0;
        for (unsigned length = 32; length <= 256; length += 32)
                if (syscall(SYS_rseq, area, length, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0)
                        return 0;
        return -errno;
#else
        return 0;
#endif
}

static int close_range_of(int from, int to)
{
        if (from > to)
                return 0;
#ifdef SYS_close_range
        if (syscall(SYS_close_range, (unsigned)from, (unsigned)to, 0u) == 0)
                return 0;
        if (errno != ENOSYS)
                return -errno;
#endif
        long limit = sysconf(_SC_OPEN_MAX);
        for (int fd = from; fd <= to && fd < limit; fd++)
                (void)close(fd);
        return 0;
}

/* First of all: it holds the image's locks, and the parent's end of the conversation,
 * whose end it could not see otherwise. */
static int close_all_but(int fd)
{
        int error = close_range_of(0, fd - 1);

        return error ? error : close_range_of(fd + 1, INT_MAX);
}

/* Ready to be traced: say so, and wait until it is. */
static int hand_over(int fd)
{
        char byte = 0;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_DUMPABLE, 1))
                return -errno;
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
                return -ECHILD; /* the parent is dead */
        return close(fd) ? -errno : 0;
}

static int give_up(void)
{
        struct rlimit none = {0, 0};
        int error = 0;

        if (setrlimit(RLIMIT_NOFILE, &none) || setrlimit(RLIMIT_CORE, &none) ||
            prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
                error = -errno;
        return error ? error : forget_rseq();
}

void vm_process_child(const struct vm *vm, int ready_fd)
{
        setsid(); /* a terminal's signals are the parent's business */
        int error = close_all_but(ready_fd);
        if (!error)
                error = hand_over(ready_fd);
        if (!error)
                error = give_up();
        if (!error)
                error = move_memory(vm);
        if (error)
                _exit(-error);
        __asm__ volatile("int3"); /* not raise(3): the C library knows of no fork */
        _exit(ECHILD);
}
