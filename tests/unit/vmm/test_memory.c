/* SPDX-License-Identifier: MIT */
/* What the host lets a guest address mean, and which programs it loads (invariant 9). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vmm/machine.h"

static struct abi_program probe_header(void)
{
        struct abi_program header;

        memcpy(&header, guest_probe_program.image, sizeof header);
        return header;
}

static void range_accepts_what_the_guest_may_write(void **state)
{
        struct vm *vm = *state;
        struct abi_program header = probe_header();
        const uint64_t arena = MACHINE_MEMORY - ABI_ARENA_BASE;
        uint8_t *base = (uint8_t *)vm_call(vm) - ABI_CALL_BASE;

        machine_load(vm, PROBE_ECHO, 0);
        assert_ptr_equal(vm_range(vm, header.rodata_end, 1), base + header.rodata_end);
        assert_ptr_equal(
            vm_range(vm, header.rodata_end, header.bss_end - header.rodata_end),
            base + header.rodata_end);
        assert_ptr_equal(vm_range(vm, ABI_STACK_BASE, ABI_STACK_TOP - ABI_STACK_BASE),
                         base + ABI_STACK_BASE);
        assert_ptr_equal(vm_range(vm, ABI_ARENA_BASE, arena), base + ABI_ARENA_BASE);
        assert_ptr_equal(vm_range(vm, MACHINE_MEMORY - 1, 1), base + MACHINE_MEMORY - 1);
        assert_ptr_equal(vm_range(vm, MACHINE_MEMORY, 0), base + MACHINE_MEMORY);
}

static void range_refuses_everything_else(void **state)
{
        struct abi_program header = probe_header();
        const struct {
                guest_addr_t address;
                uint64_t length;
        } refused[] = {
            {0, 1},
            {0, 0},
            {0x1000, 8},
            {0x4000, 8},
            {ABI_PROGRAM_BASE, 1},
            {header.text_end - 1u, 1},
            {header.rodata_end - 1u, 1},
            {header.rodata_end - 1u, 2},
            {header.bss_end - 1u, 2},
            {header.bss_end, 1},
            {ABI_STACK_BASE - 1, 1},
            {ABI_STACK_BASE - 1, 2},
            {ABI_STACK_TOP - 1, 2},
            {ABI_STACK_BASE, ABI_STACK_TOP - ABI_STACK_BASE + 1},
            {ABI_CALL_BASE, 1},
            {ABI_DOORBELL_BASE, 1},
            {0xe0000, 8},
            {ABI_ARENA_BASE - 1, 1},
            {ABI_ARENA_BASE - 1, 2},
            {MACHINE_MEMORY, 1},
            {MACHINE_MEMORY - 1, 2},
            {ABI_ARENA_BASE, MACHINE_MEMORY - ABI_ARENA_BASE + 1},
            {ABI_ARENA_BASE, UINT64_MAX},
            {ABI_ARENA_BASE, UINT64_MAX - ABI_ARENA_BASE + 1},
            {ABI_ARENA_BASE + 16, UINT64_MAX - 15},
            {MACHINE_MEMORY + 1, UINT64_MAX},
            {UINT64_MAX, 1},
            {UINT64_MAX, UINT64_MAX},
            {UINT64_MAX - 15, 16},
            {1ull << 32 | ABI_STACK_BASE, 1},
            {1ull << 63 | ABI_ARENA_BASE, 1},
        };

        machine_load(*state, PROBE_ECHO, 0);
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
                if (vm_range(*state, refused[i].address, refused[i].length))
                        fail_msg("[%#jx, +%#jx) was accepted",
                                 (uintmax_t)refused[i].address,
                                 (uintmax_t)refused[i].length);
}

/* A copy of the probe whose header one change has spoilt. */
static void assert_not_loaded(struct vm *vm, const struct abi_program *header,
                              size_t length)
{
        struct vm_program spoilt = {.length = length};
        uint8_t *image = malloc(guest_probe_program.length);

        assert_non_null(image);
        memcpy(image, guest_probe_program.image, guest_probe_program.length);
        memcpy(image, header, sizeof *header);
        spoilt.image = image;
        assert_int_equal(vm_load(vm, &spoilt), -EINVAL);
        free(image);
}

static void load_refuses_a_malformed_program(void **state)
{
        struct abi_program good = probe_header();
        struct abi_program header;
        size_t length = guest_probe_program.length;

#define SPOILT(field, value)                                                             \
        header = good;                                                                   \
        header.field = value;                                                            \
        assert_not_loaded(*state, &header, length)

        SPOILT(magic, 0);
        SPOILT(version, ABI_VERSION + 1);
        SPOILT(entry, ABI_PROGRAM_BASE + (uint32_t)sizeof header - 1);
        SPOILT(entry, good.text_end);
        SPOILT(text_end, good.text_end + 1);
        SPOILT(text_end, ABI_PROGRAM_BASE - ABI_PAGE_SIZE);
        SPOILT(text_end, good.rodata_end + ABI_PAGE_SIZE);
        SPOILT(rodata_end, good.data_end + ABI_PAGE_SIZE);
        SPOILT(data_end, good.bss_end + ABI_PAGE_SIZE);
        SPOILT(bss_end, ABI_PROGRAM_LIMIT + ABI_PAGE_SIZE);
        SPOILT(bss_end, UINT32_MAX & ~(ABI_PAGE_SIZE - 1));
        assert_not_loaded(*state, &good, length - 1);
        assert_not_loaded(*state, &good, sizeof good - 1);
        assert_not_loaded(*state, &good, 0);
        machine_assert_usable(*state);
}

static void create_refuses_sizes_it_cannot_map(void **state)
{
        struct vm *vm = NULL;
        const uint64_t refused[] = {0, 2 << 20, (4 << 20) + 4096,
                                    (16ull << 30) + (2 << 20),
                                    UINT64_MAX & ~((2ull << 20) - 1)};

        (void)state;
        for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
                assert_int_equal(vm_create(refused[i], &vm), -EINVAL);
}

/* Sixteen GiB are only reserved; their last page is as good as the first. */
static void largest_memory_works_to_its_last_byte(void **state)
{
        struct vm *vm = NULL;
        const uint64_t size = 16ull << 30;

        (void)state;
        assert_int_equal(vm_create(size, &vm), 0);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(vm_load(vm, &guest_probe_program), 0);
                vm_call(vm)->memory_size = size;
                vm_call(vm)->granularity = PROBE_ECHO;
                assert_int_equal(vm_run(vm, MACHINE_PATIENCE_MS), VM_EXIT_DOORBELL);
                assert_int_equal(machine_answer(vm), PROBE_SURVIVED);
                assert_int_not_equal(*vm_range(vm, size - 1, 1), 0);
        }
        vm_destroy(vm);
}

static void machines_can_follow_each_other(void **state)
{
        (void)state;
        for (int i = 0; i < 3; i++) {
                void *machine = NULL;
                assert_int_equal(machine_setup(&machine), 0);
                machine_assert_usable(machine);
                machine_teardown(&machine);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(range_accepts_what_the_guest_may_write,
                                            machine_setup, machine_teardown),
            cmocka_unit_test_setup_teardown(range_refuses_everything_else, machine_setup,
                                            machine_teardown),
            cmocka_unit_test_setup_teardown(load_refuses_a_malformed_program,
                                            machine_setup, machine_teardown),
            cmocka_unit_test(create_refuses_sizes_it_cannot_map),
            cmocka_unit_test(largest_memory_works_to_its_last_byte),
            cmocka_unit_test(machines_can_follow_each_other),
        };

        return machine_run_tests(tests, NULL, NULL);
}
