/* SPDX-License-Identifier: MIT */
/* The reader, against another one. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/harness/journal_judge.h"

void journal_complain(const char *format, ...)
{
        va_list arguments;
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        abort();
}

static void compare_file(const struct journal_reader *reader, int error,
                         const struct second *second)
{
        static const int errors[] = {[SECOND_SOUND] = 0,
                                     [SECOND_DAMAGED] = -EBADMSG,
                                     [SECOND_NEWER] = -EPROTONOSUPPORT};
        if (error != errors[second->verdict] || (error != 0) != (reader->fault != 0))
                journal_complain("the reader says %d (%s), the other one %d", error,
                                 journal_fault_text(reader->fault),
                                 errors[second->verdict]);
        if (reader->has_header != second->has_header)
                journal_complain("one of two readers sees a header");
        if (error)
                return;
        if (reader->ending != second->ending ||
            reader->recovering != second->recovering ||
            reader->closed_batches != second->closed_batches ||
            reader->records != second->count ||
            reader->has_switch != (second->switch_record >= 0))
                journal_complain("two readers see other batches");
        if (second->has_header && (reader->header.old_size != second->old_size ||
                                   reader->header.final_size != second->final_size))
                journal_complain("two readers see other sizes");
}

static bool same_change(const struct journal_record *record,
                        const struct second_record *other)
{
        return record->change.offset == other->offset &&
               record->change.sectors == other->sectors &&
               record->change.step == other->step &&
               record->change.is_switch == other->is_switch &&
               record->change.old == (enum journal_old)other->old &&
               !memcmp(record->change.hashes, other->hashes, other->sectors * 8) &&
               (record->change.old_bytes != NULL) == (other->old_bytes != NULL) &&
               (!other->old_bytes || !memcmp(record->change.old_bytes, other->old_bytes,
                                             other->sectors * 512));
}

static void compare_record(const struct journal_record *record,
                           const struct second_record *other)
{
        bool same = record->kind == (enum journal_record_kind)other->kind &&
                    record->position == other->position &&
                    record->previous == other->previous &&
                    record->sequence == other->sequence && record->batch == other->batch;
        if (same && record->kind == JOURNAL_RECORD_CHANGE)
                same = same_change(record, other);
        else if (same && record->kind == JOURNAL_RECORD_CLAIM)
                same = record->claim.offset == other->offset &&
                       record->claim.length == other->length;
        if (!same)
                journal_complain("two readers see other records at %llu",
                                 (unsigned long long)other->position);
}

static void walk_forward(struct journal_reader *reader, const struct second *second)
{
        struct journal_record record;
        uint32_t count = 0;
        int status = journal_reader_first(reader, &record);
        for (; status == 1; status = journal_reader_next(reader, &record))
                compare_record(&record, &second->records[count++]);
        if (status || count != second->count)
                journal_complain("forward: %d behind %u records of %u", status, count,
                                 second->count);
}

static void walk_backward(struct journal_reader *reader, const struct second *second)
{
        struct journal_record record;
        uint32_t count = second->count;
        int status = journal_reader_last(reader, &record);
        for (; status == 1; status = journal_reader_previous(reader, &record))
                compare_record(&record, &second->records[--count]);
        if (status || count)
                journal_complain("backward: %d with %u records left", status, count);
}

void journal_judge_reader(const struct journal_world *world, const struct second *second)
{
        static struct journal_reader reader;
        int fd = journal_world_open(world);
        for (int time = 0; time < 2; time++) {
                int error = journal_reader_open(&reader, fd);
                compare_file(&reader, error, second);
                if (error)
                        continue;
                walk_forward(&reader, second);
                walk_backward(&reader, second);
        }
        journal_world_close(fd);
}
