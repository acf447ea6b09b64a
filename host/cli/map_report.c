/* SPDX-License-Identifier: MIT */
#include "host/cli/map_report.h"

#include <errno.h>
#include <stdlib.h>

#include "host/cli/debug.h"
#include "host/cli/exit_code.h"

static const char command[] = "instar map";

static enum message finish(struct map_sink *sink, struct message_values *values)
{
        values->error = -map_sink_finish(sink);
        if (values->error == EBADMSG)
                return MESSAGE_PROTOCOL;
        return values->error ? MESSAGE_PRINT_FAILED : MESSAGE_NONE;
}

static enum message message_of(const struct inspect_report *report, struct map_sink *sink,
                               struct message_values *values)
{
        if (report->outcome != EDIT_GUEST_RESULT)
                return message_of_outcome(report->outcome, values->error);
        if (report->result.code != ABI_OK)
                return message_of_result(&report->result, values);
        return finish(sink, values);
}

int map_report(const struct look_options *options, const struct inspect_report *report,
               struct map_sink *sink, bool debug, struct text *err)
{
        struct message_values values = {
            .path = options->filename,
            .argument = options->bitmap,
            .error = abs(report->error),
        };
        enum message message = message_of(report, sink, &values);

        if (!message)
                return EXIT_DONE;
        message_append(err, command, message, &values);
        /* Where the output failed, the user knows. */
        if (sink->output.begun && message != MESSAGE_PRINT_FAILED)
                message_append(err, command, MESSAGE_MAP_INCOMPLETE, &values);
        if (debug)
                debug_append(err, report->outcome, report->result.code, &report->trace);
        return EXIT_REFUSED;
}
