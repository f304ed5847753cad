// The start: arguments, environment, auxiliary vector, time since the kernel's entry, exit code.
// args: one "two words"
// exit: 7
// expect: hello, 3 arguments: runtime|one|two words
// expect: ok environment
// expect: ok auxiliary vector
// machine-only
#include "check.h"
#include <sys/auxv.h>

int main(int argc, char **argv) {
    printf("hello, %d arguments: %s|%s|%s\n", argc, argv[0], argv[1], argv[2]);
    CHECK(getenv("BAREFLOW_MACHINE") && !strcmp(getenv("BAREFLOW_MACHINE"), "1"));
    ok("environment");
    CHECK(getauxval(AT_PAGESZ) == 4096 && getauxval(AT_PHDR) && getauxval(AT_RANDOM));
    CHECK(getauxval(AT_SYSINFO_EHDR) == 0);
    ok("auxiliary vector");
    struct timespec t;
    CHECK(clock_gettime(CLOCK_BOOTTIME, &t) == 0);
    printf("main reached after %ld.%03ld ms\n", t.tv_sec * 1000 + t.tv_nsec / 1000000, t.tv_nsec / 1000 % 1000);
    return 7;
}
