/* SPDX-License-Identifier: MIT */
/*
 * The parent's side of the index: a socket to the child that has LMDB open.
 *
 * Under the sandbox this side needs no more than write and recvfrom.  The
 * receive timeout of the socket is the deadline; SIGCHLD is ignored, so that the kernel
 * reaps the child; and the child ends when this end of the socket is closed, by us or
 * by our death.
 */
#include "journal/journal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "journal/bytes.h"
#include "journal/index_child.h"
#include "journal/index_entry.h"

#define DEADLINE_SECONDS 1

struct journal_index {
        int socket;
        int error;                /* sticky */
        unsigned int outstanding; /* entries sent and not answered */
        uint8_t message[INDEX_MESSAGE_MAX];
};

static int ignore_children(void)
{
        struct sigaction action = {.sa_handler = SIG_IGN};

        return sigaction(SIGCHLD, &action, NULL) == 0 ? 0 : -errno;
}

/* Both ends; the first one is ours. */
static int make_sockets(int ends[2])
{
        struct timeval deadline = {.tv_sec = DEADLINE_SECONDS};

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
                return -errno;
        if (setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) !=
            0) {
                int error = -errno;
                close(ends[0]);
                close(ends[1]);
                return error;
        }
        return 0;
}

static int fork_child(const char *state_directory, int *socket)
{
        int ends[2];
        int error = ignore_children();
        pid_t child;

        if (!error)
                error = make_sockets(ends);
        if (error)
                return error;
        child = fork();
        if (child == 0)
                index_child_run(ends[1], state_directory);
        if (child < 0) {
                error = -errno;
                close(ends[0]);
        }
        close(ends[1]);
        *socket = ends[0];
        return error;
}

int journal_index_start(const char *state_directory, struct journal_index **index)
{
        struct journal_index *started;
        int error;

        *index = NULL;
        if (!state_directory)
                return 0;
        started = calloc(1, sizeof *started);
        if (!started)
                return -ENOMEM;
        error = fork_child(state_directory, &started->socket);
        if (error) {
                free(started);
                return error;
        }
        *index = started;
        return 0;
}

/* The child is gone: an error of the socket says no more than that. */
static int socket_error(void)
{
        switch (errno) {
        case EAGAIN:
                return -ETIMEDOUT;
        case ECONNRESET:
        case ENOTCONN:
                return -EPIPE;
        default:
                return -errno;
        }
}

/* write(2), which the sandbox allows anyway.  There is room for a message, so it does not
 * wait; a SOCK_SEQPACKET socket raises no SIGPIPE. */
static int send_message(struct journal_index *index, enum index_message kind, size_t size)
{
        if (index->error)
                return index->error;
        store_le32(index->message, kind);
        if (write(index->socket, index->message, 4 + size) < 0)
                return index->error = socket_error();
        index->outstanding++;
        return 0;
}

int journal_index_put(struct journal_index *index,
                      const struct journal_index_entry *entry)
{
        uint8_t *transaction;
        size_t size;

        if (!index)
                return 0;
        if (index->error)
                return index->error;
        transaction = index->message + 4;
        size = index_entry_store(entry, transaction + INDEX_TRANSACTION_SIZE,
                                 INDEX_ENTRY_MAX);
        if (size == 0)
                return index->error = -ENAMETOOLONG;
        memcpy(transaction, entry->transaction, INDEX_TRANSACTION_SIZE);
        return send_message(index, INDEX_PUT, INDEX_TRANSACTION_SIZE + size);
}

static time_t now(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec;
}

/*
 * One answer, into index->message: the bytes that follow its error, or a negative errno,
 * which is kept.  A signal starts the socket's timeout anew, so the clock decides then.
 */
static ssize_t receive_answer(struct journal_index *index)
{
        time_t deadline = now() + DEADLINE_SECONDS;
        ssize_t n;

        if (index->error)
                return index->error;
        do
                n = recv(index->socket, index->message, sizeof index->message, 0);
        while (n < 0 && errno == EINTR && now() <= deadline);
        if (n < 0)
                index->error = errno == EINTR ? -ETIMEDOUT : socket_error();
        else if (n < 4)
                index->error = -EPIPE;
        else
                index->error = -(int)load_le32(index->message);
        return index->error ? index->error : n - 4;
}

int journal_index_wait(struct journal_index *index)
{
        if (!index)
                return 0;
        while (!index->error && index->outstanding) {
                (void)receive_answer(index);
                index->outstanding--;
        }
        return index->error;
}

int journal_index_find(struct journal_index *index,
                       const struct journal_identity *identity)
{
        if (!index)
                return 0;
        index_identity_store(index->message + 4, identity);
        return send_message(index, INDEX_FIND, INDEX_IDENTITY_SIZE);
}

int journal_index_found(struct journal_index *index,
                        int (*visit)(void *context, const char *path), void *context)
{
        const char *path;
        const char *end;
        ssize_t size;
        int stop = 0;

        if (!index || !index->outstanding)
                return index ? index->error : 0;
        index->outstanding--;
        size = receive_answer(index);
        if (size < 0)
                return (int)size;
        path = (const char *)index->message + 4;
        for (end = path + size; path < end && !stop; path += strlen(path) + 1) {
                if (!memchr(path, '\0', (size_t)(end - path)))
                        return index->error = -EBADMSG;
                stop = visit(context, path);
        }
        return stop;
}

/* An entry of a list, in index->message. */
static int visit_entry(struct journal_index *index, size_t size,
                       int (*visit)(void *context,
                                    const struct journal_index_entry *entry),
                       void *context)
{
        struct journal_identity identities[2];
        struct journal_index_entry entry;
        const uint8_t *transaction = index->message + 4;

        if (size <= INDEX_TRANSACTION_SIZE ||
            index_entry_load(transaction + INDEX_TRANSACTION_SIZE,
                             size - INDEX_TRANSACTION_SIZE, &entry, identities) != 0)
                return index->error = -EBADMSG;
        memcpy(entry.transaction, transaction, INDEX_TRANSACTION_SIZE);
        entry.transaction[INDEX_TRANSACTION_SIZE] = '\0';
        return visit(context, &entry);
}

int journal_index_each(struct journal_index *index,
                       int (*visit)(void *context,
                                    const struct journal_index_entry *entry),
                       void *context)
{
        ssize_t size;
        int stop = 0;

        if (!index || send_message(index, INDEX_LIST, 0) != 0)
                return index ? index->error : 0;
        index->outstanding--;
        /* To the last answer even after a stop: another message may follow. */
        while ((size = receive_answer(index)) > 0)
                if (!stop)
                        stop = visit_entry(index, (size_t)size, visit, context);
        return stop ? stop : (int)size;
}

int journal_index_descriptor(const struct journal_index *index)
{
        return index ? index->socket : -1;
}

void journal_index_stop(struct journal_index *index)
{
        if (!index)
                return;
        close(index->socket);
        free(index);
}
