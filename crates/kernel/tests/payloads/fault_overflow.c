// A stack that grows without end without a handler: the machine ends with a report and its own exit code.
// exit: payload-exception
// expect: EXCEPTION 14 (page fault) in the payload
// expect: backtrace:
// machine-only
#include "check.h"

static int dive(volatile int depth) {
    volatile char frame[4096];
    frame[0] = (char)depth;
    return dive(depth + 1) + frame[0];
}

int main(void) {
    return dive(0);
}
