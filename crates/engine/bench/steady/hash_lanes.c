// Hashes of many keys at once: 32-bit products, shifts, exclusive or.
#include "../bench.h"

enum { N = 2048 };
static uint32_t key[N] ALIGNED, hash[N] ALIGNED;

static void setup(void) {
    for (int i = 0; i < N; i++) key[i] = random_bits();
}

static NOINLINE void hash_all(uint32_t *restrict to, const uint32_t *restrict from, int n, uint32_t seed) {
    for (int i = 0; i < n; i++) {
        uint32_t x = from[i] ^ seed;
        x ^= x >> 16;
        x *= 0x85ebca6bu;
        x ^= x >> 13;
        x *= 0xc2b2ae35u;
        to[i] = x ^ x >> 16;
    }
}

static NOINLINE uint64_t work(void) {
    for (uint32_t i = 0; i < 64; i++) hash_all(hash, key, N, i);
    return hash[N / 3];
}
