# SPDX-License-Identifier: MIT
#
# Operations on a valid image, cut off and recovered.
fuzz_harness(cut fuzz_oracles fuzz_guest_state guest_native native_host journal)
target_sources(fuzz_cut_harness PRIVATE harness/guest_hosts.c harness/guest_names.c
  harness/tmpfs_directory.c)
