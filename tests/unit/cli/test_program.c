/* SPDX-License-Identifier: MIT */
/*
 * Whole command lines through the program, up to the edit.  edit_run() is this file's
 * own: it keeps what it was asked and answers as the test says, so no KVM is needed.
 */
#define _GNU_SOURCE
#include "tests/unit/cli/cmocka_all.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cli/program.h"
#include "host/vmm/edit.h"
#include "host/vmm/programs.h"
#include "host/vmm/vm_kind.h"

const struct vm_program guest_bitmap_program = {NULL, 0};

/* What edit_run() was asked, and is to answer. */
static struct {
        unsigned runs;
        struct abi_call call;
        char asked[512];
        char journal_directory[512];
        char resolved_path[4096];
        uint64_t memory_limit;
        enum vm_kind kind;
        uint64_t size;
        struct edit_report answer;
} edit;

void edit_run(const struct edit_request *request, struct edit_report *report)
{
        edit.runs++;
        edit.call = *request->call;
        edit.memory_limit = request->memory_limit;
        edit.kind = vm_kind();
        edit.size = request->image->size;
        snprintf(edit.asked, sizeof edit.asked, "%s", request->asked);
        snprintf(edit.journal_directory, sizeof edit.journal_directory, "%s",
                 request->journal_directory ? request->journal_directory : "(none)");
        snprintf(edit.resolved_path, sizeof edit.resolved_path, "%s",
                 request->image->resolved_path);
        assert_ptr_equal(request->program, &guest_bitmap_program);
        *report = edit.answer;
}

static char directory[] = "/tmp/instar-test-XXXXXX";
static char out[8192];
static char err[8192];

static int capture_begin(int fd, int *saved)
{
        int memory = memfd_create("capture", MFD_CLOEXEC);

        *saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
        assert_true(memory >= 0 && *saved >= 0 && dup2(memory, fd) == fd);
        return memory;
}

static void capture_end(int fd, int memory, int saved, char *text, size_t size)
{
        ssize_t length = pread(memory, text, size - 1, 0);

        assert_true(length >= 0);
        text[length] = '\0';
        assert_int_equal(dup2(saved, fd), fd);
        close(saved);
        close(memory);
}

#define RUN(...) run((char *[]){"instar", __VA_ARGS__, NULL})

static int run(char **argv)
{
        int argc = 0;
        int saved_out, saved_err;
        int memory_out = capture_begin(STDOUT_FILENO, &saved_out);
        int memory_err = capture_begin(STDERR_FILENO, &saved_err);
        int exit_code;

        while (argv[argc])
                argc++;
        edit.runs = 0;
        exit_code = program_run(argc, argv);
        capture_end(STDOUT_FILENO, memory_out, saved_out, out, sizeof out);
        capture_end(STDERR_FILENO, memory_err, saved_err, err, sizeof err);
        return exit_code;
}

static void write_file(const char *name, const char *bytes, size_t length)
{
        int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, length), length);
        close(fd);
}

static int make_directory(void **state)
{
        (void)state;
        if (!mkdtemp(directory) || chdir(directory) != 0)
                return -1;
        unsetenv("INSTAR_JOURNAL_DIR");
        unsetenv("INSTAR_DEBUG");
        unsetenv("INSTAR_SANDBOX");
        write_file("x.qcow2", "QFI\xfb and more", 13);
        edit.answer.result.actions_applied = 1;
        edit.answer.result.bitmaps = 2;
        return 0;
}

static int remove_directory(void **state)
{
        char command[64];

        (void)state;
        snprintf(command, sizeof command, "rm -rf %s", directory);
        return chdir("/") != 0 || system(command) != 0;
}

static void expect_first_line(const char *line)
{
        size_t length = strlen(line);

        if (strncmp(err, line, length) != 0 || err[length] != '\n')
                fail_msg("expected \"%s\", got \"%s\"", line, err);
        assert_string_equal(out, "");
        assert_int_equal(edit.runs, 0);
}

