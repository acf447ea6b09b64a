/* SPDX-License-Identifier: MIT */
/*
 * Which file this is, in words that hold over a reboot, a re-mount and a rename.
 *
 * A file handle holds inode and generation, so a new file in a reused inode is told
 * from the old one.  st_dev is left out on purpose: it is given out anew at each
 * boot.  FUSE gives handles that end with the mount, so there, as where no handle is
 * to be had, inode and birth time serve.
 */
#include "journal/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <xxhash.h>

#include "journal/bytes.h"
#include "journal/format.h"
#include "journal/hex.h"

_Static_assert(4 + MAX_HANDLE_SZ <= JOURNAL_IDENTITY_MAX, "the longest handle has room");

/* 0: done, 1: there is no handle that lasts, or a negative errno. */
static int identify_by_handle(int fd, struct journal_identity *identity)
{
        union {
                struct file_handle handle;
                uint8_t room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
        } u = {.handle.handle_bytes = MAX_HANDLE_SZ};
        struct statfs file_system;
        int mount_id;

        if (fstatfs(fd, &file_system) != 0)
                return -errno;
        if (file_system.f_type == FUSE_SUPER_MAGIC)
                return 1;
        if (name_to_handle_at(fd, "", &u.handle, &mount_id, AT_EMPTY_PATH) != 0)
                return errno == ENOMEM ? -ENOMEM : 1;
        identity->kind = JOURNAL_IDENTITY_HANDLE;
        identity->length = 4 + u.handle.handle_bytes;
        store_le32(identity->bytes, (uint32_t)u.handle.handle_type);
        memcpy(identity->bytes + 4, u.handle.f_handle, u.handle.handle_bytes);
        return 0;
}

static int identify_by_inode(int fd, struct journal_identity *identity)
{
        struct statx status;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0)
                return -errno;
        identity->kind = JOURNAL_IDENTITY_INODE;
        identity->length = 20;
        store_le64(identity->bytes, status.stx_ino);
        if (status.stx_mask & STATX_BTIME) {
                store_le64(identity->bytes + 8, (uint64_t)status.stx_btime.tv_sec);
                store_le32(identity->bytes + 16, status.stx_btime.tv_nsec);
        }
        return 0;
}

int identity_of_inode(int fd, struct journal_identity *identity)
{
        int status;

        memset(identity, 0, sizeof *identity);
        status = identify_by_handle(fd, identity);
        return status == 1 ? identify_by_inode(fd, identity) : status;
}

int journal_identify(int image_fd, struct journal_identity *identity)
{
        struct stat status;

        if (fstat(image_fd, &status) != 0)
                return -errno;
        if (S_ISBLK(status.st_mode))
                return identity_of_device(image_fd, status.st_rdev, identity);
        return identity_of_inode(image_fd, identity);
}

bool journal_identity_equal(const struct journal_identity *a,
                            const struct journal_identity *b)
{
        return a->kind == b->kind && a->length == b->length &&
               a->length <= JOURNAL_IDENTITY_MAX &&
               memcmp(a->bytes, b->bytes, a->length) == 0;
}

void identity_digest(const struct journal_identity *identity,
                     char text[IDENTITY_DIGEST_SIZE])
{
        uint8_t bytes[8 + JOURNAL_IDENTITY_MAX];
        XXH128_canonical_t digest;

        store_le32(bytes, identity->kind);
        store_le32(bytes + 4, identity->length);
        memcpy(bytes + 8, identity->bytes, JOURNAL_IDENTITY_MAX);
        XXH128_canonicalFromHash(&digest, XXH3_128bits(bytes, sizeof bytes));
        hex_text(digest.digest, sizeof digest.digest, text);
}
