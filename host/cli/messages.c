/* SPDX-License-Identifier: MIT */
/* From what happened to the row that tells it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/messages.h"
#include "host/vmm/vm_kind.h"

static const enum message of_code[] = {
    [ABI_NOT_QCOW2] = MESSAGE_NOT_QCOW2,
    [ABI_QCOW2_V2] = MESSAGE_QCOW2_V2,
    [ABI_BAD_HEADER] = MESSAGE_BAD_HEADER,
    [ABI_HEADER_CHANGED] = MESSAGE_HEADER_CHANGED,
    [ABI_NOT_FOUND] = MESSAGE_NOT_FOUND,
    [ABI_EXISTS] = MESSAGE_EXISTS,
    [ABI_IN_USE] = MESSAGE_IN_USE,
    [ABI_NAME_TOO_LONG] = MESSAGE_NAME_TOO_LONG,
    [ABI_BAD_GRANULARITY] = MESSAGE_GRANULARITY_RANGE,
    [ABI_TOO_MANY_BITMAPS] = MESSAGE_TOO_MANY_BITMAPS,
    [ABI_NO_SPACE] = MESSAGE_NO_SPACE,
    [ABI_WRITE_ERROR] = MESSAGE_WRITE_ERROR,
    [ABI_READ_ERROR] = MESSAGE_READ_ERROR,
    [ABI_TOO_LARGE] = MESSAGE_TOO_LARGE,
    [ABI_OVERFLOW] = MESSAGE_OVERFLOW,
    [ABI_SOURCE_NOT_FOUND] = MESSAGE_SOURCE_NOT_FOUND,
    [ABI_BAD_ACTION] = MESSAGE_BAD_ACTION,
    [ABI_REFCOUNT_WIDTH] = MESSAGE_REFCOUNT_WIDTH,
    [ABI_GRANULARITY_MISMATCH] = MESSAGE_GRANULARITY_MISMATCH,
    [ABI_DIRTY] = MESSAGE_DIRTY,
    [ABI_CORRUPT] = MESSAGE_CORRUPT,
    [ABI_UNKNOWN_INCOMPATIBLE] = MESSAGE_UNKNOWN_INCOMPATIBLE,
    [ABI_BAD_EXTENSION] = MESSAGE_BAD_EXTENSION,
    [ABI_BAD_DIRECTORY] = MESSAGE_BAD_DIRECTORY,
    [ABI_BAD_TABLE] = MESSAGE_BAD_TABLE,
    [ABI_BAD_REFCOUNTS] = MESSAGE_BAD_REFCOUNTS,
    [ABI_NO_AUTOCLEAR_EXTENSION] = MESSAGE_NO_AUTOCLEAR_EXTENSION,
    [ABI_BAD_BITMAP] = MESSAGE_BAD_BITMAP,
    [ABI_UNREPAIRABLE] = MESSAGE_UNREPAIRABLE,
    [ABI_HAS_BITMAPS] = MESSAGE_HAS_BITMAPS,
    [ABI_SHRINKS] = MESSAGE_SHRINKS,
    [ABI_BAD_RESIZE] = MESSAGE_BAD_RESIZE,
};

enum message message_of_result(const struct abi_result *result,
                               struct message_values *values)
{
        uint32_t code = result->code;

        memcpy(values->detail, result->detail, sizeof values->detail);
        if (code == ABI_OK)
                return MESSAGE_NONE;
        if (code >= sizeof of_code / sizeof of_code[0] || !of_code[code])
                return MESSAGE_PROTOCOL;
        bool leads =
            code == ABI_BAD_HEADER || code == ABI_UNREPAIRABLE || code == ABI_BAD_RESIZE;
        values->fault = message_fault((enum abi_code)code, result->detail[leads ? 0 : 2]);
        return of_code[code];
}

static enum message of_open_error(int error)
{
        switch (error) {
        case EACCES:
                return MESSAGE_OPEN_DENIED;
        case EROFS:
                return MESSAGE_OPEN_READ_ONLY_FILE_SYSTEM;
        case EPERM:
                return MESSAGE_OPEN_IMMUTABLE;
        default:
                return MESSAGE_OPEN_FAILED;
        }
}

enum message message_of_image(enum image_error image_error, int error)
{
        switch (image_error) {
        case IMAGE_OK:
                return MESSAGE_NONE;
        case IMAGE_OPEN_FAILED:
                return of_open_error(error);
        case IMAGE_NOT_A_FILE:
                return MESSAGE_NOT_A_FILE;
        case IMAGE_IS_DIRECTORY:
                return MESSAGE_DIRECTORY;
        case IMAGE_LOCKED:
                return MESSAGE_LOCKED;
        case IMAGE_NO_OFD_LOCKS:
                return MESSAGE_NO_OFD_LOCKS;
        case IMAGE_READ_FAILED:
                return MESSAGE_READ_ERROR;
        case IMAGE_NOT_QCOW2:
                return MESSAGE_NOT_QCOW2;
        }
        return MESSAGE_OPEN_FAILED;
}

/* KVM's errors, or those of the process that stands for it. */
static enum message of_machine_error(int error)
{
        if (vm_kind() == VM_KIND_PROCESS)
                return MESSAGE_PROCESS_ERROR;
        switch (error) {
        case ENOENT:
        case ENXIO:
        case ENODEV:
                return MESSAGE_KVM_MISSING;
        case EACCES:
        case EPERM:
                return MESSAGE_KVM_DENIED;
        case ENOTTY: /* of the first ioctl */
        case EISDIR:
                return MESSAGE_KVM_FOREIGN;
        case EBUSY:
                return MESSAGE_KVM_BUSY;
        default:
                return MESSAGE_KVM_ERROR;
        }
}

