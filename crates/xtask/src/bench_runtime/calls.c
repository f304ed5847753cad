/* Cycles of calls of the runtime from compiled code, beside calls of a function of the program: bench_runtime.rs.
 * Prints a line a loop: name, cycles of a round (median). */
#include <jit_runtime.h>
#include <runtime.h>
#include <stdio.h>

uint32_t bf_cpu_count(void);

enum { ROUNDS = 200000, TIMES = 101 };

static uint32_t processors = 2;

/* Does what bf_cpu_count does: tells a number that lies in memory. */
__attribute__((noinline)) uint32_t direct(void) {
    __asm__ volatile("" ::: "memory");
    return processors;
}

__attribute__((noinline)) uint64_t empty_loop(void) {
    uint64_t start = cpu_rdtsc();
    for (int i = 0; i < ROUNDS; i++)
        __asm__ volatile("" ::: "memory");
    return cpu_rdtsc() - start;
}

__attribute__((noinline)) uint64_t direct_calls(void) {
    uint64_t start = cpu_rdtsc();
    for (int i = 0; i < ROUNDS; i++)
        direct();
    return cpu_rdtsc() - start;
}

__attribute__((noinline)) uint64_t runtime_calls(void) {
    uint64_t start = cpu_rdtsc();
    for (int i = 0; i < ROUNDS; i++)
        bf_cpu_count();
    return cpu_rdtsc() - start;
}

__attribute__((noinline)) uint64_t regions(void) {
    uint64_t start = cpu_rdtsc();
    for (int i = 0; i < ROUNDS; i++) {
        jit_profile_begin("region");
        jit_profile_end("region");
    }
    return cpu_rdtsc() - start;
}

__attribute__((noinline)) uint64_t clocks(void) {
    uint64_t start = cpu_rdtsc();
    for (int i = 0; i < ROUNDS; i++) {
        cpu_rdtsc();
        cpu_rdtsc();
    }
    return cpu_rdtsc() - start;
}

static const struct {
    const char *name;
    uint64_t (*run)(void);
} all[] = {
    {"empty", empty_loop}, {"direct", direct_calls}, {"runtime", runtime_calls}, {"region", regions}, {"clock", clocks},
};
enum { COUNT = sizeof all / sizeof *all };

static uint64_t seen[COUNT][TIMES];

int main(void) {
    /* Turn by turn, so that what disturbs one disturbs the others. */
    for (int t = 0; t < TIMES; t++)
        for (int i = 0; i < COUNT; i++)
            seen[i][t] = all[i].run();
    for (int i = 0; i < COUNT; i++) {
        uint64_t *v = seen[i];
        for (int a = 1; a < TIMES; a++)
            for (int b = a; b > 0 && v[b - 1] > v[b]; b--) {
                uint64_t x = v[b];
                v[b] = v[b - 1], v[b - 1] = x;
            }
        printf("%s %.2f\n", all[i].name, (double)v[TIMES / 2] / ROUNDS);
    }
    return 0;
}
