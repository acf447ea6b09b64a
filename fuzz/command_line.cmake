# SPDX-License-Identifier: MIT
#
# The command line.  Nothing is opened, nothing reaches the terminal.
fuzz_harness(command_line host_cli)
foreach(function getenv open stat faccessat write signals_catch metadata_catch_signal
    journal_places_start known_from_index known_from_folder edit_command_run)
  target_link_options(fuzz_command_line_harness PUBLIC -Wl,--wrap=${function})
endforeach()
# Whoever links it has the world, also where nothing but AFL++'s runtime calls it.
target_link_options(fuzz_command_line_harness PUBLIC -Wl,-u,__wrap_getenv)
