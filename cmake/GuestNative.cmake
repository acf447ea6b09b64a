# SPDX-License-Identifier: MIT
#
# The guest's sources as an ordinary library, for unit tests and fuzzers.  What
# touches the machine (guest/rt/platform_guest.c) and the memory primitives are
# left out: tests/native/ has the one, libc the others (where ASan sees them).
file(GLOB guest_native_sources CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/guest/qcow2/*.c ${PROJECT_SOURCE_DIR}/guest/ops/*.c
     ${PROJECT_SOURCE_DIR}/guest/rt/*.c)
list(FILTER guest_native_sources EXCLUDE REGEX "/guest/rt/(mem|platform_)[^/]*$")
add_library(guest_native STATIC ${guest_native_sources})
covered_library(guest_native)
