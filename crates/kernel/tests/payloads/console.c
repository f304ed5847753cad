// Console input: an edited line, the terminal flags, Ctrl-C as a signal that interrupts a read, the end of input.
// exit: 0
// input: type a line> worlx\x7fd\n
// input: press Ctrl-C> \x03
// input: end the input> \x04
// expect: got "world"
// expect: ok interrupted by Ctrl-C
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
    CHECK(read(0, line, sizeof line) == -1 && errno == EINTR && interrupted == SIGINT);
    ok("interrupted by Ctrl-C");

    printf("end the input> ");
    fflush(stdout);
    CHECK(read(0, line, sizeof line) == 0);
    ok("end of input");
    return 0;
}
