/* SPDX-License-Identifier: MIT */
/*
 * The identity of a block device: its size, and the first of these that is known
 *
 *     loop:     identity of the backing file, and the offset in it
 *     dm:       the UUID that LVM, cryptsetup or multipath gave it
 *     md:       the array's UUID
 *     part:     partition number and start, and the whole disk's identity
 *     wwid:     sysfs wwid (NVMe, SCSI)
 *     serial:   sysfs serial (virtio, NVMe)
 *     by-id:    the first of udev's /dev/disk/by-id names for it
 *     name:     the kernel's name, where nothing else is known
 *
 * Major and minor number only serve to find the entry in sysfs.
 */
#include "journal/identity.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "journal/bytes.h"
#include "journal/format.h"

#define BY_ID_DIRECTORY "/dev/disk/by-id"

/* Read an attribute of sysfs: 0 and its text without white space at the ends, or
 * -ENOENT where it is missing or empty. */
static int read_attribute(int sysfs, const char *name, char *text, size_t size)
{
        int fd = openat(sysfs, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ssize_t length;
        size_t start;

        if (fd < 0)
                return -ENOENT;
        length = read(fd, text, size - 1);
        close(fd);
        if (length <= 0)
                return -ENOENT;
        text[length] = '\0';
        while (length > 0 && strchr(" \n\t", text[length - 1]))
                text[--length] = '\0';
        start = strspn(text, " \n\t");
        memmove(text, text + start, (size_t)length - start + 1);
        return *text ? 0 : -ENOENT;
}

/* One of the identifiers that sysfs has in one attribute. */
static int attribute_identity(int sysfs, char *text, size_t size)
{
        static const struct {
                const char *prefix;
                const char *attribute;
        } known[] = {
            {"dm", "dm/uuid"},       {"md", "md/uuid"},    {"wwid", "wwid"},
            {"wwid", "device/wwid"}, {"serial", "serial"}, {"serial", "device/serial"},
        };
        char value[128];

        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
                if (read_attribute(sysfs, known[i].attribute, value, sizeof value) != 0)
                        continue;
                snprintf(text, size, "%s:%s", known[i].prefix, value);
                return 0;
        }
        return -ENOENT;
}

static int loop_identity(int sysfs, char *text, size_t size)
{
        struct journal_identity backing;
        char path[4096];
        char offset[32];
        char digest[IDENTITY_DIGEST_SIZE];
        int error;
        int fd;

        error = read_attribute(sysfs, "loop/backing_file", path, sizeof path);
        if (!error)
                error = read_attribute(sysfs, "loop/offset", offset, sizeof offset);
        if (error)
                return error;
        fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return -ENOENT;
        error = identity_of_inode(fd, &backing);
        close(fd);
        if (error)
                return error;
        identity_digest(&backing, digest);
        snprintf(text, size, "loop:%s:%s", digest, offset);
        return 0;
}

/* udev's links for this device; the first in the alphabet, so that the answer does
 * not depend on the order of the directory. */
static int by_id_identity(dev_t device, char *text, size_t size)
{
        DIR *directory = opendir(BY_ID_DIRECTORY);
        struct dirent *entry;
        char best[256] = "";

        if (!directory)
                return -ENOENT;
        while ((entry = readdir(directory))) {
                struct stat status;

                if (fstatat(dirfd(directory), entry->d_name, &status, 0) != 0 ||
                    !S_ISBLK(status.st_mode) || status.st_rdev != device)
                        continue;
                if (!*best || strcmp(entry->d_name, best) < 0)
                        snprintf(best, sizeof best, "%s", entry->d_name);
        }
        closedir(directory);
        if (!*best)
                return -ENOENT;
        snprintf(text, size, "by-id:%s", best);
        return 0;
}

/* The kernel's name, from "DEVNAME=vda1" in uevent. */
static int name_identity(int sysfs, char *text, size_t size)
{
        char uevent[1024];
        char *name;
        int error = read_attribute(sysfs, "uevent", uevent, sizeof uevent);

        if (error)
                return error;
        name = strstr(uevent, "DEVNAME=");
        if (!name)
                return -ENOENT;
        name += strlen("DEVNAME=");
        name[strcspn(name, "\n")] = '\0';
        snprintf(text, size, "name:%s", name);
        return 0;
}

static int whole_disk_identity(int sysfs, dev_t device, char *text, size_t size)
{
        int error = loop_identity(sysfs, text, size);

        if (error)
                error = attribute_identity(sysfs, text, size);
        if (error)
                error = by_id_identity(device, text, size);
        if (error)
                error = name_identity(sysfs, text, size);
        return error;
}

static int partition_identity(int sysfs, dev_t device, char *text, size_t size)
{
        char number[32];
        char start[32];
        char disk_numbers[32];
        char disk[256];
        unsigned int disk_major = major(device);
        unsigned int disk_minor = minor(device);
        int parent;
        int error;

        error = read_attribute(sysfs, "partition", number, sizeof number);
        if (!error)
                error = read_attribute(sysfs, "start", start, sizeof start);
        if (error)
                return error;
        parent = openat(sysfs, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0)
                return -errno;
        if (read_attribute(parent, "dev", disk_numbers, sizeof disk_numbers) == 0)
                sscanf(disk_numbers, "%u:%u", &disk_major, &disk_minor);
        error = whole_disk_identity(parent, makedev(disk_major, disk_minor), disk,
                                    sizeof disk);
        close(parent);
        if (!error)
                snprintf(text, size, "part:%s:%s:%s", number, start, disk);
        return error;
}

/* A text that is too long for its field is replaced by its hash. */
static void store_text(struct journal_identity *identity, const char *text)
{
        size_t length = strlen(text);
        char hash[32];

        if (length > JOURNAL_IDENTITY_MAX - 8) {
                snprintf(hash, sizeof hash, "hash:%016llx",
                         (unsigned long long)journal_hash(text, length));
                text = hash;
                length = strlen(text);
        }
        memcpy(identity->bytes + 8, text, length);
        identity->length = (uint32_t)(8 + length);
}

int identity_of_device(int fd, dev_t device, struct journal_identity *identity)
{
        char path[64];
        char text[512];
        uint64_t size;
        int sysfs;
        int error;

        if (ioctl(fd, BLKGETSIZE64, &size) != 0)
                return -errno;
        snprintf(path, sizeof path, "/sys/dev/block/%u:%u", major(device), minor(device));
        sysfs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (sysfs < 0)
                return -errno;
        error = partition_identity(sysfs, device, text, sizeof text);
        if (error)
                error = whole_disk_identity(sysfs, device, text, sizeof text);
        close(sysfs);
        if (error)
                return error;
        memset(identity, 0, sizeof *identity);
        identity->kind = JOURNAL_IDENTITY_DEVICE;
        store_le64(identity->bytes, size);
        store_text(identity, text);
        return 0;
}
