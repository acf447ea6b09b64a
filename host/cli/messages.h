/* SPDX-License-Identifier: MIT */
/*
 * Every message of the program: one table, one row a state.
 *
 * A row's text is the first line on stderr, behind the command's name; its hint, if it
 * has one, the second, behind "hint: ".  In both, {words in braces} stand for values.
 * docs/messages.md lists the same rows with cause and remedy; a unit test compares them.
 */
#ifndef INSTAR_HOST_CLI_MESSAGES_H
#define INSTAR_HOST_CLI_MESSAGES_H

#include <stdint.h>

#include "guest/abi.h"
#include "host/cli/text.h"
#include "host/image/image.h"
#include "host/vmm/edit.h"

enum message {
        MESSAGE_NONE = 0,

        /* the option parser's (exit 2) */
        MESSAGE_OPTION_UNKNOWN,
        MESSAGE_OPTION_AMBIGUOUS,
        MESSAGE_OPTION_NEEDS_ARGUMENT,
        MESSAGE_OPTION_TAKES_NO_ARGUMENT,
        MESSAGE_OUTPUT_FORMAT,
        MESSAGE_MEMORY_LIMIT,
        MESSAGE_JOURNAL_DIRECTORY,
        MESSAGE_SANDBOX_OPTION,
        MESSAGE_SANDBOX_VARIABLE,
        MESSAGE_MORE_PRIVILEGES,
        MESSAGE_NO_POSITIONALS,
        MESSAGE_NO_BITMAP_NAME,
        MESSAGE_EXTRA_POSITIONAL,
        MESSAGE_NO_FILENAME,
        MESSAGE_NO_BITMAP_OPTION,
        MESSAGE_NO_SIZE,
        MESSAGE_DISCARD_ALL,
        MESSAGE_DISCARD_SHARED,
        MESSAGE_REPAIR_KIND,
        MESSAGE_REPAIR_ALL,
        MESSAGE_REPAIR_SHARED,
        MESSAGE_RESET_WITHOUT_REPAIR,
        MESSAGE_RESET_ALONE,
        MESSAGE_JOURNAL_NO_VERB,
        MESSAGE_JOURNAL_UNKNOWN_VERB,
        MESSAGE_JOURNAL_NO_FILE,
        MESSAGE_NO_SUBCOMMAND,
        MESSAGE_UNKNOWN_SUBCOMMAND,

        /* the host's refusals, in the order in which they are made */
        MESSAGE_OBJECT,
        MESSAGE_IMAGE_OPTS,
        MESSAGE_CROSS_FILE,
        MESSAGE_NO_ACTION,
        MESSAGE_GRANULARITY_WITHOUT_ADD,
        MESSAGE_TOO_MANY_ACTIONS,
        MESSAGE_REMOVE_ALL_MIXED,
        MESSAGE_MERGE_MIXED,
        MESSAGE_TOO_MANY_SOURCES,
        MESSAGE_GRANULARITY,
        MESSAGE_TARGET_LENGTH,
        MESSAGE_SOURCE_LENGTH,
        MESSAGE_NAMES_POOL,
        MESSAGE_FORMAT,
        MESSAGE_SIZE,

        /* the image file */
        MESSAGE_OPEN_FAILED,
        MESSAGE_OPEN_DENIED,
        MESSAGE_OPEN_READ_ONLY_FILE,
        MESSAGE_OPEN_READ_ONLY_FILE_SYSTEM,
        MESSAGE_OPEN_IMMUTABLE,
        MESSAGE_DIRECTORY,
        MESSAGE_NOT_A_FILE,
        MESSAGE_LOCKED,
        MESSAGE_LOCKED_SHARED,
        MESSAGE_NO_OFD_LOCKS,

        /* the guest's result codes: the specification's rows */
        MESSAGE_NOT_QCOW2,
        MESSAGE_QCOW2_V2,
        MESSAGE_BAD_HEADER,
        MESSAGE_HEADER_CHANGED,
        MESSAGE_NOT_FOUND,
        MESSAGE_EXISTS,
        MESSAGE_IN_USE,
        MESSAGE_NAME_TOO_LONG,
        MESSAGE_GRANULARITY_RANGE,
        MESSAGE_TOO_MANY_BITMAPS,
        MESSAGE_NO_SPACE,
        MESSAGE_WRITE_ERROR,
        MESSAGE_READ_ERROR,
        MESSAGE_TOO_LARGE,
        MESSAGE_OVERFLOW,
        MESSAGE_SOURCE_NOT_FOUND,
        MESSAGE_BAD_ACTION,
        MESSAGE_REFCOUNT_WIDTH,
        MESSAGE_GRANULARITY_MISMATCH,

        /* the guest's result codes: states that the specification does not name */
        MESSAGE_DIRTY,
        MESSAGE_CORRUPT,
        MESSAGE_UNKNOWN_INCOMPATIBLE,
        MESSAGE_BAD_EXTENSION,
        MESSAGE_BAD_DIRECTORY,
        MESSAGE_BAD_TABLE,
        MESSAGE_BAD_REFCOUNTS,
        MESSAGE_NO_AUTOCLEAR_EXTENSION,
        MESSAGE_BAD_BITMAP,
        MESSAGE_UNREPAIRABLE,

        /* instar resize */
        MESSAGE_HAS_BITMAPS,
        MESSAGE_SHRINKS,
        MESSAGE_BAD_RESIZE,
        MESSAGE_RESIZE_TOO_LARGE,
        MESSAGE_RESIZE_NO_SPACE,

