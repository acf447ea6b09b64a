/* SPDX-License-Identifier: MIT */
#include "host/cli/sandbox_option.h"

#include <stdlib.h>
#include <string.h>

#include "host/vmm/vm_kind.h"

static bool find_kind(const char *word, enum vm_kind *kind)
{
        static const char *const words[] = {
            [VM_KIND_KVM] = "kvm",
            [VM_KIND_PROCESS] = "process",
        };

        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
                if (strcmp(word, words[i]) == 0) {
                        *kind = (enum vm_kind)i;
                        return true;
                }
        }
        return false;
}

bool sandbox_option_take(const char *argument, struct common_options *options,
                         struct option_error *error)
{
        enum vm_kind kind;

        if (!find_kind(argument, &kind))
                return option_reject(error, MESSAGE_SANDBOX_OPTION, argument);
        options->sandbox = argument;
        return true;
}

/* An empty variable is one that is not set. */
enum parse_result sandbox_option_choose(const struct common_options *options,
                                        struct option_error *error)
{
        const char *variable = getenv("INSTAR_SANDBOX");
        const char *word = options->sandbox ? options->sandbox : variable;
        enum vm_kind kind = VM_KIND_KVM;

        if (word && *word && !find_kind(word, &kind)) {
                option_reject(error, MESSAGE_SANDBOX_VARIABLE, word);
                return PARSE_REJECTED;
        }
        vm_choose_kind(kind);
        return PARSE_RUN;
}
