// A null pointer without a handler: the machine ends with a report and its own exit code.
// exit: payload-exception
// expect: EXCEPTION 14 (page fault) in the payload
// expect: writing address 0x8: no page is there; a null pointer
// expect: backtrace:
// machine-only
#include "check.h"

int main(void) {
    *(volatile int *)8 = 1;
    return 0;
}
