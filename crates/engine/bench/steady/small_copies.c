// Copies of a size that is passed as an argument, always the same, by a general copy: what specialisation is for.
#include "../bench.h"

enum { RECORDS = 512, LARGEST = 64 };
static uint8_t from[RECORDS][LARGEST] ALIGNED, to[RECORDS][LARGEST] ALIGNED;
static size_t size;

static void setup(void) {
    size = (size_t)opaque(48);
    for (int i = 0; i < RECORDS; i++)
        for (int j = 0; j < LARGEST; j++) from[i][j] = (uint8_t)random_bits();
}

// As a C library for all processors has it: bytes until aligned, words, bytes.
static NOINLINE void copy(void *restrict to, const void *restrict from, size_t n) {
    uint8_t *t = to;
    const uint8_t *f = from;
    while (n > 0 && ((uintptr_t)t & 7)) {
        *t++ = *f++;
        n--;
    }
    while (n >= 8) {
        uint64_t word;
        __builtin_memcpy(&word, f, 8);
        __builtin_memcpy(t, &word, 8);
        t += 8;
        f += 8;
        n -= 8;
    }
    while (n-- > 0) *t++ = *f++;
}

static NOINLINE uint64_t work(void) {
    for (int k = 0; k < 8; k++)
        for (int i = 0; i < RECORDS; i++) copy(to[i], from[(i + k) % RECORDS], size);
    return to[7][3];
}
