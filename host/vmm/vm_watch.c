/* SPDX-License-Identifier: MIT */
/*
 * Running the guest, and stopping it.
 *
 * A guest that rings no doorbell is stopped by a timer that ticks in the guest's
 * processor time: a runaway guest cannot but use that up (it can neither halt nor wait),
 * while a machine that was suspended or is overloaded is not the guest's fault.  The
 * timer is started once, before the sandbox is armed, and never set again: a run costs no
 * system call beside entering the guest, and a host that waits for its disk is not
 * disturbed.  vm_interrupt() stops it in the same way for SIGINT and its kind.
 */
#include "host/vmm/vm_internal.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define TICK_SIGNAL SIGALRM
#define TICK_MS     50
#define NS_PER_MS   (1000 * 1000)

/* One machine at a time has the timer: signal handlers carry no argument. */
static struct vm *volatile guarded;
static timer_t timer;
static volatile sig_atomic_t running;
static volatile sig_atomic_t ticks_left;
static volatile sig_atomic_t interrupted;

static void on_tick(int signal_number)
{
        int error = errno;

        (void)signal_number;
        if (!running)
                return;
        if (ticks_left)
                ticks_left--;
        if (!ticks_left)
                guarded->operations->stop(guarded);
        errno = error;
}

void vm_interrupt(void)
{
        int error = errno;

        interrupted = 1;
        if (guarded)
                guarded->operations->stop(guarded);
        errno = error;
}

static int start_ticking(clockid_t clock)
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

        sigemptyset(&action.sa_mask);
        if (sigaction(TICK_SIGNAL, &action, NULL) || timer_create(clock, &event, &timer))
                return -errno;
        if (timer_settime(timer, 0, &period, NULL)) {
                int error = -errno;
                timer_delete(timer);
                return error;
        }
        return 0;
}

void vm_after_fork(void)
{
        guarded = NULL; /* timer_create(2): not inherited */
        interrupted = 0;
}

int vm_guard(struct vm *vm)
{
        if (guarded)
                return -EBUSY;
        int error = start_ticking(vm->clock);
        if (!error)
                guarded = vm;
        return error;
}

void vm_unguard(const struct vm *vm)
{
        if (guarded != vm)
                return;
        timer_delete(timer);
        guarded = NULL;
}

/* Until something happened that vm_run() has a name for. */
static enum vm_exit enter(struct vm *vm)
{
        for (;;) {
                int exit = vm->operations->enter(vm);
                if (exit != VM_ENTER_STOPPED)
                        return (enum vm_exit)exit;
                if (interrupted)
                        return VM_EXIT_SIGNAL;
                if (!ticks_left)
                        return VM_EXIT_TIMEOUT;
        }
}

enum vm_exit vm_run(struct vm *vm, uint32_t timeout_ms)
{
        /* The first tick may be due at once: one more than the limit has. */
        ticks_left = (sig_atomic_t)(timeout_ms / TICK_MS + 1);
        running = 1;
        if (interrupted)
                vm->operations->stop(vm);
        enum vm_exit result = enter(vm);
        running = 0;
        vm->operations->stopped(vm);
        if (result == VM_EXIT_SIGNAL)
                interrupted = 0;
        return result;
}
