/* SPDX-License-Identifier: MIT */
/*
 * The index's child process.
 *
 * LMDB maps its file, so a damaged one ends the process that reads it (SIGBUS, SIGSEGV,
 * SIGFPE, a failed assertion), and a stopped process that holds the write lock makes all
 * others wait.  Neither may touch an edit, so both happen here.  Whatever goes wrong, the
 * parent sees an answer, the end of the socket, or its deadline.
 *
 * A crash is taken as proof of damage: the handler moves the database aside, and
 * the next run begins a fresh one.  (Nothing is lost but the list: the journals are where
 * they are.)  So is an alarm in the middle of walking the tree, which in a sound
 * database takes microseconds.  An alarm while waiting for a lock or for the disk proves
 * nothing.
 */
#include "journal/index_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/bytes.h"
#include "journal/index_db.h"
#include "journal/index_entry.h"

/* Longer than the parent waits, so that the parent sees its own deadline. */
#define ALARM_SECONDS 2u

#define SOCKET_FD 3

static struct index_db database;

static void on_crash(int signal)
{
        (void)signal;
        index_db_set_aside(&database);
        _exit(1);
}

static void on_alarm(int signal)
{
        (void)signal;
        if (database.in_tree)
                index_db_set_aside(&database);
        _exit(2);
}

static void set_action(int signal, void (*handler)(int))
{
        struct sigaction action = {.sa_handler = handler};

        sigaction(signal, &action, NULL);
}

/* The terminal's signals are meant for the parent, which closes the socket when it
 * is done. */
static void set_signals(void)
{
        static const int crashes[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGABRT};
        static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ};
        sigset_t none;

        for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
                set_action(crashes[i], on_crash);
        for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
                set_action(ignored[i], SIG_IGN);
        set_action(SIGALRM, on_alarm);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Keep the socket and nothing else: locks, pipes and the image belong to the parent.
 * 0 to 2 are /dev/null, so that no message can end up in a database that got
 * one of these numbers. */
static int drop_descriptors(int socket)
{
        int null;

        if (socket != SOCKET_FD && dup2(socket, SOCKET_FD) < 0)
                return -errno;
        closefrom(SOCKET_FD + 1); /* on kernels without close_range(2) too */
        null = open("/dev/null", O_RDWR);
        if (null < 0)
                return -errno;
        for (int fd = 0; fd < SOCKET_FD; fd++)
                if (dup2(null, fd) < 0)
                        return -errno;
        if (null > SOCKET_FD)
                close(null);
        return 0;
}

/* Answers that were built; PUT has none but its error. */
static uint8_t answer[INDEX_MESSAGE_MAX];

static void send_answer(int error, size_t length)
{
        store_le32(answer, (uint32_t)-error);
        send(SOCKET_FD, answer, 4 + length, MSG_NOSIGNAL);
}

static int put(uint8_t *message, size_t size)
{
        if (size <= INDEX_TRANSACTION_SIZE)
                return -EBADMSG;
        return index_db_put(&database, message, message + INDEX_TRANSACTION_SIZE,
                            size - INDEX_TRANSACTION_SIZE);
}

struct find {
        struct journal_identity identity;
        size_t length; /* of the paths so far */
};

static int find_entry(void *context, const struct journal_index_entry *entry)
{
        struct find *find = context;
        size_t length = strlen(entry->journal_path) + 1;

        if (!journal_identity_equal(entry->identity, &find->identity) ||
            length > sizeof answer - 4 - find->length)
                return 0;
        memcpy(answer + 4 + find->length, entry->journal_path, length);
        find->length += length;
        return 0;
}

static void find(const uint8_t *message, size_t size)
{
        struct find find = {0};
        int error = -EBADMSG;

        if (size == INDEX_IDENTITY_SIZE)
                error = index_identity_load(message, &find.identity);
        if (!error)
                error = index_db_each(&database, find_entry, &find);
        send_answer(error, error ? 0 : find.length);
}

static int list_entry(void *context, const struct journal_index_entry *entry)
{
        size_t size = index_entry_store(entry, answer + 4 + INDEX_TRANSACTION_SIZE,
                                        INDEX_ENTRY_MAX);

        (void)context;
        if (size == 0)
                return 0;
        memcpy(answer + 4, entry->transaction, INDEX_TRANSACTION_SIZE);
        alarm(ALARM_SECONDS); /* for each: the reader may have many to deal with */
        send_answer(0, INDEX_TRANSACTION_SIZE + size);
        return 0;
}

static void serve_message(uint8_t *message, size_t size, int error)
{
        uint32_t kind = load_le32(message);

        if (error)
                send_answer(error, 0);
        else if (kind == INDEX_PUT)
                send_answer(put(message + 4, size - 4), 0);
        else if (kind == INDEX_FIND)
                find(message + 4, size - 4);
        else if (kind == INDEX_LIST)
                send_answer(index_db_each(&database, list_entry, NULL), 0);
        else
                send_answer(-EBADMSG, 0);
}

/* Answer each message.  Where the database could not be opened, with that error. */
static void serve(int open_error)
{
        static uint8_t message[INDEX_MESSAGE_MAX];
        ssize_t size;

        while ((size = recv(SOCKET_FD, message, sizeof message, 0)) != 0) {
                if (size < 0 && errno == EINTR)
                        continue;
                if (size < 4)
                        return;
                alarm(ALARM_SECONDS);
                serve_message(message, (size_t)size, open_error);
                alarm(0);
        }
}

_Noreturn void index_child_run(int socket, const char *state_directory)
{
        struct rlimit no_core = {0, 0};
        int error;

        set_signals();
        setrlimit(RLIMIT_CORE, &no_core);
        umask(077);
        error = drop_descriptors(socket);
        if (error)
                _exit(3);
        alarm(ALARM_SECONDS);
        error = index_db_open(&database, state_directory);
        if (!error)
                index_db_find_finished(&database);
        alarm(0);
        serve(error);
        /* Not closed: the end of the process does that without a moment in which LMDB, as
         * the last user, has destroyed the locks that the next edit's child is about to
         * take. */
        _exit(0);
}
