/* SPDX-License-Identifier: MIT */
/*
 * The guest's static variables.  A guest program is loaded afresh for every run; natively
 * its variables would live on, above all where a run ended in the middle.  The linker
 * gathers those of the guest's sources (guest_state.ld; with LTO guest_section.h), so
 * that all of them, and nothing else, can be set back.
 */
#ifndef INSTAR_FUZZ_GUEST_STATE_H
#define INSTAR_FUZZ_GUEST_STATE_H

/* As at the program's start. */
void guest_state_restore(void);

#endif
