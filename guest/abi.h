/* SPDX-License-Identifier: MIT */
/*
 * The contract between a guest program and the host.
 *
 * This, with guest/abi_report.h, is the only header that both sides include.  A guest
 * program runs at CPL 3 from its first instruction (invariant 10); it has no kernel, and
 * its one way out is the doorbell: it fills `struct abi_doorbell`, then writes to port
 * ABI_DOORBELL_PORT.  The host copies the requests out once, checks the copy (invariant
 * 9), carries them out in order and lets the guest go on.  A request that fails is never
 * reported back: the host ends the guest and rolls back what the transaction has applied,
 * so a guest that still runs knows that everything it asked for was done.
 *
 * All numbers are little-endian and naturally aligned.  Guest virtual addresses
 * equal guest physical addresses, and everything mapped for the guest lies
 * between 64 KiB and 2^47.
 *
 * One doorbell that edits an image looks like this:
 *
 *     BEGIN    file size as the guest saw it, final size
 *     ASSERT   header cluster, directory, ...         (what the plan rests on)
 *     CLAIM    the clusters that the edit takes
 *     JOURNAL  step 1: writes of the build
 *     JOURNAL  step 2: the switch
 *     APPLY    step 1
 *     APPLY    step 2                                 (commit point)
 *     END      the result
 *
 * Steps of one transaction are applied in ascending order, each durable before
 * the next.  A large build repeats {JOURNAL..., APPLY with ABI_APPLY_PART}
 * within the same step over several doorbells.  After the switch the same
 * JOURNAL and APPLY requests carry the release (refcounts lowered, clusters
 * punched, file cut): the host then compares old bytes as before, but writes no
 * undo record, because a release is never undone.
 */
#ifndef INSTAR_GUEST_ABI_H
#define INSTAR_GUEST_ABI_H

#include <stdint.h>

#include "guest/abi_report.h"

#define ABI_VERSION 1u

/* A guest virtual address.  The host cannot dereference it: it has to go
 * through guest_memory_range(), which checks it. */
typedef uint64_t guest_addr_t;

/* ---- memory map ---------------------------------------------------------- */

#define ABI_PAGE_SIZE 4096u

/* The program: text (R-X), rodata (R--), data and bss (RW-), in this order,
 * each on whole pages, as struct abi_program says. */
#define ABI_PROGRAM_BASE  0x10000u
#define ABI_PROGRAM_LIMIT 0x80000u

/* One unmapped page lies at each end of the stack. */
#define ABI_STACK_BASE 0x90000u
#define ABI_STACK_TOP  0xa0000u

/* struct abi_call: written by the host before the guest's first instruction. */
#define ABI_CALL_BASE  0xb0000u
#define ABI_CALL_LIMIT 0xb2000u

/* struct abi_doorbell. */
#define ABI_DOORBELL_BASE  0xc0000u
#define ABI_DOORBELL_LIMIT 0xd0000u

/* Working memory, from here to abi_call.memory_size; reads as zeros at first. */
#define ABI_ARENA_BASE 0x200000u

#define ABI_DOORBELL_PORT 0x10u

/* First bytes of a guest program's flat binary, filled in by the linker. */
#define ABI_PROGRAM_MAGIC 0x52545349u /* "ISTR" */
struct abi_program {
        uint32_t magic;
        uint32_t version;    /* ABI_VERSION */
        uint32_t entry;      /* guest address of the first instruction */
        uint32_t text_end;   /* page-aligned guest addresses: text is */
        uint32_t rodata_end; /*   [ABI_PROGRAM_BASE, text_end), and so on */
        uint32_t data_end;   /* end of what the flat binary holds */
        uint32_t bss_end;    /* [data_end, bss_end) reads as zeros */
        uint32_t reserved;
};

/* ---- the call: what the guest is asked to do ----------------------------- */

/* Actions of `instar bitmap`, and one of `instar check`; the guest refuses any other
 * number. */
enum abi_action {
        ABI_ACTION_ADD = 1,
        ABI_ACTION_REMOVE = 2,
        ABI_ACTION_CLEAR = 3,
        ABI_ACTION_ENABLE = 4,
        ABI_ACTION_DISABLE = 5,
        ABI_ACTION_MERGE = 6,      /* all sources at once */
        ABI_ACTION_REMOVE_ALL = 7, /* of every bitmap: alone, and no target is named */
        ABI_ACTION_RESET = 8,      /* alone: a bitmap in use is all dirty from now on */
};

