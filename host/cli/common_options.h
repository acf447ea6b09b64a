/* SPDX-License-Identifier: MIT */
/* Options that mean the same in every subcommand that has them. */
#ifndef INSTAR_HOST_CLI_COMMON_OPTIONS_H
#define INSTAR_HOST_CLI_COMMON_OPTIONS_H

#include "host/cli/options.h"

/* Bounds of --memory-limit, bytes. */
#define OPTION_MEMORY_DEFAULT (UINT64_C(256) << 20)
#define OPTION_MEMORY_LEAST   (UINT64_C(4) << 20)
#define OPTION_MEMORY_MOST    (UINT64_C(16) << 30)
#define OPTION_MEMORY_UNIT    (UINT64_C(2) << 20)

/* What they say; a subcommand leaves at zero what it does not have.  All strings are
 * argv's. */
struct common_options {
        const char *format; /* -f as given, NULL without */
        bool json;          /* --output json */
        bool quiet;         /* -q */
        bool force_share;   /* -U: take no locks */
        bool no_ownership_scan;
        bool discard_journal;
        const char *journal_directory; /* --journal-dir, NULL without */
        const char *sandbox;           /* --sandbox: kvm or process, NULL without */
        uint64_t memory_limit; /* bytes, a multiple of OPTION_MEMORY_UNIT; 0: as it is
                                * without --memory-limit */
};

/* Behind those of a subcommand, which begin at 256. */
enum common_option {
        OPTION_OUTPUT = 0x1000,
        OPTION_NO_OWNERSHIP_SCAN,
        OPTION_JOURNAL_DIRECTORY,
        OPTION_DISCARD_JOURNAL,
        OPTION_MEMORY_LIMIT,
        OPTION_SANDBOX,
};

/* Rows of a table for getopt_long(3): {ROW_FORMAT}. */
#define ROW_FORMAT      "format", required_argument, NULL, 'f'
#define ROW_OUTPUT      "output", required_argument, NULL, OPTION_OUTPUT
#define ROW_QUIET       "quiet", no_argument, NULL, 'q'
#define ROW_FORCE_SHARE "force-share", no_argument, NULL, 'U'
#define ROW_OWNERSHIP   "no-ownership-scan", no_argument, NULL, OPTION_NO_OWNERSHIP_SCAN
#define ROW_JOURNAL_DIR "journal-dir", required_argument, NULL, OPTION_JOURNAL_DIRECTORY
#define ROW_DISCARD     "discard-journal", no_argument, NULL, OPTION_DISCARD_JOURNAL
#define ROW_MEMORY      "memory-limit", required_argument, NULL, OPTION_MEMORY_LIMIT
#define ROW_SANDBOX     "sandbox", required_argument, NULL, OPTION_SANDBOX
#define ROW_HELP        "help", no_argument, NULL, 'h'
#define ROW_VERSION     "version", no_argument, NULL, 'V'
#define ROW_END         NULL, 0, NULL, 0

/* Take one of these options; false, and *error filled in, if its argument is rejected. */
bool common_option_take(int option, const char *argument, struct common_options *options,
                        struct option_error *error);

#endif
