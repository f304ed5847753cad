// A kernel's main: units of work on request, so that several programs can take turns and each stays warm.
//
// A kernel defines `setup` (once) and `work` (one unit, 10 to 500 microseconds of native code; its result depends on all
// it computed). With an argument N the program does N units and prints a checksum. Without, it reads lines from standard
// input, each a number of nanoseconds; for each it works as long and answers with a line "UNITS NANOSECONDS". Times are
// the thread's processor time: waiting for a processor does not count.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOINLINE __attribute__((noinline))
// Numeric arrays begin with a cache line, as numeric libraries have it.
#define ALIGNED __attribute__((aligned(64)))
// Some kernels have no use for a helper.
#define HELPER static __attribute__((unused))

static void setup(void);
static NOINLINE uint64_t work(void); // touches memory that changes or a volatile: no compiler may leave it out

// The value, which no compiler knows.
HELPER int opaque(int value) {
    volatile int v = value;
    return v;
}

static uint32_t random_state = 12345;
// 24 bits of a linear congruential generator.
HELPER uint32_t random_bits(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

// The bits of a number, for checksums.
HELPER uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint64_t processor_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t checksum;

// Works for that long; the clock is read every quarter of a millisecond or less often.
static NOINLINE void turn(uint64_t budget) {
    static uint64_t step = 1;
    uint64_t units = 0, start = processor_ns(), before = start, now;
    do {
        for (uint64_t i = 0; i < step; i++) checksum = checksum * 31 + work();
        units += step;
        now = processor_ns();
        if (now - before < 250000) step *= 2;
        if (now - before > 2000000 && step > 1) step /= 2;
        before = now;
    } while (now - start < budget);
    printf("%llu %llu\n", (unsigned long long)units, (unsigned long long)(now - start));
    fflush(stdout);
}

int main(int argc, char **argv) {
    setup();
    if (argc > 1) {
        for (long n = atol(argv[1]); n > 0; n--) checksum = checksum * 31 + work();
        printf("%016llx\n", (unsigned long long)checksum);
        return 0;
    }
    char line[64];
    while (fgets(line, sizeof line, stdin)) turn(strtoull(line, NULL, 10));
    return 0;
}
