//! `memcpy` of a constant size and alignment, as the compiler sees it in the program, beside the function that takes any.
//!
//! What is general about the function is that sizes and addresses differ from call to call: those around the same mean. (With one
//! size throughout, every branch of it is predicted, and it is nearly as fast as the moves themselves.)
//!
//! The last line is of calls in a row that have a size each, always the same, at aligned addresses: what a program does that
//! copies its structures. There the general function's branches are predicted by where the call came from.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

// Aligned as programs align what they copy in blocks. The two differ in their low twelve bits, by which a load tells at first
// whether it must wait for a store.
static _Alignas(64) struct {
    char from[8192 + 2048], to[8192];
} arena;

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

#define CONSTANT(AT, N)                                                                                                \
    memcpy(__builtin_assume_aligned(arena.to + (AT), 64), __builtin_assume_aligned(arena.from + (AT), 64), N);         \
    BARRIER;
#define SIZE(N)                                                                                                        \
    __attribute__((noinline)) static long general_##N(void) {                                                          \
        long start = now();                                                                                            \
        for (int i = 0; i < CALLS; i++) {                                                                              \
            const struct shape *s = &shapes[i % SHAPES];                                                               \
            any(arena.to + s->to, arena.from + s->from, s->size);                                                      \
            BARRIER;                                                                                                   \
        }                                                                                                              \
        return now() - start;                                                                                          \
    }                                                                                                                  \
    __attribute__((noinline)) static long constant_##N(void) {                                                         \
        long start = now();                                                                                            \
        for (int i = 0; i < CALLS; i++) {                                                                              \
            CONSTANT((i & 7) * 64, N)                                                                                  \
        }                                                                                                              \
        return now() - start;                                                                                          \
    }
SIZE(64)
SIZE(128)
SIZE(256)
SIZE(512)

// Read anew at each call, so that they are not constant.
static volatile uint16_t sizes[] = {64, 100, 128, 200, 256, 384, 512};

__attribute__((noinline)) static void copy(void *target, const void *source, size_t n) { memcpy(target, source, n); }

#define GENERAL(SITE, N) copy(arena.to + at, arena.from + at, sizes[SITE]); BARRIER;
#define FIXED(SITE, N) CONSTANT(at, N)
#define ROW(COPY) COPY(0, 64) COPY(1, 100) COPY(2, 128) COPY(3, 200) COPY(4, 256) COPY(5, 384) COPY(6, 512)

#define IN_A_ROW(NAME, COPY)                                                                                           \
    __attribute__((noinline)) static long NAME(void) {                                                                 \
        long start = now();                                                                                            \
        for (int i = 0; i < CALLS; i++) {                                                                              \
            int at = (i & 7) * 64;                                                                                     \
            ROW(COPY)                                                                                                  \
        }                                                                                                              \
        return now() - start;                                                                                          \
    }
IN_A_ROW(general_row, GENERAL)
IN_A_ROW(constant_row, FIXED)

// Sizes from half of n to one and a half of it, at any address.
static void shuffle(size_t n) {
    static uint64_t state = 0x9e3779b97f4a7c15;
    for (int i = 0; i < SHAPES; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        shapes[i] = (struct shape){(uint16_t)(n / 2 + (state >> 40) % (n + 1)), (uint16_t)(state >> 20 & 1023), (uint16_t)(state & 1023)};
    }
}

static void measure(const char *name, long (*general)(void), long (*constant)(void)) {
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
    printf("%s %.2f %.2f %.2f\n", name, x, y, x / y);
}

int main(void) {
    shuffle(64), measure("64", general_64, constant_64);
    shuffle(128), measure("128", general_128, constant_128);
    shuffle(256), measure("256", general_256, constant_256);
    shuffle(512), measure("512", general_512, constant_512);
    measure("row", general_row, constant_row);
    return 0;
}
