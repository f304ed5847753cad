// Size of the intersection of two sets of bits.
#include "../bench.h"

enum { WORDS = 1024 };
static uint64_t a[WORDS] ALIGNED, b[WORDS] ALIGNED;

static void setup(void) {
    for (int i = 0; i < WORDS; i++) {
        a[i] = (uint64_t)random_bits() << 40 ^ (uint64_t)random_bits() << 20 ^ random_bits();
        b[i] = (uint64_t)random_bits() << 40 ^ (uint64_t)random_bits() << 20 ^ random_bits();
    }
}

static NOINLINE uint64_t common(const uint64_t *a, const uint64_t *b, int n) {
    uint64_t bits = 0;
    for (int i = 0; i < n; i++) bits += (uint64_t)__builtin_popcountll(a[i] & b[i]);
    return bits;
}

static NOINLINE uint64_t work(void) {
    uint64_t sum = 0;
    for (int i = 0; i < 64; i++) sum = sum * 3 + common(a + i, b, opaque(WORDS - 64));
    return sum;
}
