/* SPDX-License-Identifier: MIT */
/*
 * Runs the real bitmap.bin over an image with a request that the command line would
 * refuse to make, and prints what `instar bitmap` would print.
 *
 *     guest_driver IMAGE [action=N]... [target=NAME] [target_length=N] [granularity=N]
 *                  [flags=N] [source=NAME]... [file_size=N] [header_fingerprint=bad]
 *
 * The image's magic is not looked at: that is the guest's to refuse here.  INSTAR_SANDBOX
 * says what the guest runs in, as it does for instar.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/bitmap_report.h"
#include "host/cli/sandbox_option.h"
#include "host/vmm/programs.h"

#define MEMORY_LIMIT (256ull << 20)

static void add_source(struct abi_call *call, const char *name)
{
        uint32_t index = call->source_count++;
        size_t used = index ? (size_t)(call->source_offset[index - 1] +
                                       call->source_length[index - 1])
                            : 0;
        size_t length = strlen(name);
        if (index >= ABI_MAX_MERGE_SOURCES || length > ABI_NAMES_POOL - used)
                abort();
        call->source_offset[index] = (uint16_t)used;
        call->source_length[index] = (uint16_t)length;
        memcpy(call->names + used, name, length);
}

static int set(struct abi_call *call, const char *key, const char *value)
{
        uint64_t number = strtoull(value, NULL, 0);
        if (!strcmp(key, "action") && call->action_count < ABI_MAX_ACTIONS)
                call->actions[call->action_count++] = (uint32_t)number;
        else if (!strcmp(key, "target")) {
                call->target_length = (uint32_t)strlen(value);
                memcpy(call->target, value, call->target_length & 1023);
        } else if (!strcmp(key, "target_length"))
                call->target_length = (uint32_t)number;
        else if (!strcmp(key, "granularity"))
                call->granularity = number;
        else if (!strcmp(key, "flags"))
                call->flags = (uint32_t)number;
        else if (!strcmp(key, "source"))
                add_source(call, value);
        else if (!strcmp(key, "file_size"))
                call->file_size = number;
        else if (!strcmp(key, "header_fingerprint"))
                call->header_fingerprint = 1;
        else
                return -1;
        return 0;
}

static int run(const char *path, const struct abi_call *call)
{
        struct bitmap_options options = {.filename = path};
        struct edit_report report;
        struct image image;
        struct text out;
        struct text err;
        int error = 0;
        if (image_open(path, &image, &error) || image_lock(&image, &error)) {
                fprintf(stderr, "guest_driver: %s: %s\n", path, strerror(error));
                return 2;
        }
        struct edit_request request = {
            .image = &image,
            .program = &guest_bitmap_program,
            .call = call,
            .asked = "guest_driver",
            .memory_limit = MEMORY_LIMIT,
        };
        text_start(&out);
        text_start(&err);
        edit_run(&request, &report);
        int exit_code = bitmap_report(&options, &report, false, &out, &err);
        text_write(&err, STDERR_FILENO);
        image_close(&image);
        return exit_code;
}

int main(int argc, char **argv)
{
        struct abi_call call = {0};
        for (int i = 2; i < argc; i++) {
                char *equals = strchr(argv[i], '=');
                if (!equals) {
                        fprintf(stderr, "guest_driver: %s: not key=value\n", argv[i]);
                        return 2;
                }
                *equals = '\0';
                if (set(&call, argv[i], equals + 1) < 0) {
                        fprintf(stderr, "guest_driver: %s: unknown key\n", argv[i]);
                        return 2;
                }
        }
        if (argc < 2) {
                fprintf(stderr, "usage: guest_driver IMAGE key=value...\n");
                return 2;
        }
        const struct common_options none = {.sandbox = NULL};
        struct option_error error;
        if (sandbox_option_choose(&none, &error) != PARSE_RUN) {
                fprintf(stderr, "guest_driver: INSTAR_SANDBOX=%s\n", error.argument);
                return 2;
        }
        return run(argv[1], &call);
}
