/* SPDX-License-Identifier: MIT */
/*
 * What the machine's process does itself, before it is the guest's: it gives up all that
 * needs no trick to be given up.  The rest (the very code that runs here) is taken from
 * it by its tracer.
 */
#include "host/vmm/vm_internal.h"

#include <errno.h>
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

static int close_everything(void)
{
        struct rlimit none = {0, 0};

#ifdef SYS_close_range
        if (syscall(SYS_close_range, 0u, ~0u, 0u) == 0)
                return setrlimit(RLIMIT_NOFILE, &none) ? -errno : 0;
#endif
        long limit = sysconf(_SC_OPEN_MAX);
        for (int fd = 0; fd < limit; fd++)
                (void)close(fd);
        return setrlimit(RLIMIT_NOFILE, &none) ? -errno : 0;
}

static int give_up(const struct vm *vm)
{
        struct rlimit none = {0, 0};
        int error = close_everything();

        if (!error && (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_DUMPABLE, 0) ||
                       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)))
                error = -errno;
        if (!error)
                error = forget_rseq();
        return error ? error : move_memory(vm);
}

void vm_process_child(const struct vm *vm, int ready_fd)
{
        char byte = 0;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* A terminal's signals are the parent's business. */
        setsid();
        if (prctl(PR_SET_DUMPABLE, 1) || write(ready_fd, &byte, 1) != 1 ||
            read(ready_fd, &byte, 1) != 1)
                _exit(ECHILD);
        int error = give_up(vm);
        if (error)
                _exit(-error);
        __asm__ volatile("int3"); /* not raise(3): the C library knows of no fork */
        _exit(ECHILD);
}
