/* SPDX-License-Identifier: MIT */
/*
 * A run of a guest program that only looks at an image (invariant 10): no journal, no
 * write, one try.
 */
#ifndef INSTAR_HOST_VMM_INSPECT_H
#define INSTAR_HOST_VMM_INSPECT_H

#include "host/image/image.h"
#include "host/vmm/doorbell.h"
#include "host/vmm/outcome.h"

/* Guest memory: what a run needs is touched, no more. */
#define INSPECT_MEMORY (UINT64_C(256) << 20)

struct inspection {
        struct image *image;
        uint64_t memory;
        struct vm *vm;
        struct transaction transaction; /* none is ever begun */
        struct doorbell doorbell;
};

struct inspect_report {
        enum edit_outcome outcome;
        struct abi_result result;
        int error; /* negative errno where the outcome has one */
        struct run_trace trace;
};

/* Make the machine, with `memory` bytes; everything that allocates.  `sink` may be NULL:
 * no reports.  0 or a negative errno. */
int inspection_prepare(struct inspection *inspection, struct image *image,
                       uint64_t memory, const struct report_sink *sink);

/* Arm the sandbox for the rest of the process.  `report_fd`: in a child, all that it
 * speaks through; else -1.  0 or a negative errno. */
int inspection_arm(const struct inspection *inspection, int report_fd);

/*
 * Run the program, once, in this process, whose sandbox is armed.
 * memory_size, file_size and the device flag of *call are filled in.  Fills *report in
 * every case.
 */
void inspection_run(struct inspection *inspection, const struct vm_program *program,
                    struct abi_call *call, struct inspect_report *report);

/*
 * Prepare, arm the sandbox for the rest of the process, run.  The image is open for
 * reading, and locked unless the user said not to.
 */
void inspect(struct image *image, const struct vm_program *program, struct abi_call *call,
             const struct report_sink *sink, struct inspect_report *report);

#endif
