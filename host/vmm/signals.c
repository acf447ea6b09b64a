/* SPDX-License-Identifier: MIT */
#include "host/vmm/signals.h"

#include <signal.h>
#include <string.h>

#include "host/vmm/vm.h"

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
        if (!caught)
                caught = number;
        vm_interrupt();
}

void signals_catch(void)
{
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = on_signal;
        sigemptyset(&action.sa_mask);
        action.sa_flags = SA_RESTART;
        for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) {
                struct sigaction before;
                sigaction(ends[i], NULL, &before);
                if (before.sa_handler != SIG_IGN) /* nohup(1) */
                        sigaction(ends[i], &action, NULL);
        }
        action.sa_handler = SIG_IGN;
        sigaction(SIGXFSZ, &action, NULL);
        sigaction(SIGPIPE, &action, NULL);
}

int signals_caught(void)
{
        return caught;
}

void signals_ignore(void)
{
        for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++)
                signal(ends[i], SIG_IGN);
        caught = 0;
}