static void an_edit_gets_the_call_and_is_silent(void **state)
{
        char resolved[64];

        (void)state;
        assert_int_equal(
            RUN("bitmap", "--add", "-g", "64k", "--disable", "x.qcow2", "it's"), 0);
        assert_string_equal(out, "");
        assert_string_equal(err, "");
        assert_int_equal(edit.runs, 1);
        assert_int_equal(edit.call.action_count, 2);
        assert_int_equal(edit.call.actions[0], ABI_ACTION_ADD);
        assert_int_equal(edit.call.actions[1], ABI_ACTION_DISABLE);
        assert_int_equal(edit.call.granularity, 65536);
        assert_string_equal((char *)edit.call.target, "it's");
        assert_int_equal(edit.memory_limit, 256 << 20);
        assert_int_equal(edit.size, 13);
        assert_string_equal(edit.asked,
                            "instar bitmap --add -g 64k --disable x.qcow2 'it'\\''s'");
        snprintf(resolved, sizeof resolved, "%s/x.qcow2", directory);
        assert_string_equal(edit.resolved_path, resolved);
}

static void json_goes_to_stdout(void **state)
{
        (void)state;
        assert_int_equal(RUN("bitmap", "--output", "json", "--add", "x.qcow2", "b0"), 0);
        assert_string_equal(
            out, "{\n  \"actions-applied\": 1,\n  \"resulting-bitmaps\": 2\n}\n");
        assert_string_equal(err, "");
}

static void the_journal_directory_comes_from_the_option_then_the_environment(void **state)
{
        (void)state;
        RUN("bitmap", "--add", "x.qcow2", "b0");
        assert_string_equal(edit.journal_directory, "(none)");
        assert_int_equal(setenv("INSTAR_JOURNAL_DIR", "/env", 1), 0);
        RUN("bitmap", "--add", "x.qcow2", "b0");
        assert_string_equal(edit.journal_directory, "/env");
        RUN("bitmap", "--add", "--journal-dir", "/option", "x.qcow2", "b0");
        assert_string_equal(edit.journal_directory, "/option");
        assert_int_equal(setenv("INSTAR_JOURNAL_DIR", "", 1), 0);
        RUN("bitmap", "--add", "x.qcow2", "b0");
        assert_string_equal(edit.journal_directory, "(none)");
        unsetenv("INSTAR_JOURNAL_DIR");
}

/* One edit; what it would run its guest in. */
static enum vm_kind kind_of(const char *variable, const char *option)
{
        char word[64];

        snprintf(word, sizeof word, "--sandbox=%s", option ? option : "");
        if (variable)
                assert_int_equal(setenv("INSTAR_SANDBOX", variable, 1), 0);
        if (option)
                assert_int_equal(RUN("bitmap", "--add", word, "x.qcow2", "b0"), 0);
        else
                assert_int_equal(RUN("bitmap", "--add", "x.qcow2", "b0"), 0);
        unsetenv("INSTAR_SANDBOX");
        assert_int_equal(edit.runs, 1);
        return edit.kind;
}

static void the_sandbox_comes_from_the_option_then_the_environment(void **state)
{
        (void)state;
        assert_int_equal(kind_of(NULL, NULL), VM_KIND_KVM);
        assert_int_equal(kind_of(NULL, "process"), VM_KIND_PROCESS);
        assert_int_equal(kind_of(NULL, "kvm"), VM_KIND_KVM);
        assert_int_equal(kind_of("process", NULL), VM_KIND_PROCESS);
        assert_int_equal(kind_of("kvm", NULL), VM_KIND_KVM);
        assert_int_equal(kind_of("", NULL), VM_KIND_KVM);
        assert_int_equal(kind_of("process", "kvm"), VM_KIND_KVM);
        assert_int_equal(kind_of("kvm", "process"), VM_KIND_PROCESS);
        /* Nobody looks at the variable then. */
        assert_int_equal(kind_of("qemu", "process"), VM_KIND_PROCESS);
}

