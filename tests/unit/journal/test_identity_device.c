/* SPDX-License-Identifier: MIT */
/*
 * What a block device is known by, on machines that are not at hand: its size, sysfs and
 * udev's links are made here, and the C library's functions that read them lead there.
 */
#include "cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "journal/bytes.h"
#include "journal/format.h"
#include "journal/identity.h"
#include "scratch.h"

#define DISK      16u /* the minor number; major: 8 */
#define OTHER     32u
#define DISK_SIZE (5ull << 30)

struct link {
        const char *name; /* in udev's directory */
        mode_t kind;
        unsigned int minor;
};

static struct machine {
        struct scratch scratch;
        const char *entry;        /* below scratch: what /sys/dev/block/8:16 is */
        int size_error;           /* errno of the question for the size, or 0 */
        const struct link *links; /* up to one without a name; NULL: there is no udev */
} machine;

/* ---- the C library's functions ------------------------------------------------------
 */

int open(const char *path, int flags, ...)
{
        mode_t mode = 0;
        va_list list;

        va_start(list, flags);
        if (flags & O_CREAT)
                mode = va_arg(list, mode_t);
        va_end(list);
        if (strcmp(path, "/sys/dev/block/8:16") == 0) {
                if (!machine.entry) {
                        errno = ENOENT;
                        return -1;
                }
                path = scratch_path(&machine.scratch, machine.entry);
        }
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
        void *argument;
        va_list list;

        va_start(list, request);
        argument = va_arg(list, void *);
        va_end(list);
        if (request != BLKGETSIZE64)
                return (int)syscall(SYS_ioctl, fd, request, argument);
        errno = machine.size_error;
        memcpy(argument, &(uint64_t){DISK_SIZE}, sizeof(uint64_t));
        return machine.size_error ? -1 : 0;
}

DIR *opendir(const char *path)
{
        int fd;

        if (strcmp(path, "/dev/disk/by-id") != 0 || !machine.links) {
                errno = ENOENT;
                return NULL;
        }
        fd = open(scratch_path(&machine.scratch, "by-id"), O_RDONLY | O_DIRECTORY);
        return fd < 0 ? NULL : fdopendir(fd);
}

int fstatat(int directory, const char *restrict name, struct stat *restrict status,
            int flags)
{
        for (const struct link *link = machine.links; link && link->name; link++)
                if (strcmp(link->name, name) == 0) {
                        memset(status, 0, sizeof *status);
                        status->st_mode = link->kind | 0600;
                        status->st_rdev = makedev(8, link->minor);
                        return 0;
                }
        return (int)syscall(SYS_newfstatat, directory, name, status, flags);
}

/* ---- the machine --------------------------------------------------------------------
 */

static int set_up(void **state)
{
        (void)state;
        memset(&machine, 0, sizeof machine);
        scratch_create(&machine.scratch);
        machine.entry = "sdb";
        return mkdir(scratch_path(&machine.scratch, "sdb"), 0700);
}

static int tear_down(void **state)
{
        (void)state;
        machine.links = NULL;
        scratch_remove(&machine.scratch);
        return 0;
}