#define ABI_MAX_ACTIONS       8u
#define ABI_MAX_MERGE_SOURCES 8u
#define ABI_MAX_NAME          1023u
#define ABI_NAMES_POOL        2048u /* bytes of merge source names together */

/* abi_call.flags */
#define ABI_CALL_NO_OWNERSHIP_SCAN                                                       \
        1u /* trust that no L2 entry names a bitmap's cluster */
#define ABI_CALL_BLOCK_DEVICE                                                            \
        2u /* its size cannot change; fresh clusters may hold data */
#define ABI_CALL_COUNT         4u   /* info: read the bitmaps' tables and data, too */
#define ABI_CALL_PROGRESS      8u   /* check: tell how far it is */
#define ABI_CALL_DRY_RUN       16u  /* bitmap, repair: plan everything, write nothing */
#define ABI_CALL_REPAIR_ALL    32u  /* repair: not only leaks */
#define ABI_CALL_RESET_DAMAGED 64u  /* repair: damaged bitmaps become all dirty */
#define ABI_CALL_SHRINK        128u /* resize: the disk may become smaller */

/* How abi_call.size is meant. */
enum abi_size_mode {
        ABI_SIZE_ABSOLUTE = 0,
        ABI_SIZE_MORE = 1, /* than now */
        ABI_SIZE_LESS = 2,
};

/* Bytes of the image. */
struct abi_range {
        uint64_t offset;
        uint64_t length;
};
#define ABI_MAX_RANGES 128u

/*
 * Parameters of `instar bitmap`, and at the end those of the proof that nothing in the
 * image refers to some ranges (guest/ops/unreferenced.c).  A merge source is a slice of
 * `names`; the target's name is kept apart, and is `instar map`'s bitmap, too.
 * granularity 0 means the default.
 */
struct abi_call {
        uint64_t memory_size;        /* end of the arena, bytes from address 0 */
        uint64_t file_size;          /* bytes, as fstat or BLKGETSIZE64 say */
        uint64_t header_fingerprint; /* of the first ABI_PROBE_SIZE bytes the host saw */
        uint64_t granularity;        /* bytes; 0: the default */
        uint32_t flags;
        uint32_t action_count;
        uint32_t actions[ABI_MAX_ACTIONS];
        uint32_t source_count;
        uint32_t target_length;
        uint16_t source_offset[ABI_MAX_MERGE_SOURCES]; /* into names */
        uint16_t source_length[ABI_MAX_MERGE_SOURCES];
        uint8_t target[1024];
        uint8_t names[ABI_NAMES_POOL];
        uint32_t range_count;
        uint32_t columns; /* map: of the picture, at most ABI_MAX_COLUMNS; 0: none */
        struct abi_range ranges[ABI_MAX_RANGES];
        uint64_t size;      /* resize: bytes of the disk */
        uint32_t size_mode; /* resize: enum abi_size_mode */
        uint32_t reserved;  /* 0 */
};

/* The host fingerprints min(file size, this) bytes from offset 0; it reads no
 * meaning into them (invariant 8). */
#define ABI_PROBE_SIZE 512u

/* ---- the doorbell -------------------------------------------------------- */

enum abi_op {
        /* image [offset, +length) -> guest memory [addr, +length).  Bytes behind
         * the end of the file read as zeros. */
        ABI_READ = 1,
        /* value := 1 if [offset, +length) lies inside the file and is wholly a
         * hole that reads as zeros, else 0.  The one request with an answer. */
        ABI_QUERY_HOLE = 2,
        /* Arena [ABI_ARENA_BASE, +length) becomes host-cleared huge pages. */
        ABI_POPULATE = 3,
        /* Start a transaction.  offset: the file size the plan rests on;
         * length: the final size (not below it; equal on a block device);
         * flags: ABI_BEGIN_PREPARES or 0.  Behind one with 0 there is no other. */
        ABI_BEGIN = 4,
        /* The image's [offset, +length) has this fingerprint (in value). */
        ABI_ASSERT = 5,
        /* Declare a change of step `step`; see ABI_CHANGE_* flags. */
        ABI_JOURNAL = 6,
        /* Apply what was declared for step `step`, then make it durable. */
        ABI_APPLY = 7,
        /* The last request of the last doorbell: `result` holds the outcome. */
        ABI_END = 8,
        /* [offset, +length) are clusters that the transaction takes: nothing refers to
         * them before the switch.  Before any ABI_APPLY. */
        ABI_CLAIM = 9,
        /* [addr, +length) is a report of kind `value` (enum abi_report_kind) for the
         * user.  Only programs that look make any. */
        ABI_REPORT = 10,
};

