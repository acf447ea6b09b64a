/* SPDX-License-Identifier: MIT */
/* Every guest program of this binary is the hostile one: where these are defined, the
 * linker takes none from the library of the real ones. */
#include "host/vmm/programs.h"

#include "tests/hostile/driver/driver.h"

struct vm_program hostile_program;

#define HOSTILE __attribute__((alias("hostile_program")))

extern const struct vm_program guest_bitmap_program HOSTILE;
extern const struct vm_program guest_unreferenced_program HOSTILE;
extern const struct vm_program guest_info_program HOSTILE;
extern const struct vm_program guest_map_program HOSTILE;
extern const struct vm_program guest_check_program HOSTILE;
extern const struct vm_program guest_repair_program HOSTILE;
extern const struct vm_program guest_resize_program HOSTILE;
