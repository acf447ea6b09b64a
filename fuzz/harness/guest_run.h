/* SPDX-License-Identifier: MIT */
/* One run of a guest program over one image, and what is needed to judge it. */
#ifndef INSTAR_FUZZ_HARNESS_GUEST_RUN_H
#define INSTAR_FUZZ_HARNESS_GUEST_RUN_H

#include "fuzz/harness/guest_input.h"
#include "guest/abi_check.h"
#include "guest/abi_repair.h"
#include "tests/native/native_host.h"

/* What a program has told. */
struct guest_told {
        uint64_t reports;
        uint64_t hash; /* of all of them, in order */
        uint64_t repairs;
        uint64_t findings[ABI_FINDING_COUNT];
        bool bad_header; /* a damage is one of the header */
        uint64_t damages;
        bool has_sums;
        struct abi_report_check sums;
};

struct guest_run {
        const uint8_t *data; /* the input */
        size_t length;
        struct guest_input input;
        struct native_host *host;
        struct native_image *image; /* the host's: as it is after the run */
        uint64_t old_sum;           /* of the image before */
        struct native_host *looker; /* a second host, for looks at other images */
        struct abi_call call;
        struct native_outcome outcome;
        struct guest_told told;
};

/* Make `image` what the input describes. */
void guest_run_image(const struct guest_run *run, struct native_image *image);

/* Of size and content. */
uint64_t guest_run_sum(const struct native_image *image);

/* What the host lets a program do. */
enum guest_rights {
        GUEST_LOOKS,           /* reports, no writes */
        GUEST_WRITES,          /* writes, no reports */
        GUEST_TELLS_AND_WRITES /* both */
};

/* Run a program, with fresh static variables; `told` takes its reports. */
struct native_outcome guest_run_program(struct native_host *host, void (*program)(void),
                                        const struct abi_call *call,
                                        enum guest_rights rights,
                                        struct guest_told *told);

/* The checker's view of one of the two hosts' images, whose trace is lost: told->has_sums
 * where it came so far. */
void guest_run_check(const struct guest_run *run, const struct native_image *image,
                     struct guest_told *told);

/* Say what is wrong, and abort. */
_Noreturn void guest_run_complain(const struct guest_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What the runs of each operation have to satisfy. */
void guest_judge(struct guest_run *run);              /* guest_judge.c: whatever it was */
void guest_judge_bitmap(struct guest_run *run);       /* a success */
void guest_judge_repair(struct guest_run *run);       /* a success */
void guest_judge_resize(struct guest_run *run);       /* a success */
void guest_judge_unreferenced(struct guest_run *run); /* a success */

/* guest_judge_check.c: the checker found nothing but leaks and bitmaps in use before. */
bool guest_judge_was_sound(const struct guest_run *run, struct guest_told *before);

/* ... and finds nothing but those, and what the guest has told of, afterwards. */
void guest_judge_no_worse(const struct guest_run *run, const struct guest_told *before);

/* guest_judge_disk.c: the virtual disk reads as before, where it could be read. */
void guest_judge_disk(struct guest_run *run);

#endif