/* abi_request.flags of ABI_BEGIN: this transaction makes room for the edit, which
 * follows in another one. */
#define ABI_BEGIN_PREPARES 1u

/*
 * abi_request.flags of ABI_JOURNAL.  With none, a change writes [addr, +length)
 * over old bytes whose fingerprint is in value.
 */
#define ABI_CHANGE_FRESH                                                                 \
        1u /* whole sectors; the old content is absent (behind the                       \
            * end) or all zeros; value is not used */
#define ABI_CHANGE_SWITCH                                                                \
        2u /* the commit point: within one 512-byte sector, once, and                    \
            * alone in its step */
#define ABI_CHANGE_PUNCH    4u /* release only: punch a hole; value is not used */
#define ABI_CHANGE_TRUNCATE 8u /* release only: cut the file to `offset` bytes */

/* abi_request.flags of ABI_APPLY: more of this step follows, no barrier yet. */
#define ABI_APPLY_PART 1u

struct abi_request {
        uint32_t op;
        uint32_t step; /* 1.. ; JOURNAL and APPLY only */
        uint32_t flags;
        uint32_t reserved; /* 0 */
        uint64_t offset;   /* in the image */
        uint64_t length;
        guest_addr_t addr;
        uint64_t value;
};

#define ABI_SECTOR 512u

/* Bounds that the host enforces on every guest (invariant 9). */
#define ABI_MAX_REQUESTS     1024u         /* a doorbell */
#define ABI_MAX_TRANSFER     (64ull << 20) /* bytes of a doorbell's requests */
#define ABI_MAX_DOORBELLS    1000000ull    /* a run */
#define ABI_MAX_PENDING      65536u        /* declared, not yet applied changes */
#define ABI_MAX_OVERWRITE    (1ull << 20)  /* bytes of a change that is not fresh */
#define ABI_MAX_READ         (1ull << 40)  /* bytes read in a run */
#define ABI_MAX_GROWTH       (4ull << 30)  /* final size - old size of a transaction */
#define ABI_MAX_STEP         64u
#define ABI_MAX_TRANSACTIONS 4096u /* a run */

/*
 * Outcome of a guest program.  The texts are the host's (host/cli/messages.c);
 * detail[] holds the numbers they show.
 */
