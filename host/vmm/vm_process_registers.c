/* SPDX-License-Identifier: MIT */
/* The process's registers at a program's first instruction. */
#include "host/vmm/vm_internal.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define RFLAGS_AT_START 0x202u /* interrupts are the kernel's */

/* The standard format of XSAVE (Intel SDM 1, 13.4). */
#define XSAVE_CONTROL_WORD 0
#define XSAVE_MXCSR        24
#define XSAVE_HEADER       512
#define XSAVE_HEADER_SIZE  64
#define XSAVE_MAX          16384 /* with every extension that there is */

/* As after `lret` to CPL 3: selectors of Linux, which a guest may have changed. */
#define USER_CODE 0x33
#define USER_DATA 0x2b

static int set_general_registers(struct vm *vm)
{
        const struct user_regs_struct registers = {
            .rip = vm->program.entry,
            .rsp = ABI_STACK_TOP,
            .eflags = RFLAGS_AT_START,
            .cs = USER_CODE,
            .ss = USER_DATA,
            .orig_rax = ~0ull, /* no system call to be restarted */
        };

        return ptrace(PTRACE_SETREGS, vm->process.pid, NULL, &registers) ? -errno : 0;
}

/* Everything else, vectors included, into its initial state: an XSAVE image none of whose
 * components is present. */
static int set_extended_registers(struct vm *vm)
{
        static _Alignas(64) uint8_t image[XSAVE_MAX];
        struct iovec area = {.iov_base = image, .iov_len = sizeof image};
        const uint16_t control = 0x37f;
        const uint32_t mxcsr = 0x1f80;

        if (ptrace(PTRACE_GETREGSET, vm->process.pid, NT_X86_XSTATE, &area))
                return -errno;
        if (area.iov_len < XSAVE_HEADER + XSAVE_HEADER_SIZE)
                return -ENOTSUP;
        memset(image, 0, XSAVE_HEADER);
        memcpy(image + XSAVE_CONTROL_WORD, &control, sizeof control);
        memcpy(image + XSAVE_MXCSR, &mxcsr, sizeof mxcsr);
        memset(image + XSAVE_HEADER, 0, XSAVE_HEADER_SIZE);
        return ptrace(PTRACE_SETREGSET, vm->process.pid, NT_X86_XSTATE, &area) ? -errno
                                                                               : 0;
}

int vm_process_set_registers(struct vm *vm)
{
        int error = set_extended_registers(vm);

        return error ? error : set_general_registers(vm);
}
