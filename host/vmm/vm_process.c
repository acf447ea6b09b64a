/* SPDX-License-Identifier: MIT */
/*
 * A machine that is a process: the guest's memory at the guest's addresses, nothing else
 * mapped, no descriptor, every system call fatal.  This process traces it (ptrace(2)):
 * writing to the doorbell's port is an exception for a process, which stops it; the host
 * answers, skips the instruction, and lets it go on.  Any other exception, and any system
 * call, ends the guest, as it does in a virtual machine.
 *
 * Memory is shared with the process, anonymously: it has no descriptor that could be
 * mapped anew.  The host's own view is never executable.
 */
#include "host/vmm/vm_internal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* `out %al, $ABI_DOORBELL_PORT` */
static const uint8_t out_instruction[] = {0xe6, ABI_DOORBELL_PORT};

int vm_process_wait(struct vm *vm, int *status)
{
        while (waitpid(vm->process.pid, status, __WALL) < 0)
                if (errno != EINTR)
                        return -errno;
        vm->process.ended = WIFEXITED(*status) || WIFSIGNALED(*status);
        vm->process.stopped = !vm->process.ended && *status >> 16 == 0;
        return 0;
}

/* ---- making and closing ---- */

/* Once a byte says that the process may be traced, trace it; tell it so. */
static int seize(struct vm *vm, int fd)
{
        char byte;
        ssize_t got;

        do
                got = read(fd, &byte, 1);
        while (got < 0 && errno == EINTR);
        if (got != 1)
                return got < 0 ? -errno : -ECHILD;
        if (ptrace(PTRACE_SEIZE, vm->process.pid, NULL, PTRACE_O_EXITKILL))
                return -errno;
        return write(fd, &byte, 1) == 1 ? 0 : -errno;
}

/* It stops itself once it has given up what it can. */
static int await_first_stop(struct vm *vm)
{
        int status;
        int error = vm_process_wait(vm, &status);

        if (error)
                return error;
        if (WIFEXITED(status))
                return -WEXITSTATUS(status);
        return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP ? 0 : -ECHILD;
}

/* fork(2), but not for a tracer of this process (`strace -f`), who would take the place
 * of the one that the guest needs. */
static pid_t fork_untraced(void)
{
        return (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, NULL, NULL, NULL,
                              NULL);
}

/* Make the process, and both sides of the conversation that follows. */
static int fork_process(struct vm *vm)
{
        int ends[2];

        /* A caller who ignores its children would never be told how this one ended. */
        signal(SIGCHLD, SIG_DFL);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
                return -errno;
        vm->process.pid = fork_untraced();
        if (vm->process.pid == 0)
                vm_process_child(vm, ends[1]);
        int error = vm->process.pid < 0 ? -errno : 0;
        close(ends[1]);
        if (error)
                vm->process.pid = 0;
        else
                error = seize(vm, ends[0]);
        close(ends[0]);
        return error ? error : await_first_stop(vm);
}

static int process_create(struct vm *vm)
{
        int error = vm_memory_reserve(vm, MAP_SHARED);

        if (!error)
                error = fork_process(vm);
        /* A positive errno, as clock_getcpuclockid(3) says. */
        return error ? error : -clock_getcpuclockid(vm->process.pid, &vm->clock);
}

/* A process that nobody waits for stays in the list of processes, as a zombie, where init
 * does not care.  One that was interrupted takes no signal now: it ends with its tracer.
 */
static void process_end(struct vm *vm)
{
        int status;

        if (vm->process.stopped && !vm->process.ended &&
            ptrace(PTRACE_CONT, vm->process.pid, NULL, SIGKILL) == 0)
                (void)vm_process_wait(vm, &status);
}

static void process_destroy(struct vm *vm)
{
        int status;

        if (!vm->process.pid || vm->process.ended)
                return;
        /* Where arming the sandbox has failed half-way, Landlock may forbid it; then the
         * process ends with its tracer. */
        if (kill(vm->process.pid, SIGKILL))
                return;
        while (!vm->process.ended && vm_process_wait(vm, &status) == 0)
                continue;
}

/* ---- running ---- */

