/* SPDX-License-Identifier: MIT */
/* The sums of a check, as qemu-img tells them: to people, and in JSON. */
#include <stdio.h>

#include "host/cli/check_metadata.h"
#include "host/cli/json.h"

static void append_verdict(const struct abi_report_check *sums, struct text *out)
{
        char line[256];

        if (!sums->corruptions && !sums->leaks && !sums->check_errors)
                text_string(out, "No errors were found on the image.\n");
        if (sums->corruptions) {
                snprintf(line, sizeof line,
                         "\n%llu errors were found on the image.\n"
                         "Data may be corrupted, or further writes to the image may "
                         "corrupt it.\n",
                         (unsigned long long)sums->corruptions);
                text_string(out, line);
        }
        if (sums->leaks) {
                snprintf(line, sizeof line,
                         "\n%llu leaked clusters were found on the image.\n"
                         "This means waste of disk space, but no harm to data.\n",
                         (unsigned long long)sums->leaks);
                text_string(out, line);
        }
        if (sums->check_errors) {
                snprintf(line, sizeof line,
                         "\n%llu internal errors have occurred during the check.\n",
                         (unsigned long long)sums->check_errors);
                text_string(out, line);
        }
}

static double percent(uint64_t part, uint64_t whole)
{
        return (double)part * 100.0 / (double)whole;
}

static void append_allocation(const struct abi_report_check *sums, struct text *out)
{
        char line[256];

        if (!sums->total_clusters || !sums->allocated_clusters)
                return;
        snprintf(line, sizeof line,
                 "%llu/%llu = %0.2f%% allocated, %0.2f%% fragmented, %0.2f%% compressed "
                 "clusters\n",
                 (unsigned long long)sums->allocated_clusters,
                 (unsigned long long)sums->total_clusters,
                 percent(sums->allocated_clusters, sums->total_clusters),
                 percent(sums->fragmented_clusters, sums->allocated_clusters),
                 percent(sums->compressed_clusters, sums->allocated_clusters));
        text_string(out, line);
}

void metadata_append_human(const struct metadata *m, struct text *out)
{
        const struct abi_report_check *sums = &m->sums;

        if (!m->checked || sums->incomplete)
                return;
        append_verdict(sums, out);
        if (sums->bitmap_faults) {
                text_string(out, "\n");
                text_number(out, sums->bitmap_faults);
                text_string(out, sums->bitmap_faults == 1
                                     ? " fault of a bitmap was found.\n"
                                     : " faults of bitmaps were found.\n");
        }
        append_allocation(sums, out);
        if (sums->image_end) {
                text_string(out, "Image end offset: ");
                text_number(out, sums->image_end);
                text_string(out, "\n");
        }
}

/* Left out where it is 0. */
static void set_number(json_t *object, const char *key, uint64_t number)
{
        if (number)
                json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* QEMU's order is that of a hash table. */
void metadata_set_json(const struct metadata *m, const char *path, json_t *object)
{
        const struct abi_report_check *sums = &m->sums;
        bool counted = m->checked && !sums->incomplete;

        if (counted) {
                set_number(object, "image-end-offset", sums->image_end);
                set_number(object, "compressed-clusters", sums->compressed_clusters);
                set_number(object, "total-clusters", sums->total_clusters);
                set_number(object, "corruptions", sums->corruptions);
                set_number(object, "corruptions-fixed", m->corruptions_fixed);
                json_object_set_new(object, "check-errors",
                                    json_integer((json_int_t)sums->check_errors));
                set_number(object, "leaks", sums->leaks);
                set_number(object, "leaks-fixed", m->leaks_fixed);
                set_number(object, "allocated-clusters", sums->allocated_clusters);
        }
        json_object_set_new(object, "filename", json_plain(path));
        if (counted) {
                json_object_set_new(object, "format", json_string("qcow2"));
                set_number(object, "fragmented-clusters", sums->fragmented_clusters);
        }
        if (m->damage)
                json_object_set(object, "instar-damage", m->damage);
        set_number(object, "instar-damage-not-listed", m->damage_not_listed);
}
