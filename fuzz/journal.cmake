# SPDX-License-Identifier: MIT
#
# The journal's reader, and recovery.  What they call of the system is seen, and the image
# is one in memory (harness/journal_world.c): it comes before host/image.
fuzz_harness(journal host_recovery)
target_sources(fuzz_journal_harness PRIVATE harness/tmpfs_directory.c
  ${PROJECT_SOURCE_DIR}/tests/unit/journal/system_calls.c)