        /* the machinery */
        MESSAGE_PROTOCOL,
        MESSAGE_DIED,
        MESSAGE_TIMEOUT,
        MESSAGE_SIGNAL,
        MESSAGE_KVM_MISSING,
        MESSAGE_KVM_DENIED,
        MESSAGE_KVM_FOREIGN,
        MESSAGE_KVM_BUSY,
        MESSAGE_KVM_ERROR,
        MESSAGE_PROCESS_ERROR,
        MESSAGE_SANDBOX,
        MESSAGE_JOURNAL_ERROR,
        MESSAGE_JOURNAL_TMPFS,
        MESSAGE_JOURNAL_NOWHERE,
        MESSAGE_JOURNAL_NOT_PRIVATE,
        MESSAGE_ROLLBACK_FAILED,
        MESSAGE_JOURNAL_KEPT,
        MESSAGE_OUT_OF_MEMORY,

        MESSAGE_PRINT_FAILED,

        /* a journal of an earlier edit that stops the command */
        MESSAGE_RECOVERY_CONFLICT,
        MESSAGE_RECOVERY_UNCHECKED,
        MESSAGE_RECOVERY_UNTRUSTED,
        MESSAGE_RECOVERY_DAMAGED,
        MESSAGE_RECOVERY_NEWER,
        MESSAGE_RECOVERY_UNREADABLE,
        MESSAGE_RECOVERY_BUSY,
        MESSAGE_RECOVERY_FAILED,
        MESSAGE_RECOVERY_UNPROVED,
        MESSAGE_JOURNAL_SEARCH,
        MESSAGE_WARNING_JOURNAL_SEARCH,

        /* instar check */
        MESSAGE_FOLDER,
        MESSAGE_IMAGE_NOT_FOUND,
        MESSAGE_ORPHAN,
        MESSAGE_CHECK_SIGNAL,
        MESSAGE_CHECK_FAILED,
        MESSAGE_CHECK_DIED,
        MESSAGE_REPAIR_UNKNOWN,
        MESSAGE_WARNING_REPAIR_UNTOLD,
        MESSAGE_CHECK_TOO_LARGE,
        MESSAGE_WARNING_INDEX_READ,

        /* instar map */
        MESSAGE_RESET_UNUSABLE,
        MESSAGE_RESET_PENDING,
        MESSAGE_MAP_INCOMPLETE,

        /* instar journal show */
        MESSAGE_NOT_A_REGULAR_FILE,
        MESSAGE_SHOW_DAMAGED,
        MESSAGE_SHOW_NEWER,
        MESSAGE_SHOW_UNREADABLE,

        /* after the edit was done */
        MESSAGE_OUTPUT_FAILED,
        MESSAGE_RESULT_UNKNOWN,
        MESSAGE_WARNING_LEAKED,
        MESSAGE_WARNING_UNFINISHED,
        MESSAGE_WARNING_JOURNAL_KEPT,
        MESSAGE_WARNING_SET_ASIDE,
        MESSAGE_WARNING_SUPERSEDED,
        MESSAGE_WARNING_INDEX,

        MESSAGE_COUNT
};

struct message_row {
        const char *text;
        const char *hint; /* or NULL */
};

/* What the {words} stand for; each row uses some. */
struct message_values {
        const char *path;     /* {path}: the image, as typed */
        const char *argument; /* {argument}: from the command line */
        const char
            *candidates;     /* {candidates}: options that an abbreviation could mean */
        const char *journal; /* {journal}: path of the undo journal */
        const char *fault;   /* {fault}: a text of the fault tables below */
        const char *finding; /* {finding}: what a check has found */
        int error;           /* {error}: an errno's description */
        int signal;          /* {signal}: SIGINT, ... */
        uint64_t detail[4];  /* {number0}..{number3}, {hex0}..{hex3}; {clusters}: "3
                              * clusters  were", of detail[0] */
};

/* The row of a message, 0 < message < MESSAGE_COUNT. */
const struct message_row *message_row(enum message message);

/* Append "COMMAND: TEXT\n" and, if the row has one, "hint: HINT\n". */
void message_append(struct text *text, const char *command, enum message message,
                    const struct message_values *values);

/* Append the row's hint alone; false if it has none. */
bool message_append_hint(struct text *text, enum message message,
                         const struct message_values *values);

/* The row's text alone, without a command and a line's end. */
void message_append_text(struct text *text, enum message message,
                         const struct message_values *values);

/* The message of a guest's result, MESSAGE_NONE for ABI_OK, MESSAGE_PROTOCOL for a code
 * that is none.  Fills values->detail and values->fault. */
enum message message_of_result(const struct abi_result *result,
                               struct message_values *values);

/* The message of an image that could not be used; `error` is an errno. */
enum message message_of_image(enum image_error image_error, int error);

/* The message of how an edit ended, other than EDIT_GUEST_RESULT; `error` is an errno. */
enum message message_of_outcome(enum edit_outcome outcome, int error);

/* The message of a journal that stops the command; fills values->journal, fault, finding
 * and error. */
enum message message_of_recovery(const struct recovery_item *item,
                                 struct message_values *values);

/*
 * Texts of the fault enums of guest/abi.h: kind is one of the codes that carry a fault,
 * a number that is not in the enum gives "unknown fault".
 */
const char *message_fault(enum abi_code kind, uint64_t fault);

#endif
