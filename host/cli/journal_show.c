/* SPDX-License-Identifier: MIT */
/*
 * The file is examined as a whole first (journal_reader_open()), so that a malformed one
 * leaves stdout empty; then it is walked through once more, record by record.
 *
 * A living writer is told of, not waited for.  It appends batches and writes the ending
 * record; what is closed stays as it is.  But it may be in the middle of a sector that is
 * read here, so damage means nothing while it lives.
 */
#include "host/cli/journal_show.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cli/exit_code.h"
#include "host/cli/journal_view.h"
#include "host/cli/messages.h"

struct show {
        int fd;
        struct text *err;
        const struct journal_view *view;
        struct shown_journal journal;
        struct journal_reader reader;
        struct output output;
};

static int complain(struct text *err, enum message message,
                    const struct message_values *values, int exit_code)
{
        message_append(err, "instar journal", message, values);
        return exit_code;
}

/* ---- opening ---------------------------------------------------------------- */

/* Looked at by name first: to open some devices has effects.  A link may be named, and
 * a FIFO that appears in between blocks nobody. */
static int open_file(struct show *show, const char *path)
{
        struct message_values values = {.path = path};
        struct stat status;
        bool opened = stat(path, &status) == 0;

        if (opened && S_ISREG(status.st_mode)) {
                show->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                opened = show->fd >= 0 && fstat(show->fd, &status) == 0;
        }
        values.error = errno;
        if (!opened)
                return complain(show->err, MESSAGE_OPEN_FAILED, &values, EXIT_REFUSED);
        if (!S_ISREG(status.st_mode))
                return complain(show->err, MESSAGE_NOT_A_REGULAR_FILE, &values,
                                EXIT_REFUSED);
        return EXIT_DONE;
}

/* Asked, not taken: it would make a recovery that begins now take us for the writer. */
static enum shown_writer writer_of(int fd)
{
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

        if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
                return SHOWN_WRITER_UNKNOWN;
        return lock.l_type == F_UNLCK ? SHOWN_WRITER_GONE : SHOWN_WRITER_ALIVE;
}

/* ---- what is wrong ------------------------------------------------------------ */

/* The reader's error, a negative errno, in words. */
static int explain(struct show *show, int error)
{
        struct message_values values = {
            .path = show->journal.path,
            .journal = show->journal.path,
            .fault = journal_fault_text(show->reader.fault),
            .error = -error,
            .detail = {show->reader.fault_offset, show->reader.header.version,
                       JOURNAL_FORMAT_VERSION},
        };

        if (error == -EPROTONOSUPPORT)
                return complain(show->err, MESSAGE_SHOW_NEWER, &values, EXIT_BAD_JOURNAL);
        if (error != -EBADMSG)
                return complain(show->err, MESSAGE_SHOW_UNREADABLE, &values,
                                EXIT_BAD_JOURNAL);
        if (show->journal.writer == SHOWN_WRITER_ALIVE ||
            writer_of(show->fd) == SHOWN_WRITER_ALIVE)
                return complain(show->err, MESSAGE_RECOVERY_BUSY, &values, EXIT_REFUSED);
        return complain(show->err, MESSAGE_SHOW_DAMAGED, &values, EXIT_BAD_JOURNAL);
}

/* ---- walking -------------------------------------------------------------------- */

static enum shown_state state_of(const struct journal_reader *reader)
{
        if (reader->ending)
                return reader->ending == JOURNAL_DONE ? SHOWN_DONE : SHOWN_ABORTED;
        if (reader->closed_batches == 0)
                return SHOWN_NEVER_BEGUN;
        return reader->recovering ? SHOWN_RECOVERING : SHOWN_PENDING;
}

/* One batch, from its first record, which is in *record, to its closing one, which is
 * there afterwards.  1 or a negative errno. */
static int show_batch(struct show *show, struct journal_record *record)
{
        bool first = true;
        int status = 1;

        show->view->batch_begin(&show->output, record->batch);
        while (status == 1 && record->kind != JOURNAL_RECORD_CLOSE) {
                if (record->kind == JOURNAL_RECORD_CHANGE) {
                        show->view->change(&show->output, record, first);
                        journal_tally_add(&show->journal.tally, record);
                        first = false;
                } else if (record->kind == JOURNAL_RECORD_CLAIM) {
                        show->view->claim(&show->output, record, first);
                        first = false;
                }
                status = journal_reader_next(&show->reader, record);
        }
        if (status == 1)
                show->view->batch_end(&show->output, record);
        return status;
}

/* 0 or a negative errno of the reader; the output keeps its own. */
static int show_all(struct show *show)
{
        struct journal_record record;
        int status = journal_reader_first(&show->reader, &record);

        if (status < 0)
                return status;
        if (status == 1)
                show->journal.asked = record;
        show->view->head(&show->output, &show->journal);
        while (status == 1 && !show->output.error) {
                status = show_batch(show, &record);
                if (status == 1)
                        status = journal_reader_next(&show->reader, &record);
        }
        if (status == 0)
                show->view->tail(&show->output, &show->journal);
        return status < 0 ? status : 0;
}

static int examine_and_show(struct show *show)
{
        struct message_values values = {0};
        int error;

        show->journal.writer = writer_of(show->fd);
        error = journal_reader_open(&show->reader, show->fd);
        if (error)
                return explain(show, error);
        show->journal.reader = &show->reader;
        show->journal.state = state_of(&show->reader);
        error = show_all(show);
        values.error = output_finish(&show->output);
        if (values.error)
                return complain(show->err, MESSAGE_PRINT_FAILED, &values, EXIT_REFUSED);
        return error ? explain(show, error) : EXIT_DONE;
}

int journal_show(const char *path, bool json, int out_fd, struct text *err)
{
        struct message_values none = {0};
        struct show *show = malloc(sizeof *show);
        int exit_code;

        if (!show)
                return complain(err, MESSAGE_OUT_OF_MEMORY, &none, EXIT_REFUSED);
        show->fd = -1;
        show->err = err;
        show->view = json ? &journal_view_json : &journal_view_human;
        show->journal = (struct shown_journal){.path = path};
        output_start(&show->output, out_fd);
        exit_code = open_file(show, path);
        if (exit_code == EXIT_DONE)
                exit_code = examine_and_show(show);
        if (show->fd >= 0)
                close(show->fd);
        free(show);
        return exit_code;
}
