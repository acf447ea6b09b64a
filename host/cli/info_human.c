/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/cli/info_data.h"
#include "host/cli/journal_item.h"
#include "host/cli/local_time.h"
#include "host/cli/messages.h"
#include "host/cli/size_text.h"

/* guest/qcow2/format.h is the guest's alone. */
#define INCOMPATIBLE_DIRTY UINT64_C(0x01)

/* ---- pieces --------------------------------------------------------------------------
 */

/* The image's bytes, or those of the command line. */
static void put(struct info *info, struct info_string string)
{
        if (info->terminal)
                output_escaped(&info->output, string.bytes, string.length);
        else
                output_bytes(&info->output, string.bytes, string.length);
}

static void put_line(struct info *info, const char *label, struct info_string string)
{
        output_string(&info->output, label);
        put(info, string);
        output_string(&info->output, "\n");
}

static struct info_string string_of(const char *string)
{
        return (struct info_string){string, strlen(string)};
}

static void size_line(struct info *info, const char *label, uint64_t size)
{
        char text[SIZE_TEXT_SIZE];

        size_text(size, text);
        output_string(&info->output, label);
        output_string(&info->output, text);
}

/* ---- the head ------------------------------------------------------------------------
 */

static bool equal(struct info_string a, struct info_string b)
{
        return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

static void backing(struct info *info)
{
        const struct info_string name = info_shown(info->image.backing);
        const struct info_string full = info_full_backing(info);

        if (!name.length)
                return;
        output_string(&info->output, "backing file: ");
        put(info, name);
        if (!equal(name, full)) {
                output_string(&info->output, " (actual path: ");
                put(info, full);
                output_string(&info->output, ")");
        }
        output_string(&info->output, "\n");
        if (info->image.facts.flags & ABI_IMAGE_BACKING_FORMAT)
                put_line(info,
                         "backing file format: ", info_shown(info->image.backing_format));
}

static void head(struct info *info)
{
        const struct abi_report_image *facts = &info->image.facts;
        struct output *output = &info->output;

        put_line(info, "image: ", string_of(info->filename));
        output_string(output, "file format: qcow2\n");
        size_line(info, "virtual size: ", facts->size);
        output_string(output, " (");
        output_number(output, facts->size);
        output_string(output, " bytes)\n");
        size_line(info, "disk size: ", info->actual_size);
        output_string(output, "\n");
        if (facts->flags & ABI_IMAGE_ENCRYPTED)
                output_string(output, "encrypted: yes\n");
        output_string(output, "cluster_size: ");
        output_number(output, facts->cluster_size);
        output_string(output, "\n");
        if (facts->incompatible & INCOMPATIBLE_DIRTY)
                output_string(output, "cleanly shut down: no\n");
        backing(info);
}

/* ---- snapshots --------------------------------------------------------------------- */

/* In a column, on the left. */
static void put_padded(struct info *info, struct info_string string, size_t width)
{
        put(info, string);
        for (size_t i = string.length; i < width; i++)
                output_string(&info->output, " ");
}

static void clock_text(uint64_t nanoseconds, char text[32])
{
        uint64_t seconds = nanoseconds / 1000000000;

        snprintf(text, 32, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%03" PRIu64,
                 seconds / 3600, seconds / 60 % 60, seconds % 60,
                 nanoseconds / 1000000 % 1000);
}

static void snapshot(struct info *info, const struct info_snapshot *snapshot)
{
        const struct abi_report_snapshot *facts = &snapshot->facts;
        char size[SIZE_TEXT_SIZE];
        char date[LOCAL_TIME_SIZE];
        char clock[32];
        char icount[24] = "";
        char columns[160];

        if (!info->has_snapshots)
                output_string(&info->output,
                              "Snapshot list:\nID        TAG               VM SIZE       "
                              "         DATE     VM CLOCK     ICOUNT\n");
        info->has_snapshots = true;
        size_text(facts->vm_state_size, size);
        local_time(facts->date_seconds, date);
        clock_text(facts->vm_clock, clock);
        if (facts->icount != UINT64_MAX)
                snprintf(icount, sizeof icount, "%" PRId64, (int64_t)facts->icount);
        snprintf(columns, sizeof columns, " %8s%20s%13s%11s\n", size, date, clock,
                 icount);
        put_padded(info, info_shown(snapshot->id), 9);
        output_string(&info->output, " ");
        put_padded(info, info_shown(snapshot->name), 16);
        output_string(&info->output, columns);
}

/* ---- what follows them --------------------------------------------------------------
 */

static void middle(struct info *info)
{
        if (info->stage != INFO_DATA_NOTHING)
                return;
        output_string(&info->output, "Format specific information:\n");
        tree_start(&info->tree, info->terminal ? &terminal_style : &human_style,
                   &info->output);
        info_data_begin(info);
}

static void bitmap(struct info *info, const struct info_bitmap *bitmap)
{
        middle(info);
        info_data_bitmap(info, bitmap);
}

static void damage(struct info *info, const struct info_damage *damage)
{
        middle(info);
        info_data_damage(info, damage);
}

/* In the words of check, and with the path: it is what the user needs next. */
static void pending(struct info *info, const struct recovery_item *item)
{
        static struct text line;
        const char *words = journal_item_line(item->state);
        struct message_values values = {0};

        text_start(&line);
        text_string(&line, "instar pending: ");
        if (words) {
                text_string(&line, words);
                text_string(&line, ": ");
                text_escaped(&line, item->path);
        } else {
                enum message message = message_of_recovery(item, &values);

                message_append_text(&line, message, &values);
        }
        text_string(&line, "\n");
        output_bytes(&info->output, line.bytes, line.length);
}

static void tail(struct info *info)
{
        const struct recovery *journals = info->journals;

        middle(info);
        info_data_end(info);
        for (unsigned int i = 0; journals && i < journals->count; i++)
                if (info_is_pending(&journals->items[i]))
                        pending(info, &journals->items[i]);
}

const struct info_view info_view_human = {
    .head = head,
    .snapshot = snapshot,
    .bitmap = bitmap,
    .damage = damage,
    .tail = tail,
};
