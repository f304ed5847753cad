/* A program that looks at itself: what its functions cost, before and after it has them optimised.
 *
 *   ./x bareflow build examples/profile.c --store 0 -o profile.img
 *   ./x bareflow run profile.img
 *   ./x bareflow exec examples/profile.c          (as a Linux process)
 *
 * With --store 0 what it learns is forgotten at the end; otherwise the next run begins with optimised code.
 */
#include <inttypes.h>
#include <jit_runtime.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 40, LENGTH = 20000, LIMIT = 3000 };

static int numbers[LENGTH];

long fibonacci(long n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

long sum(const int *of, long length) {
    long total = 0;
    for (long i = 0; i < length; i++)
        total += of[i];
    return total;
}

int is_prime(int n) {
    for (int d = 2; d * d <= n; d++)
        if (n % d == 0)
            return 0;
    return n > 1;
}

long primes(int limit) {
    long found = 0;
    for (int n = 0; n < limit; n++)
        found += is_prime(n);
    return found;
}

/* What is measured: a region has the cycles of one run, a function its calls and its level. */
static const struct work {
    const char *function, *before, *after;
    long expected;
} works[] = {
    {"fibonacci", "fibonacci(16), before", "fibonacci(16), after", 987},
    {"sum", "sum of 20000, before", "sum of 20000, after", 199990000},
    {"primes", "primes below 3000, before", "primes below 3000, after", 430},
};
enum { WORKS = sizeof works / sizeof works[0] };

static long run(int work) {
    switch (work) {
    case 0: return fibonacci(16);
    case 1: return sum(numbers, LENGTH);
    default: return primes(LIMIT);
    }
}

static const char *level(const char *function) {
    static const char *const names[] = {"interpreted", "O0", "O1", "O2", "O3"};
    int level = jit_get_optimization_level(function);
    return level < JIT_INTERPRETED ? "unknown" : names[level + 1];
}

/* Runs all the work, and prints the table of it. */
static void measure(int optimised) {
    puts(optimised ? "\nAfter jit_optimize_hot_functions:" : "Before:");
    printf("  %-26s %12s %14s  %s\n", "region", "calls so far", "cycles a run", "level");
    for (int i = 0; i < WORKS; i++) {
        const char *region = optimised ? works[i].after : works[i].before;
        for (int repeat = 0; repeat < RUNS; repeat++) {
            jit_profile_begin(region);
            long result = run(i);
            jit_profile_end(region);
            if (result != works[i].expected) {
                printf("%s: %ld instead of %ld\n", region, result, works[i].expected);
                exit(1);
            }
        }
        printf("  %-26s %12" PRIu64 " %14" PRIu64 "  %s\n", region, jit_get_call_count(works[i].function),
               jit_get_avg_cycles(region), level(works[i].function));
    }
}

int main(void) {
    for (int i = 0; i < LENGTH; i++)
        numbers[i] = i;

    /* Nothing gets hot enough to be compiled, so that the first table is the interpreter's. */
    jit_set_threshold(UINT64_C(1) << 40, UINT64_C(1) << 40, UINT64_C(1) << 40);
    measure(0);

    jit_set_threshold(RUNS, RUNS, RUNS);
    printf("\n%d functions compiled at O3\n", jit_optimize_hot_functions());
    measure(1);

    puts("");
    for (int i = 0; i < WORKS; i++) {
        uint64_t before = jit_get_avg_cycles(works[i].before), after = jit_get_avg_cycles(works[i].after);
        if (after) /* an exported program has no engine, and measures nothing */
            printf("%-10s %6.1f times faster\n", works[i].function, (double)before / (double)after);
    }
    return 0;
}
