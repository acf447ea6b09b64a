# SPDX-License-Identifier: MIT
option(INSTAR_WERROR "Treat compiler warnings as errors" ON)
option(INSTAR_SANITIZE
  "ASan and UBSan on everything native (the seccomp filter allows their reports)" OFF)
option(INSTAR_COVERAGE
  "Count which lines of guest/ and journal/ run natively (clang; target coverage)" OFF)
option(INSTAR_AFL "The compiler is AFL++'s: build the fuzzers (target fuzz)" OFF)

set(INSTAR_TEST_PREFIX "" CACHE STRING
  "Put before each test's name, so that one ctest can run the tests of several builds")

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(INSTAR_WARNINGS
    -Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wstrict-prototypes
    -Wmissing-prototypes -Wvla)
if(INSTAR_WERROR)
  list(APPEND INSTAR_WARNINGS -Werror)
endif()
