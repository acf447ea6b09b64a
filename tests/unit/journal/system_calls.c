/* SPDX-License-Identifier: MIT */
#include "system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int (*system_calls_before)(void *context, const struct system_call_made *made);
void *system_calls_context;
size_t system_calls_short_write;

/* True where the call is to be made; else errno says why not. */
static int allowed(const struct system_call_made *made)
{
        int error =
            system_calls_before ? system_calls_before(system_calls_context, made) : 0;

        if (error)
                errno = error;
        return error == 0;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
        struct system_call_made made = {CALL_PWRITE, fd, NULL, bytes, length, offset};

        if (!allowed(&made))
                return -1;
        if (system_calls_short_write && system_calls_short_write < length) {
                length = system_calls_short_write;
                system_calls_short_write = 0;
        }
        return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

int fdatasync(int fd)
{
        struct system_call_made made = {.call = CALL_FDATASYNC, .fd = fd};

        return allowed(&made) ? (int)syscall(SYS_fdatasync, fd) : -1;
}

int fsync(int fd)
{
        struct system_call_made made = {.call = CALL_FSYNC, .fd = fd};

        return allowed(&made) ? (int)syscall(SYS_fsync, fd) : -1;
}

int openat(int directory_fd, const char *name, int flags, ...)
{
        struct system_call_made made = {
            .call = CALL_OPENAT, .fd = directory_fd, .name = name};
        mode_t mode = 0;
        va_list list;

        if (flags & O_CREAT) {
                va_start(list, flags);
                mode = va_arg(list, mode_t);
                va_end(list);
        }
        return allowed(&made) ? (int)syscall(SYS_openat, directory_fd, name, flags, mode)
                              : -1;
}

/* What fortified callers call instead, where the flags are not constant. */
int __openat_2(int directory_fd, const char *name, int flags);

int __openat_2(int directory_fd, const char *name, int flags)
{
        return openat(directory_fd, name, flags);
}

/* Locks only: the argument is a pointer. */
int fcntl(int fd, int command, ...)
{
        struct system_call_made made = {.call = CALL_FCNTL, .fd = fd};
        void *argument;
        va_list list;

        va_start(list, command);
        argument = va_arg(list, void *);
        va_end(list);
        return allowed(&made) ? (int)syscall(SYS_fcntl, fd, command, argument) : -1;
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset)
{
        struct system_call_made made = {CALL_PREAD, fd, NULL, NULL, length, offset};

        return allowed(&made) ? syscall(SYS_pread64, fd, bytes, length, offset) : -1;
}

/* What fortified callers call instead, where the size is not known. */
ssize_t __pread_chk(int fd, void *bytes, size_t length, off_t offset, size_t size);

ssize_t __pread_chk(int fd, void *bytes, size_t length, off_t offset, size_t size)
{
        (void)size;
        return pread(fd, bytes, length, offset);
}

int unlinkat(int directory_fd, const char *name, int flags)
{
        struct system_call_made made = {
            .call = CALL_UNLINKAT, .fd = directory_fd, .name = name};

        return allowed(&made) ? (int)syscall(SYS_unlinkat, directory_fd, name, flags)
                              : -1;
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to,
              unsigned int flags)
{
        struct system_call_made made = {
            .call = CALL_RENAMEAT2, .fd = from_fd, .name = from};

        return allowed(&made)
                   ? (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags)
                   : -1;
}