static void a_variable_that_names_no_sandbox_is_rejected(void **state)
{
        (void)state;
        assert_int_equal(setenv("INSTAR_SANDBOX", "KVM\x1b", 1), 0);
        assert_int_equal(RUN("bitmap", "--add", "x.qcow2", "b0"), 2);
        expect_first_line(
            "instar bitmap: invalid value 'KVM\\x1b' of INSTAR_SANDBOX: use "
            "kvm or process");
        assert_int_equal(RUN("bitmap", "--help"), 0);
        unsetenv("INSTAR_SANDBOX");
}

static void the_hosts_refusals_come_before_the_image_is_looked_at(void **state)
{
        (void)state;
        assert_int_equal(RUN("bitmap", "--add", "-g", "0", "missing", "b0"), 1);
        expect_first_line(
            "instar bitmap: granularity must be a power of two between 512 and 2G");
        assert_int_equal(RUN("bitmap", "--add", "-f", "raw", "missing", "b0"), 1);
        expect_first_line(
            "instar bitmap: unsupported format 'raw': only qcow2 is supported");
        assert_int_equal(RUN("bitmap", "--merge", "a", "--add", "missing", "b0"), 1);
        expect_first_line("instar bitmap: mixing --merge with other actions in one "
                          "invocation is not supported");
        assert_int_equal(RUN("bitmap", "missing", "b0"), 1);
        expect_first_line("instar bitmap: Need at least one of --add, --remove, --clear, "
                          "--enable, --disable, or --merge");
}

static void what_is_no_image_is_told_in_words(void **state)
{
        (void)state;
        write_file("empty", "", 0);
        write_file("three", "QFI", 3);
        write_file("other", "QFJ\xfb", 4);
        assert_int_equal(mkdir("folder", 0755), 0);
        assert_int_equal(mkfifo("fifo", 0644), 0);
        assert_int_equal(RUN("bitmap", "--add", "empty", "b0"), 1);
        expect_first_line("instar bitmap: not a qcow2 image");
        assert_int_equal(RUN("bitmap", "--add", "three", "b0"), 1);
        expect_first_line("instar bitmap: not a qcow2 image");
        assert_int_equal(RUN("bitmap", "--add", "other", "b0"), 1);
        expect_first_line("instar bitmap: not a qcow2 image");
        assert_int_equal(RUN("bitmap", "--add", "folder", "b0"), 1);
        expect_first_line("instar bitmap: cannot use 'folder': it is a directory");
        assert_int_equal(RUN("bitmap", "--add", "fifo", "b0"), 1);
        expect_first_line(
            "instar bitmap: cannot use 'fifo': it is neither a regular file "
            "nor a block device");
        assert_int_equal(RUN("bitmap", "--add", "missing", "b0"), 1);
        expect_first_line(
            "instar bitmap: cannot open 'missing': No such file or directory");
        assert_int_equal(RUN("bitmap", "--add", "", "b0"), 1);
        expect_first_line("instar bitmap: cannot open '': No such file or directory");
        assert_int_equal(RUN("bitmap", "--add", "file:x.qcow2", "b0"), 1);
        expect_first_line(
            "instar bitmap: cannot open 'file:x.qcow2': No such file or directory");
}

