//! `memcpy` of a constant size and alignment, as the compiler sees it in the program, beside the function that takes any.
//!
//! What is general about the function is that sizes and addresses differ from call to call: those around the same mean. (With one
//! size throughout, every branch of it is predicted, and it is nearly as fast as the moves themselves.)
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

// Aligned as programs align what they copy in blocks.
static _Alignas(64) char from[8192], to[8192];

typedef void *copy_function(void *, const void *, size_t);
// Read anew at each call, so that nobody knows which function it is.
static copy_function *volatile any = memcpy;
// Sizes and offsets of the calls, in turn: longer than what a branch predictor learns by heart.
enum { SHAPES = 4096 };
static struct shape {
    uint16_t size, to, from;
} shapes[SHAPES];

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
            const struct shape *s = &shapes[i % SHAPES];                                                               \
            any(to + s->to, from + s->from, s->size);                                                                  \
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

// Sizes from half of n to one and a half of it, at any address.
static void shuffle(size_t n) {
    static uint64_t state = 0x9e3779b97f4a7c15;
    for (int i = 0; i < SHAPES; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        shapes[i] = (struct shape){(uint16_t)(n / 2 + (state >> 40) % (n + 1)), (uint16_t)(state >> 20 & 1023), (uint16_t)(state & 1023)};
    }
}

static void measure(size_t n, long (*general)(void), long (*constant)(void)) {
    shuffle(n);
    long a[ROUNDS], b[ROUNDS];
    // The first rounds are the engine's to compile.
    for (long start = now(); now() - start < 500000000;)
        general(), constant();
    for (int round = 0; round < ROUNDS; round++) {
        long x = general(), y = constant();
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
