// For programs whose main is one loop: how many units of work each slice of time saw.
//
// The first argument is when the program was started, in nanoseconds of CLOCK_REALTIME: what a runtime does before main
// counts. The second is for how many milliseconds to run. `tick` is called after each unit and says whether to go on. At
// the end `report` prints a line "SLICE UNITS NANOSECONDS" for each slice of 25 ms: the processor time that the thread
// had in the slice, so that waiting for a processor does not count.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLICE_NS = 25000000, SLICES = 400 };

static struct {
    uint64_t units, spent;
} slices[SLICES];
static uint64_t begin, before, end, current;

static uint64_t clock_ns(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void start(int argc, char **argv) {
    begin = argc > 1 ? strtoull(argv[1], NULL, 10) : clock_ns(CLOCK_REALTIME);
    end = (argc > 2 ? strtoull(argv[2], NULL, 10) : 2000) * 1000000u;
    if (end > (uint64_t)SLICES * SLICE_NS) end = (uint64_t)SLICES * SLICE_NS;
    current = (clock_ns(CLOCK_REALTIME) - begin) / SLICE_NS;
    before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static int tick(void) {
    uint64_t now = clock_ns(CLOCK_REALTIME) - begin;
    slices[current].units++;
    if (now / SLICE_NS == current) return 1;
    uint64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    slices[current].spent = cpu - before;
    before = cpu;
    current = now / SLICE_NS;
    return now < end;
}

static int report(uint64_t result) {
    for (uint64_t i = 0; i < end / SLICE_NS; i++)
        if (slices[i].spent) printf("%llu %llu %llu\n", (unsigned long long)i, (unsigned long long)slices[i].units, (unsigned long long)slices[i].spent);
    // The result depends on how long the program ran; that it is used matters.
    return result == 0x123456789abcdef;
}
