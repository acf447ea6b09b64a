/* SPDX-License-Identifier: MIT */
#include "host/cli/debug.h"

#include <stdlib.h>
#include <string.h>

/* What the guest asked for last: numbers of guest/abi.h. */
static void append_last_request(struct text *err, const struct abi_request *request)
{
        if (!request->op)
                return;
        text_string(err, "debug: last request: op ");
        text_number(err, request->op);
        text_string(err, ", step ");
        text_number(err, request->step);
        text_string(err, ", flags ");
        text_number(err, request->flags);
        text_string(err, ", offset ");
        text_hex(err, request->offset);
        text_string(err, ", length ");
        text_hex(err, request->length);
        text_string(err, ", address ");
        text_hex(err, request->addr);
        text_string(err, "\n");
}

void debug_append(struct text *err, enum edit_outcome outcome, uint32_t code,
                  const struct run_trace *trace)
{
        const struct vm_diagnosis *diagnosis = &trace->diagnosis;

        text_string(err, "debug: outcome ");
        text_number(err, outcome);
        text_string(err, ", result code ");
        text_number(err, code);
        text_string(err, ", doorbells ");
        text_number(err, trace->doorbells);
        text_string(err, ", vm exit reason ");
        text_number(err, diagnosis->exit_reason);
        if (diagnosis->registers_valid) {
                text_string(err, ", rip ");
                text_hex(err, diagnosis->rip);
                text_string(err, ", cr2 ");
                text_hex(err, diagnosis->cr2);
        }
        text_string(err, "\n");
        append_last_request(err, &trace->last_request);
        if (!trace->fault[0])
                return;
        text_string(err, "debug: fault: ");
        text_escaped(err, trace->fault);
        text_string(err, "\n");
}

bool debug_wanted(void)
{
        const char *variable = getenv("INSTAR_DEBUG");

        return variable && strcmp(variable, "1") == 0;
}
