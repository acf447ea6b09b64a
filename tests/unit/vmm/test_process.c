/* SPDX-License-Identifier: MIT */
/* The machine that is a process, seen from outside: what it has, and what it has not. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/vmm/vm_internal.h"
#include "tests/unit/vmm/machine.h"

/* Nobody else may look into it: it is not dumpable. */
static void need_root(void)
{
        if (geteuid() == 0)
                return;
        print_message("skipped: needs root: sees the memory and descriptors of a process "
                      "that is not dumpable\n");
        skip();
}

/* At a doorbell: as the guest has it while it runs. */
static pid_t running_process(struct vm *vm)
{
        assert_int_equal(machine_try(vm, PROBE_ECHO, 0), VM_EXIT_DOORBELL);
        return vm->process.pid;
}

static FILE *open_of(pid_t pid, const char *name)
{
        char path[64];

        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        return file;
}

struct area {
        uint64_t from;
        uint64_t to;
        const char *permissions;
};

/* Does one of the areas hold all of this mapping, with these permissions? */
static bool is_guests(const struct area *areas, size_t count, const struct area *mapping)
{
        for (size_t i = 0; i < count; i++)
                if (mapping->from >= areas[i].from && mapping->to <= areas[i].to)
                        return strcmp(mapping->permissions, areas[i].permissions) == 0;
        return false;
}

/* The kernel lists [vsyscall] for every process; calling it is a system call. */
#define VSYSCALL UINT64_C(0xffffffffff600000)

static void nothing_is_mapped_but_the_guests_memory(void **state)
{
        struct abi_program program;
        char line[512];
        char permissions[8];
        struct area mapping = {.permissions = permissions};
        uint64_t mapped = 0;

        need_root();
        memcpy(&program, guest_probe_program.image, sizeof program);
        const struct area areas[] = {
            {ABI_PROGRAM_BASE, program.text_end, "r-xs"},
            {program.text_end, program.rodata_end, "r--s"},
            {program.rodata_end, program.bss_end, "rw-s"},
            {ABI_STACK_BASE, ABI_STACK_TOP, "rw-s"},
            {ABI_CALL_BASE, ABI_CALL_LIMIT, "r--s"},
            {ABI_DOORBELL_BASE, ABI_DOORBELL_LIMIT, "rw-s"},
            {ABI_ARENA_BASE, MACHINE_MEMORY, "rw-s"},
        };
        FILE *maps = open_of(running_process(*state), "maps");
        while (fgets(line, sizeof line, maps)) {
                assert_int_equal(sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s",
                                        &mapping.from, &mapping.to, permissions),
                                 3);
                if (mapping.from == VSYSCALL)
                        continue;
                if (!is_guests(areas, sizeof areas / sizeof *areas, &mapping))
                        fail_msg("mapped: %s", line);
                mapped += mapping.to - mapping.from;
        }
        fclose(maps);
        assert_in_range(mapped, MACHINE_MEMORY - ABI_ARENA_BASE, MACHINE_MEMORY);
}

static void no_descriptor_is_open(void **state)
{
        char path[64];
        int open_ones = 0;

        need_root();
        snprintf(path, sizeof path, "/proc/%d/fd", (int)running_process(*state));
        DIR *directory = opendir(path);
        assert_non_null(directory);
        for (const struct dirent *entry; (entry = readdir(directory));)
                open_ones += entry->d_name[0] != '.';
        closedir(directory);
        assert_int_equal(open_ones, 0);
}

static bool has_line(pid_t pid, const char *name, const char *wanted)
{
        char line[256];
        bool found = false;
        FILE *file = open_of(pid, name);

        while (fgets(line, sizeof line, file))
                found |= strcmp(line, wanted) == 0;
        fclose(file);
        return found;
}

static void system_calls_are_filtered_and_privileges_cannot_be_gained(void **state)
{
        pid_t pid = running_process(*state);

        assert_true(has_line(pid, "status", "Seccomp:\t2\n"));
        assert_true(has_line(pid, "status", "NoNewPrivs:\t1\n"));
        assert_true(has_line(pid, "limits",
                             "Max core file size        0                    0           "
                             "         bytes     \n"));
}

static void a_system_call_kills_it(void **state)
{
        struct vm *vm = *state;

        assert_int_equal(machine_try(vm, PROBE_SYSCALL, 0), VM_EXIT_SHUTDOWN);
        assert_true(vm->process.ended);
        assert_int_equal(vm_diagnose(vm)->exit_reason, SIGSYS);
        assert_int_equal(vm_run(vm, 0), VM_EXIT_FAILED);
}

