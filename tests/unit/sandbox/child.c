/* SPDX-License-Identifier: MIT */
#include "tests/unit/sandbox/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int child_run(child_function *function, void *argument)
{
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
                _exit(function(argument));
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                return -1;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int child_directory(char path[64])
{
        strcpy(path, "/tmp/instar-sandbox-XXXXXX");
        return mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

void child_remove_directory(const char *path)
{
        DIR *directory = opendir(path);
        struct dirent *entry;

        while (directory && (entry = readdir(directory)))
                if (entry->d_name[0] != '.')
                        unlinkat(dirfd(directory), entry->d_name, 0);
        if (directory)
                closedir(directory);
        rmdir(path);
}
