// How long the program stands still: many functions become hot one after the other while a loop reads the clock.
//
// Arguments: milliseconds to run. Prints "LONGEST_NS GAPS_OVER_100_US TAKEN_AWAY_NS RESULT": the longest gap between two
// readings of the clock during which the system did not give the processor to somebody else, how many such gaps were
// over 100 microseconds, and the longest of the others. Between two readings lie about 100 operations.
#define _GNU_SOURCE // RUSAGE_THREAD
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long taken_away(void) {
    struct rusage r;
    getrusage(RUSAGE_THREAD, &r);
    return r.ru_nivcsw;
}

// Eight functions of some size, each different.
#define HOT(NAME, A, B, C)                                                    \
    static __attribute__((noinline)) uint32_t NAME(uint32_t x, uint32_t *v) { \
        for (int i = 0; i < 8; i++) {                                         \
            x = x * A + B;                                                    \
            v[x >> 28] += x >> C;                                             \
            if (v[i] & 4) x ^= v[(x >> 7) & 15];                              \
            else x += v[15 - i];                                              \
        }                                                                     \
        switch (x & 3) {                                                      \
        case 0: return x / (B | 1);                                           \
        case 1: return x ^ v[3];                                              \
        case 2: return x + (uint32_t)__builtin_popcount(v[5]);                \
        default: return x << 3 | x >> 29;                                     \
        }                                                                     \
    }
HOT(hot0, 1664525u, 1013904223u, 3)
HOT(hot1, 22695477u, 1u, 5)
HOT(hot2, 1103515245u, 12345u, 7)
HOT(hot3, 134775813u, 7u, 9)
HOT(hot4, 214013u, 2531011u, 11)
HOT(hot5, 69069u, 5u, 13)
HOT(hot6, 16843009u, 826366247u, 15)
HOT(hot7, 1140671485u, 12820163u, 17)

typedef uint32_t (*hot)(uint32_t, uint32_t *);
static const hot all[8] = {hot0, hot1, hot2, hot3, hot4, hot5, hot6, hot7};

int main(int argc, char **argv) {
    uint64_t run = (argc > 1 ? strtoull(argv[1], NULL, 10) : 2000) * 1000000u;
    uint32_t v[16] = {0}, x = 1;
    uint64_t longest = 0, over = 0, away = 0;
    uint64_t begin = now_ns(), before = begin;
    long lost = taken_away();
    for (;;) {
        uint64_t now = now_ns(), gap = now - before;
        if (gap > 20000) {
            long lost_now = taken_away();
            if (lost_now != lost) {
                if (gap > away) away = gap;
            } else {
                if (gap > longest) longest = gap;
                over += gap > 100000;
            }
            lost = lost_now;
            now = now_ns();
        }
        before = now;
        // Each eighth of the run another function.
        uint64_t which = (now - begin) * 8 / run;
        if (which >= 8) break;
        x = all[which](x, v);
    }
    printf("%llu %llu %llu %x\n", (unsigned long long)longest, (unsigned long long)over, (unsigned long long)away, x);
    return 0;
}
