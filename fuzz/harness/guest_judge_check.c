/* SPDX-License-Identifier: MIT */
/* The checker, before and after. */
#include "fuzz/harness/guest_run.h"

bool guest_judge_was_sound(const struct guest_run *run, struct guest_told *before)
{
        struct native_image *old = native_host_image(run->looker);
        guest_run_image(run, old);
        guest_run_check(run, old, before);
        return before->has_sums && !before->sums.incomplete &&
               !before->sums.corruptions && !before->sums.check_errors &&
               !before->damages;
}

void guest_judge_no_worse(const struct guest_run *run, const struct guest_told *before)
{
        struct guest_told now;
        uint64_t leaks = before->sums.leaks + run->outcome.result.leaked_clusters;
        guest_run_check(run, run->image, &now);
        if (!now.has_sums || now.sums.incomplete || now.sums.corruptions ||
            now.sums.check_errors || now.damages || now.sums.leaks > leaks)
                guest_run_complain(
                    run,
                    "worse than before: %llu corruptions, %llu errors, %llu damages, "
                    "%llu leaks (%llu are known)%s",
                    (unsigned long long)now.sums.corruptions,
                    (unsigned long long)now.sums.check_errors,
                    (unsigned long long)now.damages, (unsigned long long)now.sums.leaks,
                    (unsigned long long)leaks, now.sums.incomplete ? ", incomplete" : "");
}
