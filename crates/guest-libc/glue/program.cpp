//! The start and the end of a program, and what it may ask of its surroundings.

#include "guest.h"
#include "streams.h"
#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

using LIBC_NAMESPACE::flush_all;

extern "C" {

// One for all threads: a guest has no thread-local storage, and threads of `bf_parallel` compute.
static int error_number;
int *__errno_location() noexcept { return &error_number; }

// A program that defines it as something else gets a heap that looks for mistakes (src/heap.rs).
extern const int bareflow_heap_checked;
__attribute__((weak)) const int bareflow_heap_checked = 0;

void __cxa_finalize(void *dso);
int program_main(int argc, char **argv) __asm__("main");

void exit(int code) noexcept {
    __cxa_finalize(nullptr);
    flush_all();
    bf_exit(code);
}

void _Exit(int code) noexcept { bf_exit(code); }
void quick_exit(int code) noexcept { bf_exit(code); }

/// What the start code calls instead of `main`, so that what `main` leaves in its streams is written. `main` is not inlined:
/// code without debug information around it would take its source lines.
[[noreturn]] void bareflow_libc_start(int argc, char **argv) {
    int code;
    [[clang::noinline]] code = program_main(argc, argv);
    exit(code);
}


/// Exit codes of guests go up to 62.
static constexpr int ABORTED = 62;

void abort() noexcept {
    static const char message[] = "the program aborted\n";
    flush_all();
    bf_console_write(message, sizeof message - 1);
    bf_exit(ABORTED);
}

/// The heap was used wrongly, and has said how. A trap, so that whoever runs the program tells which call it was.
[[noreturn]] void bareflow_heap_fault() noexcept {
    flush_all();
    __builtin_trap();
}

void __assert_fail(const char *condition, const char *file, unsigned line, const char *function) noexcept {
    fprintf(stderr, "%s:%u: %s: Assertion `%s' failed.\n", file, line, function, condition);
    abort();
}

char *getenv(const char *) noexcept { return nullptr; }

// No command processor is there.
int system(const char *command) {
    if (!command)
        return 0;
    errno = ENOSYS;
    return -1;
}

char *setlocale(int category, const char *locale) noexcept {
    static char name[] = "C";
    if (category < LC_CTYPE || category > LC_ALL)
        return nullptr;
    return !locale || !*locale || !strcmp(locale, "C") || !strcmp(locale, "POSIX") ? name : nullptr;
}

struct lconv *localeconv() noexcept {
    static char none[] = "", point[] = ".";
    constexpr char NONE = 127;
    static struct lconv conventions = {point, none, none, none, none, none, none, none, none, none, NONE, NONE,
                                       NONE,  NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE};
    return &conventions;
}

using Handler = void (*)(int);
static Handler handlers[32];

Handler signal(int number, Handler handler) noexcept {
    if (number < 1 || number >= 32) {
        errno = EINVAL;
        return SIG_ERR;
    }
    Handler before = handlers[number];
    handlers[number] = handler;
    return before;
}

int raise(int number) noexcept {
    if (number < 1 || number >= 32) {
        errno = EINVAL;
        return -1;
    }
    if (handlers[number] == SIG_IGN)
        return 0;
    if (handlers[number] != SIG_DFL) {
        handlers[number](number);
        return 0;
    }
    abort();
}

} // extern "C"