enum abi_code {
        ABI_OK = 0,
        /* rows of the specification's guest-side table, in its order */
        ABI_NOT_QCOW2 = 1,
        ABI_QCOW2_V2 = 2,
        ABI_BAD_HEADER = 3, /* detail[0]: enum abi_header_fault, detail[1]: the value */
        ABI_HEADER_CHANGED = 4,
        ABI_NOT_FOUND = 5,
        ABI_EXISTS = 6,
        ABI_IN_USE = 7,
        ABI_NAME_TOO_LONG = 8,
        ABI_BAD_GRANULARITY = 9,
        ABI_TOO_MANY_BITMAPS = 10,
        ABI_NO_SPACE = 11,
        ABI_WRITE_ERROR = 12, /* the host's own */
        ABI_READ_ERROR = 13,  /* the host's own */
        ABI_TOO_LARGE = 14,
        ABI_OVERFLOW = 15,
        ABI_SOURCE_NOT_FOUND = 16, /* detail[0]: index of the source */
        ABI_BAD_ACTION = 17,
        ABI_REFCOUNT_WIDTH = 18, /* detail[0]: refcount bits */
        ABI_GRANULARITY_MISMATCH = 19,
        /* states that the specification does not name */
        ABI_DIRTY = 32,                /* incompatible bit 0 */
        ABI_CORRUPT = 33,              /* incompatible bit 1 */
        ABI_UNKNOWN_INCOMPATIBLE = 34, /* detail[0]: the unknown bits */
        ABI_BAD_EXTENSION = 35, /* detail[0]: file offset of the extension, detail[1]: its
                                 * type, detail[2]: enum abi_extension_fault */
        ABI_BAD_DIRECTORY = 36, /* detail[0]: file offset, detail[1]: entry index,
                                 * detail[2]: enum abi_directory_fault */
        ABI_BAD_TABLE =
            37, /* detail[0]: file offset of the table, detail[1]: entry index,
                 * detail[2]: the entry; detail[3]: 0 target, 1.. source */
        ABI_BAD_REFCOUNTS = 38, /* detail[0]: cluster's file offset, detail[1]: its
                                 * refcount, detail[2]: enum abi_refcount_fault */
        ABI_NO_AUTOCLEAR_EXTENSION = 39, /* autoclear bit set, no bitmaps extension */
        ABI_REFERENCED = 40,   /* something refers to a range; detail[0]: file offset */
        ABI_UNPROVABLE = 41,   /* the image is damaged: who refers to what is not known */
        ABI_BAD_BITMAP = 42,   /* detail[2]: enum abi_bitmap_fault (guest/abi_check.h) */
        ABI_UNREPAIRABLE = 43, /* detail[0]: enum abi_unrepairable, its numbers */
        ABI_HAS_BITMAPS = 44,  /* resize: or at least a bitmaps extension */
        ABI_SHRINKS = 45,    /* resize: the new size is smaller, and it was not said so */
        ABI_BAD_RESIZE = 46, /* detail[0]: enum abi_resize_fault */
};

/* What a repair does not do. */
enum abi_unrepairable {
        ABI_UNREPAIRABLE_REMAINS = 1, /* corruptions, leaks: would be left */
        ABI_UNREPAIRABLE_INCOMPLETE,  /* the check comes to no end */
        ABI_UNREPAIRABLE_EXTENSION,   /* file offset: data hangs on what was lost there */
        ABI_UNREPAIRABLE_L1,          /* file offset of an L1 table that is not its own */
        ABI_UNREPAIRABLE_LEAKS,       /* leaks only: the refcounts cannot be trusted */
        ABI_UNREPAIRABLE_FULL,        /* the device has no room for what is made anew */
};

/* Why an image is not resized. */
enum abi_resize_fault {
        ABI_RESIZE_NOT_POSITIVE = 1, /* the new size, or it is no number of 63 bits */
        ABI_RESIZE_UNALIGNED,        /* the new size is no multiple of 512 */
        ABI_RESIZE_L1_TOO_LARGE,
        ABI_RESIZE_V2_SNAPSHOTS,
        ABI_RESIZE_DATA_FILE,
        /* what qemu-img does, and instar does not */
        ABI_RESIZE_SNAPSHOTS,       /* the mapping changes; snapshots may share it */
        ABI_RESIZE_BACKING_V2,      /* the new area may show the backing file */
        ABI_RESIZE_BACKING_PARTIAL, /* the same, of the disk's last cluster */
        ABI_RESIZE_BACKING_LARGE,   /* too many L2 tables of zeros */
        ABI_RESIZE_DAMAGED,         /* detail[1]: file offset of a table */
};

enum abi_header_fault {
        ABI_HEADER_SHORT = 1,    /* file ends inside the header */
        ABI_HEADER_VERSION,      /* version not 2 or 3 */
        ABI_HEADER_CLUSTER_BITS, /* not 9..21 */
        ABI_HEADER_LENGTH, /* header_length below 104, unaligned, or beyond the cluster */
        ABI_HEADER_BACKING,  /* backing name outside the header cluster, or too long */
        ABI_HEADER_REFTABLE, /* refcount table unaligned, empty, too large, behind the end
                              */
        ABI_HEADER_L1,       /* L1 table unaligned, too large or behind the end */
        ABI_HEADER_SNAPSHOTS,      /* snapshot table unaligned or behind the end */
        ABI_HEADER_SIZE,           /* virtual size out of range */
        ABI_HEADER_REFCOUNT_ORDER, /* above 6 */
        ABI_HEADER_COMPRESSION,    /* type above 1, or contradicts incompatible bit 3 */
        ABI_HEADER_SUBCLUSTERS,    /* extended L2 entries, clusters below 16 KiB */
        ABI_HEADER_ENCRYPTION,     /* method above 2 */
        ABI_HEADER_RAW_DATA,       /* autoclear bit 1 without a data file */
        ABI_HEADER_NO_LUKS,        /* method 2 without the encryption extension */
        ABI_HEADER_SNAPSHOT_EXTRA, /* value: file offset of a snapshot's entry that has
                                    * too much extra data */
};

