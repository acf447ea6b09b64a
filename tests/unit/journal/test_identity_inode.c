/* SPDX-License-Identifier: MIT */
/*
 * A file's identity on file systems that are not at hand: the C library's functions that
 * ask them answer here.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "journal/bytes.h"
#include "journal/format.h"
#include "journal/identity.h"
#include "scratch.h"

static struct file_system {
        long type;              /* or 0: what it is */
        int type_error;         /* errno, or 0 */
        int handle_error;       /* errno, or 0 */
        unsigned handle_length; /* of a handle, or 0: what it gives */
        int statx_error;        /* errno, or 0 */
        bool without_birth;
} file_system;

static struct scratch scratch;
static int file;

/* ---- the C library's functions ------------------------------------------------------
 */

int fstatfs(int fd, struct statfs *status)
{
        errno = file_system.type_error;
        if (errno || syscall(SYS_fstatfs, fd, status) != 0)
                return -1;
        if (file_system.type)
                status->f_type = file_system.type;
        return 0;
}

int name_to_handle_at(int fd, const char *name, struct file_handle *handle, int *mount_id,
                      int flags)
{
        errno = file_system.handle_error;
        if (errno)
                return -1;
        if (!file_system.handle_length)
                return (int)syscall(SYS_name_to_handle_at, fd, name, handle, mount_id,
                                    flags);
        assert_in_range(file_system.handle_length, 1, handle->handle_bytes);
        handle->handle_bytes = file_system.handle_length;
        handle->handle_type = 0x81;
        memset(handle->f_handle, 0x5a, handle->handle_bytes);
        return 0;
}

int statx(int fd, const char *restrict path, int flags, unsigned int mask,
          struct statx *restrict status)
{
        errno = file_system.statx_error;
        if (errno || syscall(SYS_statx, fd, path, flags, mask, status) != 0)
                return -1;
        status->stx_mask |= STATX_BTIME;
        status->stx_btime.tv_sec = 0x1122334455;
        status->stx_btime.tv_nsec = 0x77;
        if (file_system.without_birth)
                status->stx_mask &= ~STATX_BTIME;
        return 0;
}

/* -------------------------------------------------------------------------------------
 */

static int set_up(void **state)
{
        (void)state;
        file_system = (struct file_system){0};
        scratch_create(&scratch);
        file = scratch_file(&scratch, "disk", 512);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        close(file);
        scratch_remove(&scratch);
        return 0;
}

/* Inode, and birth time where there is one. */
static void expect_inode(uint64_t seconds, uint32_t nanoseconds)
{
        struct journal_identity identity;
        struct stat status;

        assert_int_equal(fstat(file, &status), 0);
        assert_int_equal(journal_identify(file, &identity), 0);
        assert_int_equal(identity.kind, JOURNAL_IDENTITY_INODE);
        assert_int_equal(identity.length, 20);
        assert_int_equal(load_le64(identity.bytes), status.st_ino);
        assert_int_equal(load_le64(identity.bytes + 8), seconds);
        assert_int_equal(load_le32(identity.bytes + 16), nanoseconds);
}

static void without_handles_inode_and_birth_time_serve(void **state)
{
        (void)state;
        file_system.handle_error = EOPNOTSUPP;
        expect_inode(0x1122334455, 0x77);
        file_system.without_birth = true;
        expect_inode(0, 0);
}

/* Its handles end with the mount. */
static void a_handle_of_fuse_is_not_trusted(void **state)
{
        (void)state;
        file_system.type = FUSE_SUPER_MAGIC;
        expect_inode(0x1122334455, 0x77);
}

static void the_longest_handle_is_taken_whole(void **state)
{
        struct journal_identity identity;
        (void)state;

        file_system.handle_length = MAX_HANDLE_SZ;
        assert_int_equal(journal_identify(file, &identity), 0);
        assert_int_equal(identity.kind, JOURNAL_IDENTITY_HANDLE);
        assert_int_equal(identity.length, 4 + MAX_HANDLE_SZ);
        assert_int_equal(load_le32(identity.bytes), 0x81);
        assert_int_equal(identity.bytes[4], 0x5a);
        assert_int_equal(identity.bytes[4 + MAX_HANDLE_SZ - 1], 0x5a);
        assert_int_equal(identity.bytes[4 + MAX_HANDLE_SZ], 0);
        file_system.handle_error = EOVERFLOW;
        expect_inode(0x1122334455, 0x77);
}

/* Another identity than yesterday's would hide yesterday's journal. */
static void what_fails_gives_no_other_identity(void **state)
{
        struct journal_identity identity;
        (void)state;

        file_system.handle_error = ENOMEM;
        assert_int_equal(journal_identify(file, &identity), -ENOMEM);
        file_system.handle_error = EOPNOTSUPP;
        file_system.statx_error = EIO;
        assert_int_equal(journal_identify(file, &identity), -EIO);
        file_system.type_error = ESTALE;
        assert_int_equal(journal_identify(file, &identity), -ESTALE);
        assert_int_equal(journal_identify(-1, &identity), -EBADF);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
            TEST(without_handles_inode_and_birth_time_serve),
            TEST(a_handle_of_fuse_is_not_trusted),
            TEST(the_longest_handle_is_taken_whole),
            TEST(what_fails_gives_no_other_identity),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