/* From outside: somebody's kill(1), or the kernel when memory runs out. */
static void its_violent_death_is_noticed(void **state)
{
        struct vm *vm = *state;

        machine_load(vm, PROBE_LOOP, 0);
        kill(vm->process.pid, SIGKILL);
        assert_int_equal(vm_run(vm, MACHINE_PATIENCE_MS), VM_EXIT_FAILED);
        assert_int_equal(vm_diagnose(vm)->error, -ESRCH);
}

/* None of them reaches the guest, which would run a handler that is not there. */
static void signals_to_it_change_nothing(void **state)
{
        static const int signals[] = {SIGTERM, SIGINT,  SIGALRM,
                                      SIGUSR1, SIGSTOP, SIGCONT};
        struct vm *vm = *state;

        machine_load(vm, PROBE_ECHO, 0);
        for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
                kill(vm->process.pid, signals[i]);
        assert_int_equal(vm_run(vm, MACHINE_PATIENCE_MS), VM_EXIT_DOORBELL);
        assert_int_equal(machine_answer(vm), PROBE_SURVIVED);
        machine_assert_usable(vm);
}

/* One that nobody has waited for yet is dead all the same. */
static bool is_alive(pid_t pid)
{
        char path[64];
        char state = 0;

        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *file = fopen(path, "re");
        if (!file)
                return false;
        int got = fscanf(file, "%*d (%*[^)]) %c", &state);
        fclose(file);
        return got == 1 && state != 'Z' && state != 'X';
}

/* Nobody would run it any more, and it holds memory. */
static void it_dies_with_its_host(void **state)
{
        int ends[2];
        pid_t process = 0;

        (void)state;
        assert_int_equal(pipe(ends), 0);
        pid_t host = fork();
        if (host == 0) {
                struct vm *vm = NULL;
                vm_after_fork();
                if (vm_create(MACHINE_MEMORY, &vm) == 0)
                        process = vm->process.pid;
                _exit(write(ends[1], &process, sizeof process) != sizeof process);
        }
        close(ends[1]);
        assert_int_equal(read(ends[0], &process, sizeof process), sizeof process);
        close(ends[0]);
        assert_int_equal(waitpid(host, NULL, 0), host);
        assert_true(process > 0);
        for (int i = 0; i < 500 && is_alive(process); i++)
                usleep(10000);
        assert_false(is_alive(process));
}

static void ended_it_is_gone_and_waited_for(void **state)
{
        struct vm *vm = *state;
        pid_t pid = running_process(vm);

        vm_end(vm);
        assert_int_not_equal(kill(pid, 0), 0);
        assert_int_equal(errno, ESRCH);
        assert_int_equal(vm_run(vm, 0), VM_EXIT_FAILED);
        vm_end(vm);
}

/* An endless loop takes no signal once it was interrupted; nobody waits for that. */
static void ending_what_was_interrupted_does_not_hang(void **state)
{
        machine_load(*state, PROBE_LOOP, 0);
        vm_interrupt();
        assert_int_equal(vm_run(*state, MACHINE_PATIENCE_MS), VM_EXIT_SIGNAL);
        vm_end(*state);
}

static void destroyed_it_leaves_no_zombie(void **state)
{
        struct vm *vm = NULL;

        (void)state;
        vm_unguard(*state); /* one machine at a time */
        assert_int_equal(vm_create(MACHINE_MEMORY, &vm), 0);
        pid_t pid = running_process(vm);
        vm_destroy(vm);
        assert_int_not_equal(kill(pid, 0), 0);
        assert_int_equal(errno, ESRCH);
}

#define with_process(test)                                                               \
        cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
            with_process(nothing_is_mapped_but_the_guests_memory),
            with_process(no_descriptor_is_open),
            with_process(system_calls_are_filtered_and_privileges_cannot_be_gained),
            with_process(a_system_call_kills_it),
            with_process(its_violent_death_is_noticed),
            with_process(signals_to_it_change_nothing),
            with_process(it_dies_with_its_host),
            with_process(ended_it_is_gone_and_waited_for),
            with_process(ending_what_was_interrupted_does_not_hang),
            with_process(destroyed_it_leaves_no_zombie),
        };

        vm_choose_kind(VM_KIND_PROCESS);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
