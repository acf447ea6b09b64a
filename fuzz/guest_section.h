/* SPDX-License-Identifier: MIT */
/* Included before every guest source where link-time optimisation leaves no libraries
 * that a linker script could tell apart.  See guest_state.h. */
#pragma clang section bss = "guest_bss" data = "guest_data"