/* Root may do everything, so the run happens in a child that is somebody else. */
static int run_as_nobody(char *name)
{
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                bool is_root = geteuid() == 0;
                if (is_root && (setgid(65534) != 0 || setuid(65534) != 0))
                        _exit(99);
                RUN("bitmap", "--add", name, "b0");
                _exit(strstr(err, "the file is read-only for this user\nhint: ")  ? 1
                      : strstr(err, "for reading and writing: Permission denied") ? 2
                                                                                  : 98);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void a_read_only_file_is_not_mistaken_for_an_unreadable_one(void **state)
{
        (void)state;
        assert_int_equal(chmod(directory, 0755), 0);
        write_file("read-only", "QFI\xfb", 4);
        write_file("unreadable", "QFI\xfb", 4);
        assert_int_equal(chmod("read-only", 0444), 0);
        assert_int_equal(chmod("unreadable", 0), 0);
        assert_int_equal(run_as_nobody("read-only"), 1);
        assert_int_equal(run_as_nobody("unreadable"), 2);
}

static void a_locked_image_is_told_in_qemus_words(void **state)
{
        struct flock lock = {
            .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 201, .l_len = 1};
        int fd = open("x.qcow2", O_RDWR | O_CLOEXEC);

        (void)state;
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        assert_int_equal(RUN("bitmap", "--add", "x.qcow2", "b0"), 1);
        expect_first_line("instar bitmap: Failed to get \"write\" lock");
        assert_non_null(strstr(err, "\nIs another process using the image [x.qcow2]?\n"));
        close(fd);
        assert_int_equal(RUN("bitmap", "--add", "x.qcow2", "b0"), 0);
}

static void a_full_stdout_after_the_edit_says_that_the_edit_was_done(void **state)
{
        int saved_out, saved_err, full;
        int memory_out = capture_begin(STDOUT_FILENO, &saved_out);
        int memory_err = capture_begin(STDERR_FILENO, &saved_err);
        int exit_code;

        (void)state;
        full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        assert_int_equal(dup2(full, STDOUT_FILENO), STDOUT_FILENO);
        exit_code = program_run(7, (char *[]){"instar", "bitmap", "--output", "json",
                                              "--add", "x.qcow2", "b0", NULL});
        capture_end(STDOUT_FILENO, memory_out, saved_out, out, sizeof out);
        capture_end(STDERR_FILENO, memory_err, saved_err, err, sizeof err);
        close(full);
        assert_int_equal(exit_code, 1);
        assert_string_equal(err,
                            "instar bitmap: cannot write to standard output: No space "
                            "left on device\nhint: the edit itself was done\n");
}

static void what_the_parser_rejects_exits_2_and_names_help(void **state)
{
        (void)state;
        assert_int_equal(RUN("bitmap", "--add", "x.qcow2"), 2);
        expect_first_line("instar bitmap: missing argument BITMAP after 'x.qcow2'");
        assert_non_null(
            strstr(err, "\nTry 'instar bitmap --help' for more information.\n"));
        assert_int_equal(RUN("bitmap", "--b\x1bogus", "x.qcow2", "b0"), 2);
        expect_first_line("instar bitmap: unrecognized option '--b\\x1bogus'");
        assert_int_equal(RUN("bitmap", "--o", "x", "x.qcow2", "b0"), 2);
        expect_first_line("instar bitmap: option '--o' is ambiguous: --output, --object");
        assert_int_equal(RUN("bogus"), 2);
        expect_first_line("instar: unknown subcommand 'bogus'");
        assert_non_null(strstr(err, "\nTry 'instar --help' for more information.\n"));
        assert_int_equal(RUN("-q"), 2);
        expect_first_line("instar: unrecognized option '-q'");
        assert_int_equal(RUN(NULL), 2);
        expect_first_line("instar: missing subcommand");
        assert_non_null(strstr(err, "Usage: instar"));
        assert_int_equal(RUN("--"), 2);
        expect_first_line("instar: unrecognized option '--'");
}

static void info_refuses_before_a_guest_runs(void **state)
{
        struct flock lock = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 110};
        int fd = open("x.qcow2", O_RDWR | O_CLOEXEC);

        (void)state;
        assert_int_equal(RUN("info", "-f", "raw", "missing"), 1);
        expect_first_line("instar info: unsupported format 'raw': only qcow2 is "
                          "supported");
        assert_int_equal(RUN("info", "missing"), 1);
        expect_first_line(
            "instar info: cannot open 'missing': No such file or directory");
        write_file("other", "QFJ\xfb", 4);
        assert_int_equal(RUN("info", "--output", "json", "other"), 1);
        expect_first_line("instar info: not a qcow2 image");
        assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
        assert_int_equal(RUN("info", "x.qcow2"), 1);
        expect_first_line("instar info: Failed to get shared \"write\" lock");
        close(fd);
        assert_int_equal(RUN("info"), 2);
        expect_first_line("instar info: missing argument FILENAME");
        assert_non_null(
            strstr(err, "\nTry 'instar info --help' for more information.\n"));
}

