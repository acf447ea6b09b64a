/* SPDX-License-Identifier: MIT */
/*
 * The last that the process gives up: the code and data of the program it was forked
 * from, and system calls.  No code of its own could do that, as it would unmap itself; so
 * its tracer makes the calls in its name, by a `syscall` instruction in guest memory,
 * where the program comes to lie afterwards.
 */
#include "host/vmm/vm_internal.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

/* Where user addresses end: 47 bits, and a page that is never mapped. */
#define USER_LIMIT ((UINT64_C(1) << 47) - ABI_PAGE_SIZE)

/* `syscall; int3` */
static const uint8_t call_instructions[] = {0x0f, 0x05, 0xcc};

struct call {
        long number;
        uint64_t arguments[3];
};

static int continue_to_trap(struct vm *vm)
{
        int status;

        do {
                if (ptrace(PTRACE_CONT, vm->process.pid, NULL, NULL))
                        return -errno;
                int error = vm_process_wait(vm, &status);
                if (error)
                        return error;
                if (vm->process.ended)
                        return -ESRCH;
        } while (status >> 16 || WSTOPSIG(status) != SIGTRAP);
        return 0;
}

/* One system call of the process: 0-or-more, or a negative errno. */
static int64_t call(struct vm *vm, struct call what)
{
        struct user_regs_struct registers;

        if (ptrace(PTRACE_GETREGS, vm->process.pid, NULL, &registers))
                return -errno;
        registers.rip = ABI_PROGRAM_BASE;
        registers.rax = (unsigned long long)what.number;
        registers.orig_rax = ~0ull; /* nothing to be restarted */
        registers.rdi = what.arguments[0];
        registers.rsi = what.arguments[1];
        registers.rdx = what.arguments[2];
        if (ptrace(PTRACE_SETREGS, vm->process.pid, NULL, &registers))
                return -errno;
        int error = continue_to_trap(vm);
        if (error)
                return error;
        if (ptrace(PTRACE_GETREGS, vm->process.pid, NULL, &registers))
                return -errno;
        return (int64_t)registers.rax;
}

struct part {
        uint64_t from;
        uint64_t to;
        int protection;
};

/* Memory as the program wants it; between two parts, and around all, nothing. */
static int arrange_memory(struct vm *vm)
{
        const struct abi_program *program = &vm->program;
        const struct part parts[] = {
            {ABI_PROGRAM_BASE, program->text_end, PROT_READ | PROT_EXEC},
            {program->text_end, program->rodata_end, PROT_READ},
            {program->rodata_end, program->bss_end, PROT_READ | PROT_WRITE},
            {ABI_STACK_BASE, ABI_STACK_TOP, PROT_READ | PROT_WRITE},
            {ABI_CALL_BASE, ABI_CALL_LIMIT, PROT_READ},
            {ABI_DOORBELL_BASE, ABI_DOORBELL_LIMIT, PROT_READ | PROT_WRITE},
            {ABI_ARENA_BASE, vm->memory_size, PROT_READ | PROT_WRITE},
            {USER_LIMIT, USER_LIMIT, 0},
        };
        int64_t result = 0;
        uint64_t end = 0; /* of the part before */

        for (size_t i = 0; i < sizeof parts / sizeof *parts && result >= 0; i++) {
                const struct part *part = &parts[i];
                if (part->from > end)
                        result =
                            call(vm, (struct call){__NR_munmap, {end, part->from - end}});
                if (result >= 0 && part->to > part->from)
                        result =
                            call(vm, (struct call){__NR_mprotect,
                                                   {part->from, part->to - part->from,
                                                    (uint64_t)part->protection}});
                end = part->to;
        }
        return result < 0 ? (int)result : 0;
}

/* The filter lies at the far end of the stack; the guest finds all zeros there. */
static int forbid_calls(struct vm *vm)
{
        const struct sock_filter kill =
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
        const uint64_t at = ABI_STACK_BASE + sizeof(struct sock_fprog);
        struct sock_fprog filter = {.len = 1,
                                    .filter = (struct sock_filter *)(uintptr_t)at};
        uint8_t *stack = vm->memory + ABI_STACK_BASE;

        memcpy(stack, &filter, sizeof filter);
        memcpy(stack + sizeof filter, &kill, sizeof kill);
        int64_t result =
            call(vm, (struct call){__NR_seccomp,
                                   {SECCOMP_SET_MODE_FILTER, 0, ABI_STACK_BASE}});
        memset(stack, 0, sizeof filter + sizeof kill);
        return result < 0 ? (int)result : 0;
}

int vm_process_confine(struct vm *vm)
{
        uint8_t *text = vm->memory + ABI_PROGRAM_BASE;
        uint8_t program[sizeof call_instructions];

        memcpy(program, text, sizeof program);
        memcpy(text, call_instructions, sizeof call_instructions);
        int error = arrange_memory(vm);
        if (!error)
                error = forbid_calls(vm);
        memcpy(text, program, sizeof program);
        vm->process.confined = !error;
        return error;
}
