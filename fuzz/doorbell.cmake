# SPDX-License-Identifier: MIT
#
# The host's side of the doorbell.  Signals come when the input says so.
fuzz_harness(doorbell host_vmm)
target_sources(fuzz_doorbell_harness PRIVATE harness/tmpfs_directory.c)
target_link_options(fuzz_doorbell_harness PUBLIC -Wl,--wrap=signals_caught)
