/* SPDX-License-Identifier: MIT */
/*
 * The guest may be hostile (invariant 9): a report has to be exactly as long as its own
 * lengths say, in its place, and free of numbers that what is computed of them could not
 * bear.  Numbers that are merely absurd are the image's, and are shown.
 */
#include "host/cli/info_sink.h"

#include <errno.h>
#include <string.h>

#include "guest/rt/checked.h"
#include "host/cli/damage_text.h"

void info_sink_start(struct info_sink *sink, const struct info_view *view,
                     struct info *info)
{
        sink->view = view;
        sink->info = info;
        sink->last = 0;
        info->has_snapshots = false;
        info->stage = INFO_DATA_NOTHING;
}

/* ---- taking a report apart -------------------------------------------------------- */

struct report {
        const uint8_t *bytes;
        size_t left;
};

/* The fixed part, in front. */
static bool take_facts(struct report *report, void *facts, size_t size)
{
        if (report->left < size)
                return false;
        memcpy(facts, report->bytes, size);
        report->bytes += size;
        report->left -= size;
        return true;
}

static bool take_string(struct report *report, uint32_t length,
                        struct info_string *string)
{
        if (report->left < length)
                return false;
        *string = (struct info_string){report->bytes, length};
        report->bytes += length;
        report->left -= length;
        return true;
}

/* ---- one function a kind: false if the report is refused --------------------------- */

static bool is_cluster_size(uint64_t size)
{
        return size >= 512 && size <= 2u << 20 && (size & (size - 1)) == 0;
}

static bool is_image(const struct abi_report_image *facts)
{
        return (facts->version == 2 || facts->version == 3) &&
               is_cluster_size(facts->cluster_size) && facts->refcount_bits <= 64 &&
               facts->backing_length <= ABI_MAX_NAME;
}

static bool take_image(struct info_sink *sink, struct report *report)
{
        struct info_image *image = &sink->info->image;

        if (sink->last || !take_facts(report, &image->facts, sizeof image->facts) ||
            !is_image(&image->facts))
                return false;
        memcpy(sink->image_strings, report->bytes, report->left);
        report->bytes = sink->image_strings;
        if (!take_string(report, image->facts.backing_length, &image->backing) ||
            !take_string(report, image->facts.backing_format_length,
                         &image->backing_format) ||
            !take_string(report, image->facts.data_file_length, &image->data_file) ||
            report->left)
                return false;
        sink->view->head(sink->info);
        return true;
}

static bool take_snapshot(struct info_sink *sink, struct report *report)
{
        struct info_snapshot snapshot;

        if (!take_facts(report, &snapshot.facts, sizeof snapshot.facts) ||
            !take_string(report, snapshot.facts.id_length, &snapshot.id) ||
            !take_string(report, snapshot.facts.name_length, &snapshot.name) ||
            report->left)
                return false;
        sink->view->snapshot(sink->info, &snapshot);
        return true;
}

/* Also adds up what the view shows. */
static bool is_bitmap(const struct abi_report_image *image, struct info_bitmap *bitmap)
{
        const struct abi_report_bitmap *facts = &bitmap->facts;
        uint64_t clusters;

        return (facts->granularity & (facts->granularity - 1)) == 0 &&
               checked_add(facts->table_clusters, facts->data_clusters, &clusters) &&
               checked_mul(clusters, image->cluster_size, &bitmap->bytes_on_disk) &&
               facts->dirty_bytes <= image->size;
}

static bool take_bitmap(struct info_sink *sink, struct report *report)
{
        struct info_bitmap bitmap;

        if (!take_facts(report, &bitmap.facts, sizeof bitmap.facts) ||
            !is_bitmap(&sink->info->image.facts, &bitmap) ||
            !take_string(report, bitmap.facts.name_length, &bitmap.name) || report->left)
                return false;
        sink->view->bitmap(sink->info, &bitmap);
        return true;
}

static bool take_damage(struct info_sink *sink, struct report *report)
{
        struct info_damage damage;

        if (!take_facts(report, &damage.facts, sizeof damage.facts) ||
            !damage_is_known(&damage.facts) ||
            !take_string(report, damage.facts.name_length, &damage.name) || report->left)
                return false;
        sink->view->damage(sink->info, &damage);
        return true;
}

/* ---- all --------------------------------------------------------------------------- */

static bool take(struct info_sink *sink, uint64_t kind, struct report *report)
{
        /* In ascending order, the image first. */
        if (kind < sink->last || (!sink->last && kind != ABI_REPORT_IMAGE))
                return false;
        switch (kind) {
        case ABI_REPORT_IMAGE:
                return take_image(sink, report);
        case ABI_REPORT_SNAPSHOT:
                return take_snapshot(sink, report);
        case ABI_REPORT_BITMAP:
                return take_bitmap(sink, report);
        case ABI_REPORT_DAMAGE:
                return take_damage(sink, report);
        default:
                return false;
        }
}

/* As a negative errno that says nothing of the report. */
static int output_error(const struct output *output)
{
        return output->error == EBADMSG ? -EIO : -output->error;
}

int info_sink_take(void *context, uint64_t kind, const uint8_t *bytes, size_t length)
{
        struct info_sink *sink = context;
        struct report report = {bytes, length};

        if (length > ABI_MAX_REPORT || !take(sink, kind, &report))
                return -EBADMSG;
        sink->last = kind;
        return output_error(&sink->info->output);
}
