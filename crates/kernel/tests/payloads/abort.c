// abort: the machine ends by SIGABRT, exit code 134 (63 or larger on the debug port).
// exit: 134
// expect: the payload was killed by SIGABRT
// forbid: not reached
// machine-only
#include "check.h"

int main(void) {
    abort();
    puts("not reached");
}
