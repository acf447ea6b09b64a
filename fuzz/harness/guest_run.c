/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/guest_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/guest_state.h"
#include "guest/ops/check.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

void guest_run_image(const struct guest_run *run, struct native_image *image)
{
        const uint8_t *bytes;
        uint64_t offset;
        uint32_t length;
        native_image_clear(image);
        for (size_t i = 0;
             (length = guest_input_piece(run->data, run->length, i, &offset, &bytes));
             i++)
                native_image_write(image, offset, bytes, length);
        /* A block device has whole sectors. */
        uint64_t size = run->input.image_size;
        native_image_resize(image, run->input.host & 1 ? size - size % ABI_SECTOR : size);
}

static bool is_zero(const uint8_t *bytes, uint64_t length)
{
        return !bytes[0] && !memcmp(bytes, bytes + 1, length - 1);
}

/* Zeros that were written count as the hole that they may be as well. */
uint64_t guest_run_sum(const struct native_image *image)
{
        uint64_t block = image->block_size;
        uint64_t sum = image->size;
        uint64_t offset;
        uint64_t length;
        for (uint64_t at = 0; native_image_data(image, at, &offset, &length);
             at = offset + length)
                for (uint64_t b = offset; b < offset + length; b += block) {
                        uint64_t part[] = {sum, b, 0};
                        if (is_zero(image->bytes + b, block))
                                continue;
                        part[2] = XXH3_64bits(image->bytes + b, block);
                        sum = XXH3_64bits(part, sizeof part);
                }
        return sum;
}

/* ---- reports ---------------------------------------------------------------------- */

static void take_findings(struct guest_told *told, const void *bytes, uint64_t length)
{
        struct abi_finding finding;
        for (uint64_t i = 0; i + sizeof finding <= length; i += sizeof finding) {
                memcpy(&finding, (const uint8_t *)bytes + i, sizeof finding);
                if (finding.kind >= ABI_FINDING_COUNT)
                        abort();
                told->findings[finding.kind]++;
        }
}

static bool is_of_header(uint32_t code)
{
        return code == ABI_NOT_QCOW2 || code == ABI_QCOW2_V2 || code == ABI_BAD_HEADER ||
               code == ABI_UNKNOWN_INCOMPATIBLE;
}

static void take(void *context, uint64_t kind, const void *bytes, uint64_t length)
{
        struct guest_told *told = context;
        struct abi_report_damage damage;
        told->reports++;
        told->hash = XXH3_64bits_withSeed(bytes, length, told->hash + kind);
        told->repairs += kind == ABI_REPORT_REPAIR;
        if (kind == ABI_REPORT_FINDINGS)
                take_findings(told, bytes, length);
        if (kind == ABI_REPORT_DAMAGE && length >= sizeof damage) {
                memcpy(&damage, bytes, sizeof damage);
                told->bad_header |= is_of_header(damage.code);
                told->damages += damage.code != ABI_BAD_BITMAP ||
                                 damage.detail[2] != ABI_BITMAP_IN_USE;
        }
        if (kind == ABI_REPORT_CHECK && length == sizeof told->sums) {
                memcpy(&told->sums, bytes, sizeof told->sums);
                told->has_sums = true;
        }
}

/* ---- runs ------------------------------------------------------------------------- */

struct native_outcome guest_run_program(struct native_host *host, void (*program)(void),
                                        const struct abi_call *call,
                                        enum guest_rights rights, struct guest_told *told)
{
        memset(told, 0, sizeof *told);
        guest_state_restore();
        if (rights == GUEST_LOOKS)
                native_host_set_sink(host, take, told);
        else if (rights == GUEST_TELLS_AND_WRITES)
                native_host_report_to(host, take, told);
        struct native_outcome outcome = native_run(host, program, call);
        native_host_set_sink(host, NULL, NULL);
        return outcome;
}

void guest_run_check(const struct guest_run *run, const struct native_image *image,
                     struct guest_told *told)
{
        static const struct abi_call call;
        struct native_host *host = image == run->image ? run->host : run->looker;
        struct native_outcome outcome =
            guest_run_program(host, check_main, &call, GUEST_LOOKS, told);
        if (outcome.status)
                guest_run_complain(run, "the checker: %s",
                                   outcome.rule ? outcome.rule : "status");
        if (outcome.result.code)
                told->has_sums = false;
}

void guest_run_complain(const struct guest_run *run, const char *format, ...)
{
        static const char *const operations[] = {
            "bitmap", "check", "repair", "resize", "info", "map", "unreferenced"};
        va_list arguments;
        fprintf(stderr, "%s (flags %x): ", operations[run->input.operation],
                run->call.flags);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        abort();
}