static int process_rewind(struct vm *vm)
{
        return vm->process.ended ? -ESRCH : 0;
}

static int process_start(struct vm *vm)
{
        int error = vm->process.confined ? 0 : vm_process_confine(vm);

        return error ? error : vm_process_set_registers(vm);
}

/* ptrace(2): whatever the process is doing, it traps; where it stands stopped already,
 * once it goes on.  Nothing is lost between looking and waiting. */
static void process_stop(struct vm *vm)
{
        (void)ptrace(PTRACE_INTERRUPT, vm->process.pid, NULL, NULL);
}

static void process_stopped(struct vm *vm)
{
        (void)vm;
}

/* For INSTAR_DEBUG; `rip` is known already. */
static void diagnose(struct vm *vm, int signal_number, uint64_t rip)
{
        siginfo_t info;

        vm->diagnosis = (struct vm_diagnosis){
            .exit_reason = (uint32_t)signal_number, .rip = rip, .registers_valid = true};
        if (ptrace(PTRACE_GETSIGINFO, vm->process.pid, NULL, &info) == 0)
                vm->diagnosis.cr2 = (uintptr_t)info.si_addr;
}

static bool in_text(const struct vm *vm, uint64_t rip)
{
        return rip >= ABI_PROGRAM_BASE &&
               rip <= vm->program.text_end - sizeof out_instruction;
}

/* The guest cannot write to its text: the bytes are the program's own. */
static bool is_doorbell(const struct vm *vm, uint64_t rip)
{
        return in_text(vm, rip) && vm->memory[rip] == out_instruction[0] &&
               vm->memory[rip + 1] == out_instruction[1];
}

/* It stands at an instruction that raised this signal. */
static int exception(struct vm *vm, int signal_number)
{
        const size_t rip_at = offsetof(struct user_regs_struct, rip);

        errno = 0;
        long word = ptrace(PTRACE_PEEKUSER, vm->process.pid, rip_at, NULL);
        if (errno) {
                vm->diagnosis.error = -errno;
                return VM_EXIT_FAILED;
        }
        uint64_t rip = (uint64_t)word;
        if (signal_number != SIGSEGV || !is_doorbell(vm, rip)) {
                diagnose(vm, signal_number, rip);
                return VM_EXIT_SHUTDOWN;
        }
        if (ptrace(PTRACE_POKEUSER, vm->process.pid, rip_at,
                   rip + sizeof out_instruction)) {
                vm->diagnosis.error = -errno;
                return VM_EXIT_FAILED;
        }
        return VM_EXIT_DOORBELL;
}

/* Killed: by its filter (SIGSYS), or from outside. */
static int end_of_process(struct vm *vm, int status)
{
        int signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

        vm->diagnosis = (struct vm_diagnosis){.exit_reason = (uint32_t)signal_number,
                                              .error = -ESRCH};
        return signal_number == SIGSYS ? VM_EXIT_SHUTDOWN : VM_EXIT_FAILED;
}

static bool is_exception(int signal_number)
{
        return signal_number == SIGSEGV || signal_number == SIGILL ||
               signal_number == SIGBUS || signal_number == SIGFPE ||
               signal_number == SIGTRAP;
}

static int process_enter(struct vm *vm)
{
        int status = 0;
        int error = ptrace(PTRACE_CONT, vm->process.pid, NULL, NULL)
                        ? -errno
                        : vm_process_wait(vm, &status);

        if (error) {
                vm->diagnosis = (struct vm_diagnosis){.error = error};
                return VM_EXIT_FAILED;
        }
        if (vm->process.ended)
                return end_of_process(vm, status);
        if (status >> 16 == PTRACE_EVENT_STOP || !is_exception(WSTOPSIG(status)))
                return VM_ENTER_STOPPED; /* signals of others do not reach it */
        return exception(vm, WSTOPSIG(status));
}

const struct vm_operations vm_process_operations = {
    .create = process_create,
    .end = process_end,
    .destroy = process_destroy,
    .rewind = process_rewind,
    .start = process_start,
    .enter = process_enter,
    .stop = process_stop,
    .stopped = process_stopped,
    .clear_advice = MADV_REMOVE,
};