enum abi_extension_fault {
        ABI_EXTENSION_OVERRUN = 1, /* runs past the area's end */
        ABI_EXTENSION_LENGTH,      /* bitmaps extension is not 24 bytes */
        ABI_EXTENSION_DUPLICATE,   /* a second bitmaps extension */
        ABI_EXTENSION_RESERVED,    /* reserved field not zero */
        ABI_EXTENSION_NO_BITMAPS,  /* zero bitmaps, autoclear bit set */
        ABI_EXTENSION_TOO_MANY,    /* more than 65535 bitmaps */
        ABI_EXTENSION_DIRECTORY, /* directory offset unaligned, zero, or behind the end */
        ABI_EXTENSION_DIRECTORY_SIZE, /* directory size zero or over the maximum */
        ABI_EXTENSION_TOO_LONG,       /* a name longer than QEMU takes */
        ABI_EXTENSION_NOT_LUKS,       /* an encryption extension, but another method */
        ABI_EXTENSION_LUKS,           /* ... not 16 bytes long, or offset unaligned */
};

enum abi_directory_fault {
        ABI_DIRECTORY_TRUNCATED = 1, /* an entry runs past the directory's end */
        ABI_DIRECTORY_COUNT,         /* more or fewer entries than the extension says */
        ABI_DIRECTORY_TABLE_OFFSET,
        ABI_DIRECTORY_TABLE_SIZE,
        ABI_DIRECTORY_FLAGS,
        ABI_DIRECTORY_TYPE,
        ABI_DIRECTORY_GRANULARITY,
        ABI_DIRECTORY_NAME_SIZE,
        ABI_DIRECTORY_DUPLICATE_NAME,
        ABI_DIRECTORY_PADDING,
        ABI_DIRECTORY_NO_NAME,     /* forbidden, but QEMU does not mind */
        ABI_DIRECTORY_EXTRA,       /* extra data: allowed, but QEMU opens no such image */
        ABI_DIRECTORY_SAME_TO_NUL, /* the same name up to a NUL: allowed, but the same */
        ABI_DIRECTORY_DUPLICATE_IN_USE, /* a name twice: QEMU passes over the second */
};

enum abi_refcount_fault {
        ABI_REFCOUNT_TAIL =
            1, /* a cluster at or behind the end of the file has a refcount */
        ABI_REFCOUNT_BLOCK,   /* a refcount block unaligned or behind the end */
        ABI_REFCOUNT_SHARED,  /* an in-place write would hit a cluster whose refcount is
                                 not 1 */
        ABI_REFCOUNT_OVERLAP, /* an in-place write would hit header, L1, refcount or
                                 snapshots */
        ABI_REFCOUNT_IN_USE, /* a cluster of a block device has refcount 0 and is referred
                                to */
};

/* What the guest tells about a run that ended.  No text: the host has the texts. */
struct abi_result {
        uint32_t code; /* enum abi_code */
        uint32_t actions_applied;
        uint32_t bitmaps;  /* in the image afterwards */
        uint32_t affected; /* of ABI_ACTION_REMOVE_ALL and _RESET: bitmaps that change */
        uint64_t leaked_clusters; /* not freed because ownership was not proved */
        uint64_t detail[4];       /* ABI_OK of resize: [0] old size, [1] new size */
};

struct abi_doorbell {
        uint32_t count; /* requests that follow */
        uint32_t reserved;
        struct abi_result result; /* with ABI_END */
        struct abi_request requests[ABI_MAX_REQUESTS];
};

#endif
