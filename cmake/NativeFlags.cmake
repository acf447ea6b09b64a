# SPDX-License-Identifier: MIT
#
# Flags of everything that runs as a Linux process.  Included after the guest
# programs were defined, so that none of this reaches them.
include_directories(${PROJECT_SOURCE_DIR})
add_compile_options("$<$<COMPILE_LANGUAGE:C>:${INSTAR_WARNINGS}>")
# The same as a plain `#define _GNU_SOURCE`, so that a file may also have that.
add_compile_definitions(_GNU_SOURCE= INSTAR_VERSION="${PROJECT_VERSION}")

if(INSTAR_SANITIZE)
  message(STATUS
    "INSTAR_SANITIZE: the program is linked dynamically, and its seccomp filter allows what "
    "the sanitizers' reports take; do not install it")
  add_compile_definitions(INSTAR_SANITIZE=1)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
else()
  add_compile_options(-fPIE -fstack-protector-strong -ffunction-sections -fdata-sections)
  add_compile_options("$<$<AND:$<COMPILE_LANGUAGE:C>,$<NOT:$<CONFIG:Debug>>>:-D_FORTIFY_SOURCE=2>")
  # clang calls -pie unused where -static-pie is given too.
  add_link_options("$<$<C_COMPILER_ID:Clang>:-Wno-unused-command-line-argument>")
  add_link_options(-pie -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
endif()

include(Coverage)

if(INSTAR_AFL)
  # Compiling, and with LTO linking, is when AFL++ asks what to instrument.
  set(afl_environment ${CMAKE_COMMAND} -E env AFL_QUIET=1)
  if(INSTAR_SANITIZE)
    list(APPEND afl_environment
      AFL_LLVM_ALLOWLIST=${PROJECT_SOURCE_DIR}/fuzz/instrumented.txt)
  else()
    # At that time it would leave out each function that begins with a variable in memory,
    # for want of a line number.  So all that takes part in LTO is instrumented, and what is
    # not to be explored takes no part in it: this, in its directories.
    set(INSTAR_UNEXPLORED -fno-lto)
  endif()
  set(CMAKE_C_COMPILER_LAUNCHER ${afl_environment})
  set(CMAKE_C_LINKER_LAUNCHER ${afl_environment})
endif()
