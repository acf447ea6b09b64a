/* SPDX-License-Identifier: MIT */
/*
 * Landlock, as much as the running kernel has: everything that its ABI can restrict is
 * restricted, and one rule gives the journal's directory back.  Descriptors that are
 * open already are not affected.
 *
 * The numbers are the kernel's (Documentation/userspace-api/landlock.rst); the build
 * machine's headers may be older than the kernel that runs.
 */
#include "host/sandbox/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SYS_LANDLOCK_CREATE_RULESET 444
#define SYS_LANDLOCK_ADD_RULE       445
#define SYS_LANDLOCK_RESTRICT_SELF  446

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1

#define FS_EXECUTE     (1ull << 0)
#define FS_WRITE_FILE  (1ull << 1)
#define FS_READ_FILE   (1ull << 2)
#define FS_REMOVE_DIR  (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_CHAR   (1ull << 6)
#define FS_MAKE_REG    (1ull << 8)
#define FS_MAKE_SOCK   (1ull << 9)
#define FS_MAKE_FIFO   (1ull << 10)
#define FS_MAKE_BLOCK  (1ull << 11)
#define FS_MAKE_SYM    (1ull << 12)

#define FS_ALL_OF_ABI_1 ((1ull << 13) - 1)
#define FS_REFER        (1ull << 13) /* ABI 2 */
#define FS_TRUNCATE     (1ull << 14) /* ABI 3 */
#define FS_IOCTL_DEV    (1ull << 15) /* ABI 5 */
#define NET_TCP         3ull         /* ABI 4: bind, connect */
#define SCOPE_ALL       3ull         /* ABI 6: abstract sockets, signals */

/* A kernel takes a longer one than it knows if the rest is zero. */
struct ruleset_attributes {
        uint64_t handled_access_fs;
        uint64_t handled_access_net;
        uint64_t scoped;
};

struct path_beneath {
        uint64_t allowed_access;
        int32_t parent_fd;
} __attribute__((packed));

int landlock_abi(void)
{
        long version =
            syscall(SYS_LANDLOCK_CREATE_RULESET, NULL, (size_t)0, CREATE_RULESET_VERSION);

        return version > 0 ? (int)version : 0;
}

static struct ruleset_attributes everything_of(int abi)
{
        struct ruleset_attributes all = {.handled_access_fs = FS_ALL_OF_ABI_1};

        if (abi >= 2)
                all.handled_access_fs |= FS_REFER;
        if (abi >= 3)
                all.handled_access_fs |= FS_TRUNCATE;
        if (abi >= 4)
                all.handled_access_net = NET_TCP;
        if (abi >= 5)
                all.handled_access_fs |= FS_IOCTL_DEV;
        if (abi >= 6)
                all.scoped = SCOPE_ALL;
        return all;
}

static int allow_journal(int ruleset, int directory_fd)
{
        const struct path_beneath rule = {
            .allowed_access = FS_READ_FILE | FS_WRITE_FILE | FS_MAKE_REG | FS_REMOVE_FILE,
            .parent_fd = directory_fd,
        };

        if (directory_fd < 0)
                return 0;
        return syscall(SYS_LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0)
                   ? -errno
                   : 0;
}

#ifdef INSTAR_SANITIZE

/* The names and lines for the report of a fault are in the program's own file. */
static int allow_program(int ruleset)
{
        const struct path_beneath rule = {
            .allowed_access = FS_READ_FILE,
            .parent_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC),
        };
        int error = 0;

        if (rule.parent_fd < 0)
                return -errno;
        if (syscall(SYS_LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0))
                error = -errno;
        close(rule.parent_fd);
        return error;
}

#else

static int allow_program(int ruleset)
{
        (void)ruleset;
        return 0;
}

#endif

/* One rule: `directory_fd` is the journal's, or -1 for none. */
static int restrict_to(const struct ruleset_attributes *attributes, int directory_fd)
{
        int ruleset =
            (int)syscall(SYS_LANDLOCK_CREATE_RULESET, attributes, sizeof *attributes, 0);
        int error;

        if (ruleset < 0)
                return -errno;
        error = allow_journal(ruleset, directory_fd);
        if (!error && attributes->handled_access_fs & FS_READ_FILE)
                error = allow_program(ruleset);
        if (!error && syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0))
                error = -errno;
        close(ruleset);
        return error;
}

int landlock_restrict(int directory_fd)
{
        int abi = landlock_abi();
        const struct ruleset_attributes all = everything_of(abi);

        return abi ? restrict_to(&all, directory_fd) : 0;
}

int landlock_restrict_first(void)
{
        int abi = landlock_abi();
        struct ruleset_attributes some = everything_of(abi);

        some.handled_access_fs = FS_EXECUTE | FS_REMOVE_DIR | FS_MAKE_CHAR |
                                 FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_BLOCK |
                                 FS_MAKE_SYM;
        return abi ? restrict_to(&some, -1) : 0;
}
