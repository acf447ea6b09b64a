# SPDX-License-Identifier: MIT
#
# Guest programs: freestanding ELF files, linked by guest/link.ld, flattened by
# objcopy, embedded into a native library by .incbin.

# Call first in a directory that holds guest targets: forgets every flag that the
# user, the environment or a directory above has set, so that sanitizers,
# hardening or -O0 never reach the guest.
macro(guest_directory)
  foreach(kind C ASM EXE_LINKER)
    set(CMAKE_${kind}_FLAGS "")
    foreach(config DEBUG RELEASE RELWITHDEBINFO MINSIZEREL)
      set(CMAKE_${kind}_FLAGS_${config} "")
    endforeach()
  endforeach()
  set_directory_properties(PROPERTIES
    COMPILE_OPTIONS "" COMPILE_DEFINITIONS "" LINK_OPTIONS "" LINK_LIBRARIES "")
  include_directories(${PROJECT_SOURCE_DIR})
endmacro()

# -mno-avx and friends: KVM gives the guest no XCR0, only SSE2 works.  Debug
# information stays in the ELF file; the flat binary does not have it.  There is no
# -ffreestanding: it would turn every load_be64() into a call of memcpy.  The
# linker sees to it that nothing of libc is used but what rt/mem.c has.
set(INSTAR_GUEST_COMPILE_OPTIONS
    -fno-builtin-bcmp -Os -g -march=x86-64 -mno-avx -mno-mmx -mcmodel=small -fno-pic -fno-pie
    -fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-ident
    -fcf-protection=none -ffunction-sections -fdata-sections -fno-common
    -fno-strict-aliasing -U_FORTIFY_SOURCE)

# Flags of one guest target.
function(guest_target target)
  target_compile_options(${target} PRIVATE
    ${INSTAR_GUEST_COMPILE_OPTIONS} "$<$<COMPILE_LANGUAGE:C>:${INSTAR_WARNINGS}>")
endfunction()

# add_guest_program(NAME SOURCES... ): builds NAME.elf and NAME.bin in the
# current binary directory.  The target NAME_bin makes the latter.
function(add_guest_program name)
  set(elf ${name}_elf)
  set(binary ${CMAKE_CURRENT_BINARY_DIR}/${name}.bin)
  set(script ${PROJECT_SOURCE_DIR}/guest/link.ld)
  add_executable(${elf} ${PROJECT_SOURCE_DIR}/guest/rt/start.S ${ARGN})
  guest_target(${elf})
  set_target_properties(${elf} PROPERTIES OUTPUT_NAME ${name} SUFFIX .elf LINK_DEPENDS ${script})
  target_link_options(${elf} PRIVATE
    -nostdlib -static -Wl,-T,${script} -Wl,--gc-sections -Wl,--build-id=none
    -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments
    -Wl,--orphan-handling=error)
  add_custom_command(OUTPUT ${binary}
    COMMAND ${CMAKE_OBJCOPY} -O binary $<TARGET_FILE:${elf}> ${binary}
    DEPENDS ${elf} VERBATIM)
  add_custom_target(${name}_bin ALL DEPENDS ${binary})
  set_target_properties(${name}_bin PROPERTIES INSTAR_GUEST_BINARY ${binary})
endfunction()

# embed_guest_program(LIBRARY NAME): LIBRARY gains `guest_NAME_program`, a
# const struct vm_program (host/vmm/vm.h).
function(embed_guest_program library name)
  get_target_property(binary ${name}_bin INSTAR_GUEST_BINARY)
  set(assembly ${CMAKE_CURRENT_BINARY_DIR}/embed_${name}.S)
  set(program ${name})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/embed.S.in ${assembly} @ONLY)
  set_source_files_properties(${assembly} PROPERTIES OBJECT_DEPENDS ${binary})
  target_sources(${library} PRIVATE ${assembly})
  add_dependencies(${library} ${name}_bin)
endfunction()
