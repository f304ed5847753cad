// A division by zero without a handler: the machine ends with a report and its own exit code.
// exit: payload-exception
// expect: EXCEPTION 0 (divide error) in the payload
// expect: backtrace:
// machine-only
#include "check.h"

int main(void) {
    volatile int zero = 0; return 7 / zero;
}
