/* SPDX-License-Identifier: MIT */
/*
 * The table of messages.  Rows that the specification has are verbatim; the others say
 * what is wrong, where, whether it can be repaired, and with what.
 *
 * A hint names only what works: `instar check -r all`, and where that does not repair
 * everything of the kind, its dry run.
 */
#include "host/cli/messages.h"

#define LOOK_FIRST                                                                       \
        "nothing was written; instar info IMAGE tells what is damaged, instar check -r " \
        "all -n IMAGE what a repair would do"
#define WITHOUT_KVM  "; --sandbox=process works without KVM"
#define DISCARD      "--discard-journal removes the journal and keeps the image as it is"
#define REPAIR_FIRST "nothing was written; repair it first: instar check -r all IMAGE"

static const struct message_row rows[MESSAGE_COUNT] = {
    [MESSAGE_OPTION_UNKNOWN] = {"unrecognized option '{argument}'", 0},
    [MESSAGE_OPTION_AMBIGUOUS] = {"option '{argument}' is ambiguous: {candidates}", 0},
    [MESSAGE_OPTION_NEEDS_ARGUMENT] = {"option '{argument}' requires an argument", 0},
    [MESSAGE_OPTION_TAKES_NO_ARGUMENT] = {"option '{argument}' does not take an argument",
                                          0},
    [MESSAGE_OUTPUT_FORMAT] =
        {"invalid argument '{argument}' for --output: use human or json", 0},
    [MESSAGE_MEMORY_LIMIT] =
        {"invalid argument '{argument}' for --memory-limit: use a size from 4M to 16G",
         0},
    [MESSAGE_JOURNAL_DIRECTORY] =
        {"invalid argument '' for --journal-dir: name a directory", 0},
    [MESSAGE_SANDBOX_OPTION] =
        {"invalid argument '{argument}' for --sandbox: use kvm or process", 0},
    [MESSAGE_SANDBOX_VARIABLE] =
        {"invalid value '{argument}' of INSTAR_SANDBOX: use kvm or process", 0},
    [MESSAGE_MORE_PRIVILEGES] =
        {"instar does not run with more privileges than its caller has",
         "take set-user-id, set-group-id and capabilities from the program file; use "
         "sudo"},
    [MESSAGE_NO_POSITIONALS] = {"missing arguments FILENAME and BITMAP", 0},
    [MESSAGE_NO_BITMAP_NAME] = {"missing argument BITMAP after '{argument}'", 0},
    [MESSAGE_EXTRA_POSITIONAL] = {"unexpected argument '{argument}'", 0},
    [MESSAGE_NO_FILENAME] = {"missing argument FILENAME", 0},
    [MESSAGE_NO_SIZE] = {"missing argument SIZE after '{argument}'", 0},
    [MESSAGE_NO_BITMAP_OPTION] = {"missing option --bitmap NAME", 0},
    [MESSAGE_DISCARD_ALL] =
        {"--discard-journal and --all exclude each other: name the images", 0},
    [MESSAGE_DISCARD_SHARED] =
        {"--discard-journal and -U exclude each other: giving up a journal takes locks",
         0},
    [MESSAGE_REPAIR_KIND] = {"invalid argument '{argument}' for -r: use leaks or all", 0},
    [MESSAGE_REPAIR_ALL] = {"-r and --all exclude each other: name the images", 0},
    [MESSAGE_REPAIR_SHARED] =
        {"-r and -U exclude each other: a repair needs the image for itself", 0},
    [MESSAGE_RESET_WITHOUT_REPAIR] = {"--reset-damaged only supported with -r all", 0},
    [MESSAGE_RESET_ALONE] =
        {"--reset-in-use takes one image, and goes with none of --all, -U and -r", 0},
    [MESSAGE_JOURNAL_NO_VERB] = {"missing verb: there is one, show", 0},
    [MESSAGE_JOURNAL_UNKNOWN_VERB] = {"unknown verb '{argument}': there is one, show", 0},
    [MESSAGE_JOURNAL_NO_FILE] = {"missing argument FILE", 0},
    [MESSAGE_NO_SUBCOMMAND] = {"missing subcommand", 0},
    [MESSAGE_UNKNOWN_SUBCOMMAND] = {"unknown subcommand '{argument}'", 0},

    [MESSAGE_OBJECT] = {"--object is not yet supported", 0},
    [MESSAGE_IMAGE_OPTS] = {"--image-opts is not yet supported", 0},
    [MESSAGE_CROSS_FILE] = {"cross-file merge (-b/-F) is not yet supported", 0},
    [MESSAGE_NO_ACTION] = {"Need at least one of --add, --remove, --clear, --enable, "
                           "--disable, or --merge",
                           0},
    [MESSAGE_GRANULARITY_WITHOUT_ADD] = {"granularity only supported with --add", 0},
    [MESSAGE_TOO_MANY_ACTIONS] = {"too many actions (max 8)", 0},
    [MESSAGE_REMOVE_ALL_MIXED] =
        {"--remove-all excludes every other action",
         "run the others in an invocation of their own, before or behind it"},
    [MESSAGE_MERGE_MIXED] =
        {"mixing --merge with other actions in one invocation is not supported",
         "run the merge in an invocation of its own"},
    [MESSAGE_TOO_MANY_SOURCES] = {"too many --merge sources (max 8)",
                                  "merge the rest in another invocation"},
    [MESSAGE_GRANULARITY] = {"granularity must be a power of two between 512 and 2G", 0},
    [MESSAGE_TARGET_LENGTH] = {"invalid bitmap name length",
                               "a bitmap name has 1 to 1023 bytes"},
    [MESSAGE_SOURCE_LENGTH] = {"invalid merge source name length",
                               "a bitmap name has 1 to 1023 bytes"},
    [MESSAGE_NAMES_POOL] = {"merge source names exceed the pool budget",
                            "the names of all sources may have 2048 bytes together; "
                            "merge in several invocations"},
    [MESSAGE_SIZE] =
        {"Parameter 'size' expects a non-negative number below 2^64",
         "'{argument}' is none; optional suffixes k, M, G, T, P and E, and a "
         "sign: +SIZE and -SIZE are relative"},
    [MESSAGE_FORMAT] = {"unsupported format '{argument}': only qcow2 is supported", 0},

    [MESSAGE_OPEN_FAILED] = {"cannot open '{path}': {error}", 0},
    [MESSAGE_OPEN_DENIED] =
        {"cannot open '{path}' for reading and writing: {error}",
         "check the permissions of the file and of the directories on "
         "the way to it"},
    [MESSAGE_OPEN_READ_ONLY_FILE] = {"cannot open '{path}' for writing: the file is "
                                     "read-only for this user",
                                     "give this user permission to write to the image"},
    [MESSAGE_OPEN_READ_ONLY_FILE_SYSTEM] = {"cannot open '{path}' for writing: {error}",
                                            "the file system or the block device is "
                                            "read-only: make it writable, or copy the "
                                            "image"},
    [MESSAGE_OPEN_IMMUTABLE] =
        {"cannot open '{path}' for writing: {error}",
         "the file may carry the immutable or append-only attribute: "
         "see lsattr and chattr"},
    [MESSAGE_DIRECTORY] = {"cannot use '{path}': it is a directory", 0},
    [MESSAGE_NOT_A_FILE] =
        {"cannot use '{path}': it is neither a regular file nor a block "
         "device",
         0},
    [MESSAGE_LOCKED] = {"Failed to get \"write\" lock\n"
                        "Is another process using the image [{path}]?",
                        0},
    [MESSAGE_LOCKED_SHARED] = {"Failed to get shared \"write\" lock\n"
                               "Is another process using the image [{path}]?",
                               0},
    [MESSAGE_NO_OFD_LOCKS] =
        {"cannot lock '{path}': this file system has no OFD locks: {error}",
         "without them a running virtual machine could not be kept away: move the image "
         "to a "
         "file system that has them"},

    [MESSAGE_NOT_QCOW2] = {"not a qcow2 image", 0},
    [MESSAGE_QCOW2_V2] = {"cannot store dirty bitmaps in a qcow2 v2 image",
                          "upgrade the image first: qemu-img amend -o compat=1.1 IMAGE"},
    [MESSAGE_BAD_HEADER] = {"the image header could not be parsed",
                            "{fault}; value {hex1}; nothing was written"},
    [MESSAGE_HEADER_CHANGED] =
        {"the image's header changed between the host's pre-probe and the guest's read, "
         "or a "
         "guest write failed; retry, or run `instar check` if the image may be corrupt",
         0},
    [MESSAGE_NOT_FOUND] = {"bitmap not found",
                           "instar info IMAGE lists the bitmaps of an image"},
    [MESSAGE_EXISTS] = {"bitmap already exists", 0},
    [MESSAGE_IN_USE] = {"bitmap is in use / inconsistent (only --remove is allowed)",
                        "it missed writes, as after a crash of a virtual machine, and "
                        "cannot be made exact again: remove it, add a new one and make a "
                        "full backup; or mark all of it as dirty: instar check "
                        "--reset-in-use BITMAP IMAGE"},
    [MESSAGE_NAME_TOO_LONG] = {"bitmap name is too long", 0},
    [MESSAGE_GRANULARITY_RANGE] =
        {"granularity is out of range (must be a power of two between 512 and 2G)", 0},
    [MESSAGE_TOO_MANY_BITMAPS] =
        {"too many bitmaps in the image",
         "an image holds at most 65535 bitmaps in a directory of "
         "67107840 bytes"},
    [MESSAGE_NO_SPACE] =
        {"no free clusters to allocate the bitmap",
         "the block device is full, or the header cluster has no room for "
         "the bitmaps record"},
    [MESSAGE_WRITE_ERROR] =
        {"I/O error writing the image",
         "{error}; what had been written was undone, the image is as it "
         "was"},
    [MESSAGE_READ_ERROR] = {"I/O error reading the image",
                            "{error}; the image is as it was"},
    [MESSAGE_TOO_LARGE] = {"the image is too large for the bitmap scratch buffer",
                           "a bitmap takes at most 512 MiB: use a larger granularity "
                           "(-g); or give the guest "
                           "more memory (--memory-limit)"},
    [MESSAGE_OVERFLOW] =
        {"internal size or offset computation overflowed (host or guest bug)",
         "nothing was written; please report this, with the output of INSTAR_DEBUG=1"},
    [MESSAGE_SOURCE_NOT_FOUND] = {"merge source bitmap not found",
                                  "the image has no bitmap '{argument}'"},
    [MESSAGE_BAD_ACTION] = {"unsupported bitmap action", 0},
    [MESSAGE_REFCOUNT_WIDTH] =
        {"unsupported refcount width (only 16-bit refcounts are supported)",
         "this image has refcounts of {number0} bits"},
    [MESSAGE_GRANULARITY_MISMATCH] = {"bitmaps have incompatible granularity for merge",
                                      0},

    [MESSAGE_DIRTY] =
        {"the image was not closed cleanly (dirty bit): its refcounts may be "
         "wrong",
         REPAIR_FIRST},
    [MESSAGE_CORRUPT] = {"the image is marked as corrupt (corrupt bit)", REPAIR_FIRST},
    [MESSAGE_UNKNOWN_INCOMPATIBLE] =
        {"the image uses unknown incompatible features (bits {hex0} of the header)",
         "nothing was written; a newer program made this image: edit it with that "
         "program"},
    [MESSAGE_BAD_EXTENSION] =
        {"malformed header extension of type {hex1} at offset {hex0}: {fault}",
         LOOK_FIRST},
    [MESSAGE_BAD_DIRECTORY] =
        {"malformed bitmap directory at offset {hex0}, entry {number1}: {fault}",
         LOOK_FIRST},
    [MESSAGE_BAD_TABLE] =
        {"malformed table of bitmap '{argument}' at offset {hex0}: entry {number1} is "
         "{hex2}",
         "nothing was written; the bitmap's bits cannot be trusted; if a copy was cut "
         "short, copy again; else instar check -r all IMAGE removes the bitmap, and with "
         "--reset-damaged marks all of it as dirty"},
    [MESSAGE_BAD_REFCOUNTS] = {"damaged refcounts: the cluster at offset {hex0} has "
                               "refcount {number1}: {fault}",
                               "nothing was written; see the damage with instar check "
                               "IMAGE and repair it, on a copy first, with instar check "
                               "-r all IMAGE"},
    [MESSAGE_NO_AUTOCLEAR_EXTENSION] =
        {"the header says that its bitmaps are valid (autoclear bit 0), but the bitmaps "
         "extension is missing",
         "nothing was written; a write by qemu, qemu-img check -r too, may mark the "
         "image "
         "as corrupt for good; instar check -r all IMAGE clears the bit"},

    [MESSAGE_BAD_BITMAP] = {"bitmap '{argument}' at offset {hex0}: {fault}", 0},
    [MESSAGE_UNREPAIRABLE] = {"{fault}", 0},

    [MESSAGE_HAS_BITMAPS] =
        {"refusing to resize an image with persistent dirty bitmaps (would discard "
         "them); "
         "remove the bitmaps first with `instar bitmap --remove` or qemu-img",
         0},
    [MESSAGE_SHRINKS] = {"Use the --shrink option to perform a shrink operation.",
                         "shrinking an image deletes all data behind its new end: make "
                         "sure that there is no important data there"},
    [MESSAGE_BAD_RESIZE] = {"{fault}", 0},
    [MESSAGE_RESIZE_TOO_LARGE] =
        {"the resize needs more memory than the guest program has",
         "--memory-limit SIZE gives it more, up to 16G; or shrink in several steps"},
    [MESSAGE_RESIZE_NO_SPACE] = {"no free clusters to resize the image",
                                 "the block device that holds the image is full"},

    [MESSAGE_PROTOCOL] =
        {"the guest program broke the protocol and was ended; the image is "
         "as it was",
         "the image may be made to attack instar, or this is a bug: "
         "INSTAR_DEBUG=1 tells more"},
    [MESSAGE_DIED] = {"the guest program died; the image is as it was",
                      "the image may be made to attack instar, or this is a bug: "
                      "INSTAR_DEBUG=1 tells more"},
    [MESSAGE_TIMEOUT] =
        {"the guest program gave no sign for 60 seconds and was ended; the "
         "image is as it was",
         "on a machine under heavy load try again; else this is a bug: "
         "INSTAR_DEBUG=1 tells more"},
    [MESSAGE_SIGNAL] = {"interrupted by {signal}; the image is as it was", 0},
    [MESSAGE_KVM_MISSING] =
        {"KVM is not available: /dev/kvm: {error}",
         "load the module (modprobe kvm_intel or kvm_amd) and turn on virtualisation in "
         "the "
         "firmware, in a virtual machine nested virtualisation, in a container pass the "
         "device on" WITHOUT_KVM},
    [MESSAGE_KVM_DENIED] = {"KVM is not available: /dev/kvm: {error}",
                            "/dev/kvm is for root and the group kvm: add the user to it "
                            "(usermod -aG kvm USER) "
                            "and log in again" WITHOUT_KVM},
    [MESSAGE_KVM_FOREIGN] = {"KVM is not available: /dev/kvm: {error}",
                             "/dev/kvm is not the kernel's KVM: see what has been put in "
                             "its place" WITHOUT_KVM},
    [MESSAGE_KVM_BUSY] =
        {"KVM is not available: {error}",
         "another hypervisor on this machine may be using the processor's "
         "virtualisation" WITHOUT_KVM},
    [MESSAGE_KVM_ERROR] = {"KVM failed: {error}; the image is as it was",
                           "INSTAR_DEBUG=1 tells more"},
    [MESSAGE_PROCESS_ERROR] =
        {"the process that was to run the guest failed: {error}; the image is as it was",
         "it needs ptrace(2), which the profile of a container may forbid; "
         "INSTAR_DEBUG=1 "
         "tells more"},
    [MESSAGE_SANDBOX] =
        {"the sandbox could not be armed: {error}; the image was not touched",
         "no guest is run without it: the kernel needs seccomp filters "
         "(CONFIG_SECCOMP_FILTER)"},
    [MESSAGE_JOURNAL_ERROR] =
        {"cannot write the undo journal {journal}: {error}; the image is as it was",
         "--journal-dir DIR puts the journal into DIR, which must exist"},
    [MESSAGE_JOURNAL_TMPFS] =
        {"the undo journal {journal} would lie on a tmpfs, which a power loss empties",
         "nothing was written; --journal-dir DIR puts the journal on a disk"},
    [MESSAGE_JOURNAL_NOWHERE] = {"no place for the undo journal: it cannot lie beside "
                                 "the image, and there is no state "
                                 "directory",
                                 "nothing was written; name a directory with "
                                 "--journal-dir or INSTAR_STATE_DIR, or "
                                 "set HOME"},
    [MESSAGE_JOURNAL_NOT_PRIVATE] = {"no place for the undo journal: the state directory "
                                     "must belong to this user and be "
                                     "closed to others",
                                     "nothing was written; chmod 0700 the directory, or "
                                     "name another with --journal-dir or "
                                     "INSTAR_STATE_DIR"},
    [MESSAGE_ROLLBACK_FAILED] =
        {"the edit failed and undoing it failed too: {error}; the undo journal is kept: "
         "{journal}",
         "remove the cause, then undo the edit with instar check IMAGE; until then leave "
         "the image and the journal as they are"},
    [MESSAGE_JOURNAL_KEPT] =
        {"the edit failed and was undone, but its undo journal could not be ended "
         "({error}): {journal}",
         "the image has its old bitmaps; instar check IMAGE removes the journal"},

    [MESSAGE_RECOVERY_CONFLICT] =
        {"the image is in conflict with the undo journal of an interrupted edit, "
         "{journal}: {fault}, and {finding}",
         "nothing was touched; another program has written to the image since the edit: "
         "instar check -r all IMAGE repairs it and removes the journal; " DISCARD},
    [MESSAGE_RECOVERY_UNCHECKED] =
        {"another program has written to the image since an edit of it was interrupted: "
         "{fault}; its undo journal is {journal}",
         "instar check IMAGE looks whether it is sound, and then removes the journal"},
    [MESSAGE_RECOVERY_UNTRUSTED] =
        {"the undo journal {journal} is not trusted: {fault}",
         "nothing was touched; find out who put it there; " DISCARD},
    [MESSAGE_RECOVERY_DAMAGED] = {"the undo journal {journal} is damaged: {fault}",
                                  "nothing was touched; an interrupted edit of the image "
                                  "cannot be undone with it; " DISCARD},
    [MESSAGE_RECOVERY_NEWER] =
        {"the undo journal {journal} is of a newer format",
         "nothing was touched; use the version of instar that wrote it, or a newer one"},
    [MESSAGE_RECOVERY_UNREADABLE] =
        {"the undo journal {journal} cannot be read: {error}",
         "nothing was touched; use the account that may read it; " DISCARD},
    [MESSAGE_RECOVERY_BUSY] = {"the undo journal {journal} is in use by another process",
                               "another instar is at work: try again when it has ended"},
    [MESSAGE_JOURNAL_SEARCH] =
        {"cannot look for undo journals of '{path}': {error}",
         "nothing was touched; see that these folders are there and "
         "may be searched: the image's, that of --journal-dir, and "
         "the state directory (INSTAR_STATE_DIR=DIR names "
         "another, none does without)"},

    [MESSAGE_WARNING_JOURNAL_SEARCH] =
        {"warning: cannot look for undo journals of '{path}': {error}",
         "whether an edit of the image was interrupted is not known; check the "
         "permissions of the folders where journals may be"},

    [MESSAGE_FOLDER] = {"cannot search '{path}': {error}",
                        "undo journals that lie there were not found"},
    [MESSAGE_IMAGE_NOT_FOUND] =
        {"the image of the undo journal {journal} was not found; it was '{path}'",
         "nothing was touched; if the image was moved, put it back beside its journal, "
         "or "
         "name it to instar check; if it is gone for good, delete the journal"},
    [MESSAGE_ORPHAN] =
        {"the undo journal {journal} cannot be used, and it is not known "
         "which image it belongs to",
         "instar journal show tells more; where nobody misses an edit, delete "
         "it"},
    [MESSAGE_CHECK_SIGNAL] = {"interrupted by {signal}; what was begun was finished", 0},
    [MESSAGE_WARNING_INDEX_READ] =
        {"warning: the index of interrupted edits could not be read: {error}",
         "journals beside their images are found without it: instar check --all DIR..."},

    [MESSAGE_RECOVERY_UNPROVED] = {"an interrupted edit could not be recovered: {fault}: "
                                   "{error}; its undo journal is "
                                   "kept: {journal}",
                                   "a guest program makes the proof: see that /dev/kvm "
                                   "is there and accessible, or take --sandbox=process, "
                                   "then try again: instar check IMAGE"},
    [MESSAGE_RECOVERY_FAILED] =
        {"an interrupted edit could not be recovered: {error}; its undo journal is kept: "
         "{journal}",
         "remove the cause, then try again: instar check IMAGE; until then leave the "
         "image "
         "and the journal as they are"},

    [MESSAGE_CHECK_FAILED] = {"the check came to no end: see above", 0},
    [MESSAGE_CHECK_TOO_LARGE] =
        {"the image is too large to be checked with so little memory",
         "--memory-limit SIZE gives the guest more, up to 16G; more than 2147483647 "
         "clusters cannot be checked at all, by qemu-img either"},
    [MESSAGE_CHECK_DIED] = {"the check's process died: {error}",
                            "something has killed it, perhaps for lack of memory: see "
                            "the kernel's log; then instar check IMAGE again"},
    [MESSAGE_REPAIR_UNKNOWN] =
        {"what became of the repair is not known: {error}",
         "its process ended without a word; instar check IMAGE undoes what it left half "
         "done, and tells how the image is"},
    [MESSAGE_WARNING_REPAIR_UNTOLD] =
        {"warning: the repair was done, but not all that it told could be understood",
         "the image may be made to attack instar, or this is a bug: INSTAR_DEBUG=1 tells "
         "more"},
    [MESSAGE_RESET_UNUSABLE] =
        {"bitmap '{argument}' cannot be made usable: all bitmaps of the image are "
         "invalid, "
         "or it has extra data that must be understood",
         "nothing was changed; remove it: instar bitmap --remove IMAGE BITMAP, or all of "
         "them: instar bitmap --remove-all IMAGE"},
    [MESSAGE_RESET_PENDING] =
        {"an interrupted edit of the image has to be recovered first",
         "nothing was changed; instar check IMAGE recovers it, and so does "
         "--reset-in-use "
         "without -n"},
    [MESSAGE_MAP_INCOMPLETE] = {"what was printed is incomplete", 0},

    [MESSAGE_NOT_A_REGULAR_FILE] = {"cannot use '{path}': it is not a regular file", 0},
    [MESSAGE_SHOW_DAMAGED] =
        {"malformed journal '{path}': {fault}, at offset {number0} of the file", 0},
    [MESSAGE_SHOW_NEWER] =
        {"the journal '{path}' is of a newer format: version {number1}, at offset "
         "{number0} of the file; this program reads version {number2}",
         "use the version of instar that wrote it, or a newer one"},
    [MESSAGE_SHOW_UNREADABLE] = {"cannot read '{path}': {error}", 0},

    [MESSAGE_OUT_OF_MEMORY] = {"out of memory; nothing was written", 0},
    [MESSAGE_PRINT_FAILED] = {"cannot write to standard output: {error}", 0},

    [MESSAGE_OUTPUT_FAILED] = {"cannot write to standard output: {error}",
                               "the edit itself was done"},
    [MESSAGE_RESULT_UNKNOWN] =
        {"the edit was done, but the guest program ended before it "
         "told the result",
         "INSTAR_DEBUG=1 tells more"},
    [MESSAGE_WARNING_LEAKED] =
        {"warning: {clusters} left leaked because it could not be proved that nothing "
         "else "
         "uses them",
         "the edit was done; instar check IMAGE shows leaked clusters and damage"},
    [MESSAGE_WARNING_UNFINISHED] =
        {"warning: the edit was done, but the clusters that it replaced may be left "
         "leaked",
         "instar check IMAGE shows leaked clusters; INSTAR_DEBUG=1 tells more"},
    [MESSAGE_WARNING_JOURNAL_KEPT] = {"warning: the edit was done, but its undo journal "
                                      "could not be ended ({error}) and "
                                      "is still there: {journal}",
                                      "the image is whole, but clusters that the edit "
                                      "replaced may be left leaked; instar check IMAGE "
                                      "removes the journal"},
    [MESSAGE_WARNING_SUPERSEDED] =
        {"warning: another program has written to the image since an edit of it was "
         "interrupted: {fault}; that edit is given up: {argument}",
         "the image was checked, is sound and stays as it is; the undo journal {journal} "
         "was removed; clusters may be leaked: instar check -r leaks IMAGE gives them "
         "back"},
    [MESSAGE_WARNING_SET_ASIDE] =
        {"warning: the undo journal {journal} belongs to another file; it was renamed to "
         "{argument}",
         "that file was moved or replaced while an edit of it was interrupted: if it is "
         "still there, instar check --all DIR finds both"},
    [MESSAGE_WARNING_INDEX] =
        {"warning: the index of interrupted edits could not be written: {error}",
         "the undo journal does not depend on it; INSTAR_STATE_DIR says where the index "
         "lives, INSTAR_STATE_DIR=none turns it off"},
};

const struct message_row *message_row(enum message message)
{
        return &rows[message];
}
