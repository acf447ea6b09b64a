/* SPDX-License-Identifier: MIT */
#include "host/cli/journal_item.h"

#include <stdlib.h>
#include <string.h>

#include "host/cli/json.h"

/* One row a state: its name in JSON, and a line for people. */
static const struct {
        const char *name;
        const char *line; /* NULL: message_of_recovery() has the words */
} states[] = {
    [RECOVERY_UNDONE] = {"undone", "an interrupted edit was undone: the image is as it "
                                   "was before"},
    [RECOVERY_COMPLETE] = {"complete",
                           "an interrupted edit had been done: its journal was removed "
                           "(clusters that it replaced may be leaked)"},
    [RECOVERY_SUPERSEDED] = {"superseded",
                             "another program has written to the image since an edit of "
                             "it was interrupted; its state stands, and the journal was "
                             "removed"},
    [RECOVERY_REMOVED] = {"removed", "the journal of an edit that is over was removed"},
    [RECOVERY_SET_ASIDE] = {"set-aside", "another file's journal was renamed"},
    [RECOVERY_DISCARDED] = {"discarded",
                            "an undo journal was given up: the image stays as it is"},
    [RECOVERY_WOULD_UNDO] = {"pending-undo",
                             "an interrupted edit is pending: it would be undone"},
    [RECOVERY_WOULD_COMPLETE] =
        {"pending-complete", "an interrupted edit had been done: its journal would be "
                             "removed"},
    [RECOVERY_WOULD_SUPERSEDE] =
        {"pending-supersede", "another program has written to the image since an edit "
                              "of it was interrupted; the journal would be removed"},
    [RECOVERY_WOULD_REMOVE] = {"pending-remove",
                               "the journal of an edit that is over would be removed"},
    [RECOVERY_WOULD_SET_ASIDE] = {"pending-set-aside",
                                  "another file's journal would be renamed"},
    [RECOVERY_WOULD_DISCARD] = {"pending-discard", "an undo journal would be given up"},
    [RECOVERY_CONFLICT] = {"conflict", 0},
    [RECOVERY_UNTRUSTED] = {"untrusted", 0},
    [RECOVERY_DAMAGED] = {"damaged", 0},
    [RECOVERY_NEWER] = {"newer-format", 0},
    [RECOVERY_UNREADABLE] = {"unreadable", 0},
    [RECOVERY_BUSY] = {"busy", 0},
    [RECOVERY_FAILED] = {"failed", 0},
};

const char *journal_item_line(enum recovery_state state)
{
        return states[state].line;
}

/* A key without a value is left out. */
static void set(json_t *object, const char *key, json_t *value)
{
        if (value)
                json_object_set_new(object, key, value);
}

static const char *reason_of(const struct recovery_item *item)
{
        if (item->reason)
                return item->reason;
        return item->error ? strerrordesc_np(abs(item->error)) : NULL;
}

json_t *journal_item_json(const struct recovery_item *item)
{
        json_t *object = json_object();
        const char *reason = reason_of(item);

        set(object, "journal", json_plain(item->path));
        set(object, "state", json_string(states[item->state].name));
        set(object, "reason", reason ? json_string(reason) : NULL);
        set(object, "finding", item->finding ? json_string(item->finding) : NULL);
        set(object, "renamed-to", json_plain(item->new_path));
        if (!item->transaction[0])
                return object;
        set(object, "transaction", json_string(item->transaction));
        set(object, "asked", json_plain(item->asked));
        set(object, "begun", json_time(item->begun));
        set(object, "extents", json_integer((json_int_t)item->extents));
        set(object, "bytes", json_integer((json_int_t)item->bytes));
        set(object, "old-size", json_integer((json_int_t)item->old_size));
        set(object, "final-size", json_integer((json_int_t)item->final_size));
        return object;
}