static void map_refuses_before_a_guest_runs(void **state)
{
        static char name[1025];

        (void)state;
        memset(name, 'n', 1024);
        assert_int_equal(RUN("map", "--bitmap", "", "-f", "raw", "missing"), 1);
        expect_first_line("instar map: invalid bitmap name length");
        assert_int_equal(RUN("map", "--bitmap", name, "missing"), 1);
        expect_first_line("instar map: invalid bitmap name length");
        assert_int_equal(RUN("map", "--bitmap", name + 1, "missing"), 1);
        expect_first_line("instar map: cannot open 'missing': No such file or directory");
        assert_int_equal(RUN("map", "--bitmap", "b0", "-f", "raw", "missing"), 1);
        expect_first_line("instar map: unsupported format 'raw': only qcow2 is "
                          "supported");
        assert_int_equal(RUN("map", "x.qcow2"), 2);
        expect_first_line("instar map: missing option --bitmap NAME");
        assert_non_null(strstr(err, "\nTry 'instar map --help' for more information.\n"));
}

static void help_and_version_exist_for_the_program_and_the_subcommand(void **state)
{
        static char bitmap_help_text[sizeof out];

        (void)state;
        assert_int_equal(RUN("--help"), 0);
        assert_non_null(strstr(out, "\n  bitmap "));
        assert_non_null(strstr(out, "\n  info "));
        assert_non_null(strstr(out, "\n  map "));
        assert_non_null(strstr(out, "Exit codes:"));
        assert_string_equal(err, "");
        assert_int_equal(RUN("help"), 0);
        assert_non_null(strstr(out, "\n  bitmap "));
        assert_int_equal(RUN("--version"), 0);
        assert_ptr_equal(strstr(out, "instar "), out);
        assert_int_equal(RUN("bitmap", "--version"), 0);
        assert_ptr_equal(strstr(out, "instar bitmap "), out);
        assert_int_equal(RUN("bitmap", "--help"), 0);
        assert_ptr_equal(strstr(out, "Usage: instar bitmap"), out);
        strcpy(bitmap_help_text, out);
        assert_int_equal(RUN("help", "bitmap"), 0);
        assert_string_equal(out, bitmap_help_text);
        assert_int_equal(RUN("help", "info"), 0);
        assert_ptr_equal(strstr(out, "Usage: instar info"), out);
        assert_int_equal(RUN("help", "map"), 0);
        assert_ptr_equal(strstr(out, "Usage: instar map"), out);
        assert_int_equal(RUN("help", "bogus"), 2);
        assert_int_equal(edit.runs, 0);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_edit_gets_the_call_and_is_silent),
            cmocka_unit_test(json_goes_to_stdout),
            cmocka_unit_test(
                the_journal_directory_comes_from_the_option_then_the_environment),
            cmocka_unit_test(the_sandbox_comes_from_the_option_then_the_environment),
            cmocka_unit_test(a_variable_that_names_no_sandbox_is_rejected),
            cmocka_unit_test(the_hosts_refusals_come_before_the_image_is_looked_at),
            cmocka_unit_test(what_is_no_image_is_told_in_words),
            cmocka_unit_test(a_read_only_file_is_not_mistaken_for_an_unreadable_one),
            cmocka_unit_test(a_locked_image_is_told_in_qemus_words),
            cmocka_unit_test(a_full_stdout_after_the_edit_says_that_the_edit_was_done),
            cmocka_unit_test(what_the_parser_rejects_exits_2_and_names_help),
            cmocka_unit_test(info_refuses_before_a_guest_runs),
            cmocka_unit_test(map_refuses_before_a_guest_runs),
            cmocka_unit_test(help_and_version_exist_for_the_program_and_the_subcommand),
        };

        return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
