/* SPDX-License-Identifier: MIT */
#include "fuzz/harness/tmpfs_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARENT "/dev/shm"
#define PREFIX "instar-fuzz-"

static char own[TMPFS_DIRECTORY_MAX];

/* Names of files only: that is all a harness makes. */
static void remove_directory(const char *path)
{
        struct dirent *entry;
        DIR *directory = opendir(path);
        while (directory && (entry = readdir(directory)))
                if (entry->d_name[0] != '.')
                        (void)unlinkat(dirfd(directory), entry->d_name, 0);
        if (directory)
                closedir(directory);
        (void)rmdir(path);
}

static void remove_own(void)
{
        remove_directory(own);
}

/* Whose directory it is; 0 where it is none of these. */
static pid_t owner(const char *name)
{
        char again[sizeof PREFIX + 3 * sizeof(int)];
        if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
                return 0;
        int process = atoi(name + strlen(PREFIX));
        snprintf(again, sizeof again, "%s%d", PREFIX, process);
        return process > 0 && !strcmp(again, name) ? process : 0;
}

/* A fuzzer ends by SIGKILL. */
static void remove_left(void)
{
        char path[sizeof PARENT + sizeof((struct dirent *)0)->d_name];
        struct dirent *entry;
        DIR *parent = opendir(PARENT);
        while (parent && (entry = readdir(parent))) {
                pid_t process = owner(entry->d_name);
                snprintf(path, sizeof path, "%s/%s", PARENT, entry->d_name);
                if (process && kill(process, 0) && errno == ESRCH)
                        remove_directory(path);
        }
        if (parent)
                closedir(parent);
}

void tmpfs_directory_make(struct tmpfs_directory *directory)
{
        remove_left();
        snprintf(own, sizeof own, "%s/%s%d", PARENT, PREFIX, (int)getpid());
        remove_directory(own);
        strcpy(directory->path, own);
        directory->fd = -1;
        if (!mkdir(own, 0700))
                directory->fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory->fd < 0) {
                perror(own);
                abort();
        }
        atexit(remove_own);
}
