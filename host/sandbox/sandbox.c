/* SPDX-License-Identifier: MIT */
#include "host/sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "host/sandbox/layers.h"

static bool armed;
static bool armed_first;

bool sandbox_armed(void)
{
        return armed;
}

void sandbox_keep(struct sandbox_config *config, int fd)
{
        if (fd < 0)
                return;
        if (config->keep_count < SANDBOX_KEEP_MAX)
                config->keep[config->keep_count] = fd;
        config->keep_count++; /* one too many: sandbox_arm() refuses */
}

/* The filter comes last: it does not allow what the other layers need. */
int sandbox_arm(const struct sandbox_config *config)
{
        int error;

        sanitizers_prepare();
        error = descriptors_close_others(config);
        if (!error)
                error = limits_set(config->file_size_limit);
        if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
                error = -errno;
        if (!error)
                error = landlock_restrict(config->journal_directory_fd);
        if (!error)
                error = filter_install(config);
        armed = !error;
        return error;
}

int sandbox_arm_first(enum sandbox_table table)
{
        const struct sandbox_config config = {
            .table = table, .machine = -1, .journal_directory_fd = -1};
        int error = 0;

        if (armed || armed_first)
                return 0;
        sanitizers_prepare();
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
                error = -errno;
        if (!error)
                error = landlock_restrict_first();
        if (!error)
                error = filter_install(&config);
        armed_first = !error;
        return error;
}

#ifdef INSTAR_SANITIZE
static const char differences[] =
    "\nfor the sanitizers: calls for their reports, the program's file readable, "
    "stderr left to children, leaks looked for before";
#else
static const char differences[] = "";
#endif

void sandbox_describe(char *text, size_t size)
{
        int abi = landlock_abi();

        if (abi)
                snprintf(text, size, "sandbox: seccomp, Landlock (ABI %d), limits%s", abi,
                         differences);
        else
                snprintf(
                    text, size,
                    "sandbox: seccomp, limits (this kernel has no Landlock, or it is "
                    "not enabled)%s",
                    differences);
}
