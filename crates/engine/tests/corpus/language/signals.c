// An abort at the end: output before it is there, and the signal is the program's result.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t seen;
static void handler(int s) { seen = seen * 100 + s; }
int main(void) {
    signal(SIGUSR1, handler);
    signal(SIGTERM, handler);
    raise(SIGUSR1);
    raise(SIGTERM);
    printf("%d\n", seen);
    signal(SIGTERM, SIG_IGN);
    raise(SIGTERM);
    printf("%d %d\n", seen, signal(SIGUSR1, SIG_DFL) == handler);
    fflush(stdout);
    abort();
}
