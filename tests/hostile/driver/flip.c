/* SPDX-License-Identifier: MIT */
#include <emmintrin.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/hostile/driver/driver.h"

static atomic_bool started;
static atomic_bool flipping;

/* Any address, the doorbell's too, which vm_range() does not give. */
static void *flip(void *memory)
{
        volatile uint64_t *number =
            (volatile uint64_t *)(void *)((uint8_t *)memory + circumstances.flip.address);

        atomic_store(&started, true);
        while (!atomic_load(&flipping)) /* it makes no system call from here on */
                _mm_pause();
        for (;;) {
                *number = circumstances.flip.one;
                _mm_pause(); /* about as long as the host has between two looks */
                *number = circumstances.flip.other;
                _mm_pause();
        }
        return NULL;
}

void flip_start(struct vm *vm)
{
        uint8_t *memory = (uint8_t *)(uintptr_t)vm_doorbell(vm) - ABI_DOORBELL_BASE;
        pthread_t thread;
        sigset_t all;
        sigset_t before;

        sigfillset(&all); /* the guest's ticks are the other thread's */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&thread, NULL, flip, memory)) {
                perror("hostile_driver: thread");
                abort();
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        while (!atomic_load(&started))
                ;
}

void flip_now(void)
{
        atomic_store(&flipping, true);
}
