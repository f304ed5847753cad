// Input that came before anybody read it, from the moment the machine was switched on: none of it is lost.
// exit: 0
// boot: disk
// input: > first of two lines\nand the second\n
// expect: got "first of two lines"
// expect: got "and the second"
// evicted: no
// machine-only
#include "check.h"

int main(void) {
    for (int i = 0; i < 2; i++) {
        char line[64] = {0};
        long count = read(0, line, sizeof line);
        CHECK(count > 0 && line[count - 1] == '\n');
        line[count - 1] = 0;
        printf("got \"%s\"\n", line);
    }
    return 0;
}
