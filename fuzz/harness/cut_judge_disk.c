/* SPDX-License-Identifier: MIT */
/* A resize has two disks, of which a reader may see either. */
#include "fuzz/harness/cut_run.h"

static void complain_at(const struct cut_run *run, uint64_t cluster)
{
        if (cluster != UINT64_MAX)
                cut_complain(run, "cluster %llu of the disk reads otherwise",
                             (unsigned long long)cluster);
}

/* Read once in a step. */
static struct disk *disk_of(struct disk *disk, const struct native_image *image)
{
        if (!disk->clusters)
                disk_read(image, disk);
        return disk;
}

/* Whole, the new disk has what the old one had, as far as both go. */
void cut_judge_new_disk(struct cut_run *run)
{
        struct disk old = *disk_of(&run->old_disk, &run->before);
        const struct disk *new = disk_of(&run->new_disk, run->image);
        if (old.count > new->count)
                old.count = new->count;
        complain_at(run, disk_difference(&old, new));
}

/* In between, it is the one or the other. */
void cut_judge_disk(struct cut_run *run, const struct native_image *image, bool is_old)
{
        const struct disk *expected = is_old ? disk_of(&run->old_disk, &run->before)
                                             : disk_of(&run->new_disk, run->image);
        struct disk disk;
        disk_read(image, &disk);
        complain_at(run, disk_difference(expected, &disk));
        complain_at(run, disk_difference(&disk, expected));
        disk_free(&disk);
}
