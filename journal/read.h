/* SPDX-License-Identifier: MIT */
/*
 * Reading a journal file, strictly and with bounded memory.  Rollback, recovery and
 * the printing of a journal all go through here.
 *
 *     journal_reader_open()     examines the whole file once: state, damage, ending
 *     journal_reader_first()/journal_reader_next()        forward, or
 *     journal_reader_last()/journal_reader_previous()     backward
 *
 * Only records of closed batches are ever returned; the file is read again, and checked
 * again, on the way.  The file must not change meanwhile: the caller holds its lock,
 * or is its writer.  The only system calls are pread64 and lseek.
 */
#ifndef INSTAR_JOURNAL_READ_H
#define INSTAR_JOURNAL_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/bytes.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "journal/sector.h"

#define READER_WINDOW_SECTORS 128u

/* What is wrong with a damaged file, and where. */
enum journal_fault {
        JOURNAL_FAULT_NONE = 0,
        JOURNAL_FAULT_HEADER,  /* sector 0: checksum or magic */
        JOURNAL_FAULT_VERSION, /* of a newer format */
        JOURNAL_FAULT_FIELD,   /* a header field with an impossible value */
        JOURNAL_FAULT_ENDING,  /* sector 1 is neither empty nor an ending record */
        JOURNAL_FAULT_SECTOR,  /* a sector of a batch: checksum */
        JOURNAL_FAULT_RECORD,  /* a record with an impossible value */
        JOURNAL_FAULT_BATCH,   /* a closing record that does not fit its batch */
        JOURNAL_FAULT_MISSING, /* a batch has a hole, though a later one was begun */
};

/* One text for each; never NULL. */
const char *journal_fault_text(enum journal_fault fault);

struct journal_header {
        uint32_t version;
        uint8_t transaction[JOURNAL_ID_SIZE];
        uint8_t boot[JOURNAL_BOOT_ID_SIZE]; /* zeros: not known */
        uint64_t old_size;
        uint64_t final_size;
        uint64_t time; /* ns since the epoch */
        struct journal_identity identity;
};

struct journal_record {
        enum journal_record_kind kind;
        uint64_t position; /* file offset, for messages */
        uint64_t previous; /* file offset of the record before it; 0: none */
        uint64_t sequence;
        uint32_t batch;
        union {
                struct {
                        const uint8_t *text; /* not terminated */
                        uint32_t length;
                        const uint8_t *path; /* of the image; not terminated */
                        uint32_t path_length;
                } asked;
                struct {
                        uint64_t offset; /* in the image */
                        uint32_t sectors;
                        uint32_t step;
                        bool is_switch;
                        enum journal_old old;
                        const uint8_t *hashes;    /* journal_record_hash() */
                        const uint8_t *old_bytes; /* NULL unless JOURNAL_OLD_BYTES */
                } change;
                struct {
                        uint64_t offset; /* in the image */
                        uint64_t length;
                } claim;
                struct {
                        uint64_t count;
                        uint64_t time; /* ns since the epoch */
                } close;
        };
};

/* The hash of a change's sector number `sector`, counted from its first. */
static inline uint64_t journal_record_hash(const struct journal_record *record,
                                           uint32_t sector)
{
        return load_le64(record->change.hashes + (size_t)sector * 8u);
}

struct journal_reader {
        int fd;

        /* found by journal_reader_open() */
        bool has_header; /* false: nothing of the header ever arrived */
        struct journal_header header;
        uint32_t closed_batches;
        uint64_t records;       /* in closed batches, closing records included */
        uint64_t last_close;    /* file offset of the last closing record; 0: none */
        uint64_t close_time;    /* its time; 0: none */
        uint64_t switch_offset; /* of the switch's sector in the image */
        bool has_switch;        /* in a closed batch */
        uint32_t ending;        /* enum journal_end; 0: not ended */
        uint64_t ending_time;   /* of the end, or of the recovery that was begun */
        bool recovering;        /* a recovery was begun, and has not ended */
        uint8_t recovering_boot[JOURNAL_BOOT_ID_SIZE];
        enum journal_fault fault;
        uint64_t fault_offset; /* file offset of what is damaged */

        /* the current record */
        uint64_t next_position;
        uint32_t next_batch;
        struct journal_record current;

        /* the running state of the examination */
        uint32_t last_step;
        uint64_t batch_records;
        uint32_t batch_crc;

        uint64_t tag;
        uint64_t window_first; /* sector number */
        uint64_t window_count;
        uint8_t window[READER_WINDOW_SECTORS * JOURNAL_SECTOR];
        uint8_t record[RECORD_MAX_SIZE];
};

/*
 * Anybody may have written a journal.  What is set here is called whenever one is about
 * to be read, so that the process can first give up what it will not need; an error that
 * it returns, a negative errno, is that of the reader, and nothing is read.
 */
void journal_before_reading(int (*prepare)(void));

/*
 * Examine the journal file behind `fd`.  0 where it is in order, whether it has closed
 * batches or none; -EBADMSG where it is damaged, -EPROTONOSUPPORT where it is of a
 * newer format (`fault` and `fault_offset` say more, and the header is valid if
 * has_header); else the negative errno of a failed read.
 */
int journal_reader_open(struct journal_reader *reader, int fd);

/*
 * Step to a record.  1 and *record filled (its pointers live until the next call),
 * 0 behind the last one or before the first one, or a negative errno as above.
 */
int journal_reader_first(struct journal_reader *reader, struct journal_record *record);
int journal_reader_next(struct journal_reader *reader, struct journal_record *record);
int journal_reader_last(struct journal_reader *reader, struct journal_record *record);
int journal_reader_previous(struct journal_reader *reader, struct journal_record *record);

/* Back to a record that was returned before, by its position and batch. */
int journal_reader_seek(struct journal_reader *reader, uint64_t position, uint32_t batch,
                        struct journal_record *record);

/* What journal_reader_open() is made of (read_record.c, read_sector.c). */

/* A sector of the file, and what it is; *bytes is valid until the next call. */
int journal_reader_sector(struct journal_reader *reader, uint64_t index,
                          const uint8_t **bytes, enum sector_state *state);

/*
 * Parse the record at `position`, which must belong to batch `batch`, into *record.
 * 1; 0 if a part of it is absent; negative errno, with the fault noted.  The running
 * batch checksum takes in what the record adds to it.
 */
int journal_reader_parse(struct journal_reader *reader, uint64_t position, uint32_t batch,
                         struct journal_record *record);

/* Note the damage; returns -EBADMSG. */
int journal_reader_damaged(struct journal_reader *reader, enum journal_fault fault,
                           uint64_t offset);

#endif
