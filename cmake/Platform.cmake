# SPDX-License-Identifier: MIT
#
# instar drives Linux's KVM and its guest programs are x86-64 machine code.
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(FATAL_ERROR
    "instar runs on Linux only: it needs /dev/kvm, and this is ${CMAKE_SYSTEM_NAME}.")
endif()
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" OR NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
  message(FATAL_ERROR
    "instar runs on x86-64 only: its guest programs are x86-64 machine code for KVM, "
    "and this build is for ${CMAKE_SYSTEM_PROCESSOR} with ${CMAKE_SIZEOF_VOID_P}-byte pointers.")
endif()
if(NOT CMAKE_C_COMPILER_ID MATCHES "^(GNU|Clang)$")
  message(FATAL_ERROR "instar is written for gcc and clang; this is ${CMAKE_C_COMPILER_ID}.")
endif()
