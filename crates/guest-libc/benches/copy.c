//! `memcpy` of a constant size, as the compiler sees it in the program, beside the function that takes any size.
#include <stdio.h>
#include <string.h>
#include <time.h>

// Aligned as programs align what they copy in blocks.
static _Alignas(64) char from[4096], to[4096];

typedef void *copy_function(void *, const void *, size_t);
// Read anew at each call, so that nobody knows which function or which size it is.
static copy_function *volatile any = memcpy;
static volatile size_t size;

enum { CALLS = 20000, ROUNDS = 41 };

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

#define BARRIER __asm__ volatile("" ::: "memory")

#define SIZE(N)                                                                                                        \
    __attribute__((noinline)) static long general_##N(void) {                                                          \
        long start = now();                                                                                            \
        for (int i = 0; i < CALLS; i++) {                                                                              \
            any(to + (i & 7) * 64, from + (i & 7) * 64, size);                                                         \
            BARRIER;                                                                                                   \
        }                                                                                                              \
        return now() - start;                                                                                          \
    }                                                                                                                  \
    __attribute__((noinline)) static long constant_##N(void) {                                                         \
        long start = now();                                                                                            \
        for (int i = 0; i < CALLS; i++) {                                                                              \
            memcpy(__builtin_assume_aligned(to + (i & 7) * 64, 64), __builtin_assume_aligned(from + (i & 7) * 64, 64), \
                   N);                                                                                                 \
            BARRIER;                                                                                                   \
        }                                                                                                              \
        return now() - start;                                                                                          \
    }
SIZE(64)
SIZE(128)
SIZE(256)
SIZE(512)

static void measure(size_t n, long (*general)(void), long (*constant)(void)) {
    size = n;
    long a[ROUNDS], b[ROUNDS];
    // The first rounds are the engine's to compile.
    for (int round = -200; round < ROUNDS; round++) {
        long x = general(), y = constant();
        if (round >= 0)
            a[round] = x, b[round] = y;
    }
    for (int i = 1; i < ROUNDS; i++)
        for (int j = i; j > 0; j--) {
            if (a[j] < a[j - 1]) { long t = a[j]; a[j] = a[j - 1]; a[j - 1] = t; }
            if (b[j] < b[j - 1]) { long t = b[j]; b[j] = b[j - 1]; b[j - 1] = t; }
        }
    double x = (double)a[ROUNDS / 2] / CALLS, y = (double)b[ROUNDS / 2] / CALLS;
    printf("%zu %.2f %.2f %.2f\n", n, x, y, x / y);
}

int main(void) {
    measure(64, general_64, constant_64);
    measure(128, general_128, constant_128);
    measure(256, general_256, constant_256);
    measure(512, general_512, constant_512);
    return 0;
}
