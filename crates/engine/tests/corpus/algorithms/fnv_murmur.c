// Hash functions of 32 and 64 bits: FNV-1a, djb2, MurmurHash3, one-at-a-time, SipHash-2-4.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t fnv32(const char *s, size_t n) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)s[i]) * 16777619u;
    return h;
}
static uint64_t fnv64(const char *s, size_t n) {
    uint64_t h = 14695981039346656037u;
    while (n--) h = (h ^ (uint8_t)*s++) * 1099511628211u;
    return h;
}
static uint32_t djb2(const char *s, size_t n) {
    uint32_t h = 5381;
    for (const char *e = s + n; s != e; s++) h = (h << 5) + h + (uint8_t)*s;
    return h;
}
static uint32_t jenkins(const char *s, size_t n) {
    uint32_t h = 0;
    for (size_t i = 0; i < n; i++) {
        h += (uint8_t)s[i];
        h += h << 10;
        h ^= h >> 6;
    }
    h += h << 3;
    h ^= h >> 11;
    return h + (h << 15);
}
static uint32_t rotl32(uint32_t x, int r) { return x << r | x >> (32 - r); }
static uint64_t rotl64(uint64_t x, int r) { return x << r | x >> (64 - r); }
static uint32_t murmur3(const char *s, size_t n, uint32_t seed) {
    uint32_t h = seed, k = 0;
    size_t blocks = n / 4;
    for (size_t i = 0; i < blocks; i++) {
        memcpy(&k, s + 4 * i, 4);
        h ^= rotl32(k * 0xcc9e2d51u, 15) * 0x1b873593u;
        h = rotl32(h, 13) * 5 + 0xe6546b64u;
    }
    const uint8_t *tail = (const uint8_t *)s + 4 * blocks;
    k = 0;
    switch (n & 3) {
    case 3: k ^= (uint32_t)tail[2] << 16; /* fall through */
    case 2: k ^= (uint32_t)tail[1] << 8;  /* fall through */
    case 1: h ^= rotl32((k ^ tail[0]) * 0xcc9e2d51u, 15) * 0x1b873593u;
    }
    h ^= (uint32_t)n;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}
#define ROUND                                                                                 \
    (v0 += v1, v1 = rotl64(v1, 13) ^ v0, v0 = rotl64(v0, 32), v2 += v3, v3 = rotl64(v3, 16) ^ v2, \
     v0 += v3, v3 = rotl64(v3, 21) ^ v0, v2 += v1, v1 = rotl64(v1, 17) ^ v2, v2 = rotl64(v2, 32))
static uint64_t siphash(const char *s, size_t n, uint64_t k0, uint64_t k1) {
    uint64_t v0 = k0 ^ 0x736f6d6570736575u, v1 = k1 ^ 0x646f72616e646f6du, v2 = k0 ^ 0x6c7967656e657261u,
             v3 = k1 ^ 0x7465646279746573u, last = (uint64_t)n << 56;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t m;
        memcpy(&m, s + i, 8);
        v3 ^= m;
        ROUND;
        ROUND;
        v0 ^= m;
    }
    for (int k = 0; i < n; i++, k += 8) last |= (uint64_t)(uint8_t)s[i] << k;
    v3 ^= last;
    ROUND;
    ROUND;
    v0 ^= last;
    v2 ^= 255;
    for (int r = 0; r < 4; r++) ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}
int main(void) {
    char text[64];
    for (int i = 0; i < 64; i++) text[i] = (char)i;
    for (size_t n = 0; n < 20; n++)
        printf("%2zu %08x %016" PRIx64 " %08x %08x %08x %016" PRIx64 "\n", n, fnv32(text, n), fnv64(text, n), djb2(text, n),
               jenkins(text, n), murmur3(text, n, 42), siphash(text, n, 0x0706050403020100u, 0x0f0e0d0c0b0a0908u));
    const char *words[] = {"", "a", "abc", "hello, world", "The quick brown fox jumps over the lazy dog"};
    for (int i = 0; i < 5; i++) printf("%08x %08x\n", fnv32(words[i], strlen(words[i])), murmur3(words[i], strlen(words[i]), 0));
    return 0;
}
