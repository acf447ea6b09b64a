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
        uint8_t message[INDEX_TRANSACTION_SIZE + INDEX_ENTRY_MAX];
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

int journal_index_put(struct journal_index *index,
                      const struct journal_index_entry *entry)
{
        size_t size;

        if (!index)
                return 0;
        if (index->error)
                return index->error;
        size = index_entry_store(entry, index->message + INDEX_TRANSACTION_SIZE,
                                 INDEX_ENTRY_MAX);
        if (size == 0)
                return index->error = -ENAMETOOLONG;
        memcpy(index->message, entry->transaction, INDEX_TRANSACTION_SIZE);
        /* write(2), which the sandbox allows anyway.  There is room for an entry, so it
         * does not wait; a SOCK_SEQPACKET socket raises no SIGPIPE. */
        if (write(index->socket, index->message, INDEX_TRANSACTION_SIZE + size) < 0)
                return index->error = socket_error();
        index->outstanding++;
        return 0;
}

static time_t now(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec;
}

/* One answer.  A signal starts the socket's timeout anew, so the clock decides then. */
static int receive_answer(struct journal_index *index, time_t deadline)
{
        uint8_t answer[4];
        ssize_t n;

        do
                n = recv(index->socket, answer, sizeof answer, 0);
        while (n < 0 && errno == EINTR && now() <= deadline);
        if (n < 0)
                return errno == EINTR ? -ETIMEDOUT : socket_error();
        if (n != sizeof answer)
                return -EPIPE;
        return -(int)load_le32(answer);
}

int journal_index_wait(struct journal_index *index)
{
        time_t deadline;

        if (!index)
                return 0;
        deadline = now() + DEADLINE_SECONDS;
        while (!index->error && index->outstanding) {
                index->error = receive_answer(index, deadline);
                index->outstanding--;
        }
        return index->error;
}

void journal_index_stop(struct journal_index *index)
{
        if (!index)
                return;
        close(index->socket);
        free(index);
}
