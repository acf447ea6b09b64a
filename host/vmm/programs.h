/* SPDX-License-Identifier: MIT */
/* The guest programs that this binary carries (cmake/GuestProgram.cmake). */
#ifndef INSTAR_HOST_VMM_PROGRAMS_H
#define INSTAR_HOST_VMM_PROGRAMS_H

#include "host/vmm/vm.h"

extern const struct vm_program guest_bitmap_program;
extern const struct vm_program guest_unreferenced_program;
extern const struct vm_program guest_info_program;
extern const struct vm_program guest_map_program;
extern const struct vm_program guest_check_program;
extern const struct vm_program guest_repair_program;
extern const struct vm_program guest_resize_program;

#endif
