/* SPDX-License-Identifier: MIT */
#include "in_child.h"

#include <grp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int in_child(int (*function)(void *context), void *context)
{
        int status;
        pid_t child = fork();

        if (child == 0)
                _exit(function(context));
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
                return -1;
        return WEXITSTATUS(status);
}

void become_nobody(void)
{
        if (geteuid() == 0 &&
            (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
             setresuid(NOBODY, NOBODY, NOBODY) != 0))
                _exit(101);
}
