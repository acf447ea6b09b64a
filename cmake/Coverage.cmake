# SPDX-License-Identifier: MIT
#
# Line coverage of guest/ and journal/, by clang's own counters; tests/coverage/report.py
# reads them.  The counters lie in a file that is mapped (`%c` in LLVM_PROFILE_FILE, which
# needs them relocatable): a child that leaves by _exit() or is killed has counted too.

# covered_library(TARGET): its sources count.
function(covered_library target)
  if(INSTAR_COVERAGE)
    target_compile_options(${target} PRIVATE -fprofile-instr-generate -fcoverage-mapping
      "SHELL:-mllvm -runtime-counter-relocation")
    target_link_options(${target} INTERFACE -fprofile-instr-generate)
  endif()
endfunction()
