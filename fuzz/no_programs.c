/* SPDX-License-Identifier: MIT */
/* In the place of the guest programs, for harnesses of the host that run none. */
#include "host/vmm/programs.h"

const struct vm_program guest_bitmap_program;
const struct vm_program guest_check_program;
const struct vm_program guest_info_program;
const struct vm_program guest_map_program;
const struct vm_program guest_repair_program;
const struct vm_program guest_resize_program;
const struct vm_program guest_unreferenced_program;
