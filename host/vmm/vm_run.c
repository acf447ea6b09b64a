/* SPDX-License-Identifier: MIT */
/*
 * Running the guest, and stopping it.
 *
 * A guest that rings no doorbell is stopped by a timer that ticks in the vCPU thread's
 * processor time: a runaway guest cannot but use that up (it can neither halt nor wait),
 * while a machine that was suspended or is overloaded is not the guest's fault.  The
 * timer is started once, before the sandbox is armed, and never set again: a run costs no
 * system call beside KVM_RUN, and a host that waits for its disk is not disturbed.
 *
 * A signal alone would not do, for it may arrive just before KVM_RUN is entered: its
 * handler sets kvm_run->immediate_exit, with which KVM_RUN returns at once.
 * vm_interrupt() works the same way for SIGINT and its kind.
 */
#include "host/vmm/vm_internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define TICK_SIGNAL SIGALRM
#define TICK_MS     50
#define NS_PER_MS   (1000 * 1000)

/* One machine at a time has the timer: signal handlers carry no argument. */
static struct kvm_run *volatile guarded;
static volatile sig_atomic_t running;
static volatile sig_atomic_t ticks_left;
static volatile sig_atomic_t interrupted;

/* kvm_run is shared with the kernel, which reads immediate_exit inside KVM_RUN. */
static void set_immediate_exit(struct kvm_run *run, uint8_t value)
{
        *(volatile uint8_t *)&run->immediate_exit = value;
}

static void on_tick(int signal_number)
{
        (void)signal_number;
        if (!running)
                return;
        if (ticks_left)
                ticks_left--;
        if (!ticks_left)
                set_immediate_exit(guarded, 1);
}

void vm_interrupt(void)
{
        interrupted = 1;
        if (guarded)
                set_immediate_exit(guarded, 1);
}

static int start_ticking(void)
{
        struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
        struct sigevent event = {
            .sigev_notify = SIGEV_THREAD_ID,
            .sigev_signo = TICK_SIGNAL,
            ._sigev_un._tid = gettid(),
        };
        const struct itimerspec period = {
            .it_interval.tv_nsec = TICK_MS * NS_PER_MS,
            .it_value.tv_nsec = TICK_MS * NS_PER_MS,
        };
        timer_t timer;

        sigemptyset(&action.sa_mask);
        if (sigaction(TICK_SIGNAL, &action, NULL) ||
            timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) ||
            timer_settime(timer, 0, &period, NULL))
                return -errno;
        return 0;
}

static bool ticking;

void vm_after_fork(void)
{
        guarded = NULL;
        interrupted = 0;
        ticking = false; /* timer_create(2): not inherited */
}

int vm_guard(struct vm *vm)
{
        int error = 0;

        if (guarded)
                return -EBUSY;
        if (!ticking)
                error = start_ticking();
        if (error)
                return error;
        ticking = true;
        guarded = vm->run;
        return 0;
}

void vm_unguard(const struct vm *vm)
{
        if (guarded == vm->run)
                guarded = NULL;
}

/* For INSTAR_DEBUG only: a failure here is itself the diagnosis. */
static void diagnose(struct vm *vm, int error)
{
        struct kvm_regs regs;
        struct kvm_sregs sregs;

        vm->diagnosis = (struct vm_diagnosis){
            .exit_reason = vm->run->exit_reason,
            .error = error,
        };
        if (vm_ioctl(vm->vcpu_fd, KVM_GET_REGS, &regs) ||
            vm_ioctl(vm->vcpu_fd, KVM_GET_SREGS, &sregs))
                return;
        vm->diagnosis.rip = regs.rip;
        vm->diagnosis.cr2 = sregs.cr2;
        /* SVM puts the vCPU into its reset state at a shutdown. */
        vm->diagnosis.registers_valid = (sregs.cr0 & 0x80000000u) != 0;
}

static bool is_doorbell(const struct kvm_run *run)
{
        return run->exit_reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_OUT &&
               run->io.port == ABI_DOORBELL_PORT && run->io.size == 1 &&
               run->io.count == 1;
}

static enum vm_exit exit_of(struct vm *vm)
{
        vm->stopped_in_io =
            vm->run->exit_reason == KVM_EXIT_IO || vm->run->exit_reason == KVM_EXIT_MMIO;
        if (is_doorbell(vm->run))
                return VM_EXIT_DOORBELL;
        diagnose(vm, 0);
        return vm->run->exit_reason == KVM_EXIT_SHUTDOWN ? VM_EXIT_SHUTDOWN
                                                         : VM_EXIT_PROTOCOL;
}

/* Enter the guest until something happened that vm_run() has a name for. */
static enum vm_exit enter(struct vm *vm)
{
        for (;;) {
                if (ioctl(vm->vcpu_fd, KVM_RUN, NULL) == 0)
                        return exit_of(vm);
                if (errno != EINTR && errno != EAGAIN) {
                        diagnose(vm, -errno);
                        return VM_EXIT_FAILED;
                }
                if (interrupted)
                        return VM_EXIT_SIGNAL;
                if (!ticks_left) {
                        diagnose(vm, 0);
                        return VM_EXIT_TIMEOUT;
                }
        }
}

enum vm_exit vm_run(struct vm *vm, uint32_t timeout_ms)
{
        /* The first tick may be due at once: one more than the limit has. */
        ticks_left = (sig_atomic_t)(timeout_ms / TICK_MS + 1);
        running = 1;
        if (interrupted)
                set_immediate_exit(vm->run, 1);
        enum vm_exit result = enter(vm);
        running = 0;
        set_immediate_exit(vm->run, 0);
        if (result == VM_EXIT_SIGNAL)
                interrupted = 0;
        return result;
}
