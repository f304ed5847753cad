// Console input: an edited line, the terminal flags, Ctrl-C as a signal that interrupts a read, the end of input.
// exit: 0
// input: type a line> worlx\x7fd\n
// input: press Ctrl-C> half a line>
// input: half a line> \x03
// input: type another> again\n
// input: end the input> \x04
// expect: got "world"
// expect: ok interrupted by Ctrl-C
// expect: ok nothing is left of it
// expect: ok end of input
// machine-only
#include "check.h"
#include <termios.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal) {
    interrupted = signal;
}

int main(void) {
    char line[64] = {0};
    struct termios flags;
    CHECK(isatty(0) && isatty(1) && tcgetattr(0, &flags) == 0);
    CHECK((flags.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG));
    printf("type a line> ");
    fflush(stdout);
    long count = read(0, line, sizeof line);
    CHECK(count > 0 && line[count - 1] == '\n');
    line[count - 1] = 0;
    printf("got \"%s\"\n", line);

    struct sigaction action = {.sa_handler = on_interrupt};
    CHECK(sigaction(SIGINT, &action, NULL) == 0);
    printf("press Ctrl-C> ");
    fflush(stdout);
    /* What is typed is echoed once this read has begun: Ctrl-C behind it interrupts nothing else. */
    CHECK(read(0, line, sizeof line) == -1 && errno == EINTR && interrupted == SIGINT);
    ok("interrupted by Ctrl-C");

    printf("type another> ");
    fflush(stdout);
    CHECK(read(0, line, sizeof line) == 6 && memcmp(line, "again\n", 6) == 0);
    ok("nothing is left of it");

    printf("end the input> ");
    fflush(stdout);
    CHECK(read(0, line, sizeof line) == 0);
    ok("end of input");
    return 0;
}
