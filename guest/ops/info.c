/* SPDX-License-Identifier: MIT */
/*
 * `instar info` inside the guest.  Damage does not end it: what can be read is told, and
 * what is wrong with the rest.
 */
#include "guest/ops/info.h"

#include <string.h>

#include "guest/ops/info_look.h"
#include "guest/rt/arena.h"
#include "guest/rt/doorbell.h"
#include "guest/rt/failure.h"
#include "guest/rt/platform.h"
#include "guest/rt/report.h"
#include "guest/rt/transaction.h"

#define REPORT_BUFFER (256u << 10)

void info_note(struct info *info, enum abi_code code, const struct bitmap_name *name)
{
        if (!code)
                return;
        if (info->damage_count == INFO_MAX_DAMAGE) {
                info->more_damage++;
                return;
        }
        struct info_damage *damage = &info->damage[info->damage_count++];
        damage->code = code;
        failure_details(damage->detail);
        if (name)
                damage->name = *name;
}

static void report_damage(const struct info *info)
{
        for (uint32_t i = 0; i < info->damage_count; i++) {
                const struct info_damage *damage = &info->damage[i];
                bool last = i + 1 == info->damage_count;
                struct abi_report_damage *report =
                    report_add(ABI_REPORT_DAMAGE, sizeof *report + damage->name.length);
                *report = (struct abi_report_damage){
                    .code = damage->code,
                    .more = last ? info->more_damage : 0,
                    .name_length = damage->name.length,
                };
                memcpy(report->detail, damage->detail, sizeof report->detail);
                if (damage->name.length)
                        memcpy(report + 1, damage->name.bytes, damage->name.length);
        }
}

static enum abi_code run(struct info *info)
{
        info->damage = arena_alloc(INFO_MAX_DAMAGE * sizeof *info->damage);
        if (!info->damage || !report_start(REPORT_BUFFER))
                return ABI_TOO_LARGE;
        enum abi_code code = info_read_header(info);
        if (code || (code = info_report_image(info)) ||
            (code = info_report_snapshots(info)) || (code = info_report_bitmaps(info)))
                return code;
        report_damage(info);
        return ABI_OK;
}

void info_main(void)
{
        struct abi_result result;
        memset(&result, 0, sizeof result);
        arena_reset();
        doorbell_reset();
        struct info *info = arena_alloc(sizeof *info);
        if (!info) {
                result.code = ABI_TOO_LARGE;
        } else {
                info->call = rt_call();
                result.code = run(info);
        }
        if (result.code)
                failure_details(result.detail);
        program_end(&result);
}
