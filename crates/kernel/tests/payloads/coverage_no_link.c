// Coverage without a function table that fits is off, says so, and the program runs.
// exit: 0
// options: coverage=on
// expect: coverage is off: 
// expect: no such file
// expect: ok nothing measured
// machine-only
#include "check.h"

int main(void) {
    uint64_t info[11];
    unsigned char bytes[8];
    CHECK(syscall(0xBF00, info, sizeof info) == sizeof info);
    CHECK((info[0] & 3) == 0 && info[1] == 0 && info[4] == 0);
    CHECK(syscall(0xBF01, bytes, sizeof bytes, 0L) == -1 && errno == ENODATA);
    CHECK(syscall(0xBF02, bytes, sizeof bytes, 0L) == -1 && errno == ENODATA);
    ok("nothing measured");
    return 0;
}