/* Two errors of journal_place_choose() that mean more than their description says. */
static enum message of_journal_error(int error)
{
        switch (error) {
        case EXDEV:
                return MESSAGE_JOURNAL_TMPFS;
        case EDESTADDRREQ:
                return MESSAGE_JOURNAL_NOWHERE;
        default:
                return MESSAGE_JOURNAL_ERROR;
        }
}

enum message message_of_outcome(enum edit_outcome outcome, int error)
{
        switch (outcome) {
        case EDIT_GUEST_RESULT:
                return MESSAGE_NONE;
        case EDIT_READ_ERROR:
                return MESSAGE_READ_ERROR;
        case EDIT_WRITE_ERROR:
                return MESSAGE_WRITE_ERROR;
        case EDIT_CHANGED:
                return MESSAGE_HEADER_CHANGED;
        case EDIT_PROTOCOL:
                return MESSAGE_PROTOCOL;
        case EDIT_DIED:
                return MESSAGE_DIED;
        case EDIT_TIMEOUT:
                return MESSAGE_TIMEOUT;
        case EDIT_SIGNAL:
                return MESSAGE_SIGNAL;
        case EDIT_SANDBOX_ERROR:
                return MESSAGE_SANDBOX;
        case EDIT_KVM_ERROR:
                return of_machine_error(error);
        case EDIT_JOURNAL_ERROR:
                return of_journal_error(error);
        case EDIT_RECOVERY_STOPPED: /* message_of_recovery() knows more */
                return MESSAGE_RECOVERY_FAILED;
        case EDIT_ROLLBACK_FAILED:
                return MESSAGE_ROLLBACK_FAILED;
        case EDIT_JOURNAL_KEPT:
                return MESSAGE_JOURNAL_KEPT;
        case EDIT_OUTPUT_ERROR:
                return MESSAGE_PRINT_FAILED;
        case EDIT_SEARCH_ERROR:
                return MESSAGE_JOURNAL_SEARCH;
        }
        return MESSAGE_PROTOCOL;
}

enum message message_of_recovery(const struct recovery_item *item,
                                 struct message_values *values)
{
        static const enum message of_state[] = {
            [RECOVERY_CONFLICT] = MESSAGE_RECOVERY_CONFLICT,
            [RECOVERY_UNTRUSTED] = MESSAGE_RECOVERY_UNTRUSTED,
            [RECOVERY_DAMAGED] = MESSAGE_RECOVERY_DAMAGED,
            [RECOVERY_NEWER] = MESSAGE_RECOVERY_NEWER,
            [RECOVERY_UNREADABLE] = MESSAGE_RECOVERY_UNREADABLE,
            [RECOVERY_BUSY] = MESSAGE_RECOVERY_BUSY,
            [RECOVERY_FAILED] = MESSAGE_RECOVERY_FAILED,
        };

        values->journal = item->path;
        values->fault = item->reason;
        values->finding = item->finding;
        values->error = abs(item->error);
        if (item->state == RECOVERY_FAILED && item->reason)
                return MESSAGE_RECOVERY_UNPROVED;
        if (item->state == RECOVERY_CONFLICT && !item->finding)
                return MESSAGE_RECOVERY_UNCHECKED;
        return of_state[item->state];
}
