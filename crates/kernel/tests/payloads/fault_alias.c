// The kernel's code cannot be written, not through the direct map of physical memory either.
// exit: payload-exception
// expect: EXCEPTION 14 (page fault) in the payload
// expect: writing address 0xffff800000101000: the page forbids it
// forbid: not reached
// machine-only
#include "check.h"

int main(void) {
    *(volatile int *)0xFFFF800000101000 = 1;
    puts("not reached");
    return 0;
}