/* A file of sysfs, with the directories that lead to it. */
static void attribute(const char *name, const char *text)
{
        char path[8192];
        int fd;

        snprintf(path, sizeof path, "%s", scratch_path(&machine.scratch, name));
        for (char *slash = path + strlen(machine.scratch.path) + 1;
             (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
                *slash = '/';
        }
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void udev_has(const struct link *links)
{
        char path[64];

        for (const struct link *link = links; link->name; link++) {
                snprintf(path, sizeof path, "by-id/%s", link->name);
                attribute(path, "");
        }
        machine.links = links;
}

/* Behind the size. */
static void expect_text(const char *text)
{
        struct journal_identity identity;

        assert_int_equal(identity_of_device(0, makedev(8, DISK), &identity), 0);
        assert_int_equal(identity.kind, JOURNAL_IDENTITY_DEVICE);
        assert_int_equal(load_le64(identity.bytes), DISK_SIZE);
        assert_int_equal(identity.length, 8 + strlen(text));
        assert_memory_equal(identity.bytes + 8, text, strlen(text));
        for (size_t i = identity.length; i < JOURNAL_IDENTITY_MAX; i++)
                assert_int_equal(identity.bytes[i], 0);
}

/* ---- tests --------------------------------------------------------------------------
 */

/* What outlives more comes first: each attribute beats those that were there before. */
static void the_identifier_that_lasts_longest_is_taken(void **state)
{
        static const struct link links[] = {{"scsi-3600", S_IFBLK, DISK}, {0}};
        (void)state;

        attribute("sdb/uevent", "MAJOR=8\nMINOR=16\nDEVNAME=sdb\nDEVTYPE=disk\n");
        expect_text("name:sdb");
        udev_has(links);
        expect_text("by-id:scsi-3600");
        attribute("sdb/device/serial", "far\n");
        expect_text("serial:far");
        attribute("sdb/serial", "S/N 1\n");
        expect_text("serial:S/N 1");
        attribute("sdb/device/wwid", "t10.ATA\n");
        expect_text("wwid:t10.ATA");
        attribute("sdb/wwid", "eui.0025\n");
        expect_text("wwid:eui.0025");
        attribute("sdb/md/uuid", "1-2-3\n");
        expect_text("md:1-2-3");
        attribute("sdb/dm/uuid", "LVM-abc\n");
        expect_text("dm:LVM-abc");
}

static void white_space_around_an_attribute_is_not_part_of_it(void **state)
{
        (void)state;
        attribute("sdb/uevent", "DEVNAME=sdb\n");
        attribute("sdb/wwid", " \t\n");
        expect_text("name:sdb");
        attribute("sdb/wwid", "");
        expect_text("name:sdb");
        attribute("sdb/wwid", "\t naa.5000 c50 \n\n");
        expect_text("wwid:naa.5000 c50");
}

static void
of_udevs_links_the_first_in_the_alphabet_that_is_the_device_counts(void **state)
{
        static const struct link links[] = {
            {"ata-second", S_IFBLK, DISK}, {"ata-first", S_IFBLK, DISK},
            {"ata-z", S_IFBLK, DISK},      {"a-other-disk", S_IFBLK, OTHER},
            {"a-tty", S_IFCHR, DISK},      {0},
        };
        static const struct link others[] = {{"b-other-disk", S_IFBLK, OTHER}, {0}};
        (void)state;

        attribute("sdb/uevent", "DEVNAME=sdb\n");
        udev_has(links);
        expect_text("by-id:ata-first");
        machine.links = others;
        udev_has(others);
        for (const struct link *link = links; link->name; link++) {
                char path[64];

                snprintf(path, sizeof path, "by-id/%s", link->name);
                assert_int_equal(unlink(scratch_path(&machine.scratch, path)), 0);
        }
        expect_text("name:sdb");
}

static void a_partition_is_its_place_on_a_disk_that_is_known(void **state)
{
        static const struct link links[] = {
            {"whole", S_IFBLK, OTHER}, {"part", S_IFBLK, DISK}, {0}};
        (void)state;

        machine.entry = "sdb/sdb1";
        attribute("sdb/uevent", "DEVNAME=sdb\n");
        attribute("sdb/sdb1/uevent", "DEVNAME=sdb1\n");
        expect_text("name:sdb1");
        attribute("sdb/sdb1/partition", "1\n");
        expect_text("name:sdb1"); /* no start: not told from another layout */
        attribute("sdb/sdb1/start", "2048\n");
        expect_text("part:1:2048:name:sdb");
        /* udev's link is asked for the whole disk's number, where sysfs tells it. */
        udev_has(links);
        attribute("sdb/dev", "8:32\n");
        expect_text("part:1:2048:by-id:whole");
        attribute("sdb/wwid", "eui.0025\n");
        expect_text("part:1:2048:wwid:eui.0025");
}

/* A loop device whose file is gone is no more than its name. */
static void a_loop_device_without_its_file_is_known_by_name(void **state)
{
        char digest[IDENTITY_DIGEST_SIZE];
        struct journal_identity backing;
        char expected[64];
        int fd = scratch_file(&machine.scratch, "backing", 512);
        (void)state;

        attribute("sdb/uevent", "DEVNAME=loop0\n");
        attribute("sdb/loop/offset", "1048576\n");
        expect_text("name:loop0");
        attribute("sdb/loop/backing_file", scratch_path(&machine.scratch, "gone"));
        expect_text("name:loop0");
        attribute("sdb/loop/backing_file", scratch_path(&machine.scratch, "backing"));
        assert_int_equal(identity_of_inode(fd, &backing), 0);
        identity_digest(&backing, digest);
        snprintf(expected, sizeof expected, "loop:%s:1048576", digest);
        expect_text(expected);
        assert_int_equal(unlink(scratch_path(&machine.scratch, "sdb/loop/offset")), 0);
        expect_text("name:loop0");
        close(fd);
}

static void an_identifier_that_is_too_long_is_told_by_its_hash(void **state)
{
        struct journal_identity one;
        struct journal_identity two;
        char name[241];
        char link[250];
        (void)state;

        memset(name, 'n', sizeof name);
        name[240] = '\0';
        snprintf(link, sizeof link, "DEVNAME=%s\n", name);
        attribute("sdb/uevent", link);
        assert_int_equal(identity_of_device(0, makedev(8, DISK), &one), 0);
        assert_int_equal(one.length, 8 + strlen("hash:") + 16);
        assert_memory_equal(one.bytes + 8, "hash:", 5);
        link[200] = 'm';
        attribute("sdb/uevent", link);
        assert_int_equal(identity_of_device(0, makedev(8, DISK), &two), 0);
        assert_false(journal_identity_equal(&one, &two));
        /* The longest that fits stays as it is. */
        name[JOURNAL_IDENTITY_MAX - 8 - strlen("name:")] = '\0';
        snprintf(link, sizeof link, "DEVNAME=%s\n", name);
        attribute("sdb/uevent", link);
        snprintf(link, sizeof link, "name:%s", name);
        expect_text(link);
}

static void what_nothing_is_known_of_has_no_identity(void **state)
{
        struct journal_identity identity;
        (void)state;

        assert_int_equal(identity_of_device(0, makedev(8, DISK), &identity), -ENOENT);
        attribute("sdb/uevent", "MAJOR=8\n");
        assert_int_equal(identity_of_device(0, makedev(8, DISK), &identity), -ENOENT);
        machine.entry = NULL;
        assert_int_equal(identity_of_device(0, makedev(8, DISK), &identity), -ENOENT);
        machine.size_error = ENOTTY;
        assert_int_equal(identity_of_device(0, makedev(8, DISK), &identity), -ENOTTY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(the_identifier_that_lasts_longest_is_taken),
            TEST(white_space_around_an_attribute_is_not_part_of_it),
            TEST(of_udevs_links_the_first_in_the_alphabet_that_is_the_device_counts),
            TEST(a_partition_is_its_place_on_a_disk_that_is_known),
            TEST(a_loop_device_without_its_file_is_known_by_name),
            TEST(an_identifier_that_is_too_long_is_told_by_its_hash),
            TEST(what_nothing_is_known_of_has_no_identity),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
