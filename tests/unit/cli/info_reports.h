/* SPDX-License-Identifier: MIT */
/* Reports as a guest program would make them, put through the sink. */
#ifndef INSTAR_TESTS_UNIT_CLI_INFO_REPORTS_H
#define INSTAR_TESTS_UNIT_CLI_INFO_REPORTS_H

#include "host/cli/info_sink.h"

extern struct info info;
extern struct info_sink sink;

/* Begin to describe "dir/x.qcow2", which takes 200704 bytes on disk. */
void reports_start(const struct info_view *view);

/* An ordinary image: version 3, 64 MiB, 64 KiB clusters, 16-bit refcounts. */
struct abi_report_image ordinary_image(void);

/* An ordinary bitmap, enabled, of 64 KiB granularity and one table cluster. */
struct abi_report_bitmap ordinary_bitmap(void);

/* Each fills in the lengths of the strings and gives the sink's answer. */
int report_image(struct abi_report_image facts, const char *backing, const char *format,
                 const char *data_file);
int report_snapshot(struct abi_report_snapshot facts, const char *id, const char *name);
int report_bitmap(struct abi_report_bitmap facts, const void *name, uint32_t length);
int report_damage(struct abi_report_damage facts, const char *name);

/* Any bytes, but as a report. */
int report_raw(uint64_t kind, const void *facts, size_t size, const void *behind,
               size_t length);

/* The end; what was printed, terminated. */
const char *reports_finish(void);

/* Begin, and describe an ordinary image. */
void start_ordinary(const struct info_view *view);

/* The end: all that was printed, or a part of it. */
void expect_printed(const char *expected);
void expect_part(const char *expected);

#endif
