/* SPDX-License-Identifier: MIT */
/*
 * What a build for the sanitizers allows beyond filter_rules.c and first_rules.c: what it
 * takes to report a fault, as GCC's runtime does it (sanitizers.c has what is done
 * before).  While a guest runs, no more than that: the runtime's allocator has no rule,
 * so memory that is allocated then may kill here as it may in the program that is
 * installed.
 *
 * Paths cannot be told apart by a filter.  Landlock leaves the program's own file; on a
 * kernel without it the runtime also finds the shared libraries, and /proc.
 */
#include "host/sandbox/filter_rules.h"

#ifdef INSTAR_SANITIZE
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define LATER (SANDBOX_KVM_HOST | SANDBOX_PROCESS_HOST)
#define FIRST (SANDBOX_FIRST_KVM | SANDBOX_FIRST_PROCESS)
#define ALL   (FIRST | LATER)

#define CALL FILTER_CALL
#define ANY  FILTER_ANY
#define IS   FILTER_IS

#define MAP(protection, flags) FILTER_BOTH(2, protection, #protection, 3, flags, #flags)
#endif

/* One line each, so that the table reads as one. */
/* clang-format off */
const struct filter_rule sanitizer_rules[] = {
#ifdef INSTAR_SANITIZE
    {ALL,   CALL(sigaltstack), IS(0, 0),                    "sanitizers: how far the stack goes, before it is left for good"},
    {FIRST, CALL(madvise),     IS(2, MADV_DONTDUMP),        "sanitizers: what they know of large blocks of memory"},
    {LATER, CALL(getpid),      ANY,                         "sanitizers: the number in a report"},
    {LATER, CALL(ioctl),       IS(1, TCGETS),               "sanitizers: is stderr a terminal?"},
    {LATER, CALL(futex),       ANY,                         "sanitizers: what is done once"},
    {LATER, CALL(mmap),        MAP(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS), "sanitizers: memory for a report"},
    {LATER, CALL(mmap),        MAP(PROT_READ, MAP_PRIVATE), "sanitizers: a file's symbols"},
    {LATER, CALL(munmap),      ANY,                         "sanitizers: both"},
    {LATER, CALL(openat),      IS(2, O_RDONLY | O_CLOEXEC), "sanitizers: the program's file, for names and lines"},
    {LATER, CALL(fcntl),       IS(1, F_SETFD),              "sanitizers: that file, kept from programs that are executed"},
    {LATER, CALL(newfstatat),  ANY,                         "sanitizers: files with more symbols, without Landlock"},
    {LATER, CALL(readlink),    ANY,                         "sanitizers: the program's name"},
    {ALL,   CALL(open),        IS(1, O_RDONLY),             "sanitizers: options, memory maps: in /proc, without Landlock"},
    {LATER, CALL(read),        ANY,                         "sanitizers: these"},
    {LATER, CALL(pipe2),       ANY,                         "sanitizers: can memory be read that a report shows?"},
#endif
};
/* clang-format on */

const size_t sanitizer_rule_count = sizeof sanitizer_rules / sizeof sanitizer_rules[0];
