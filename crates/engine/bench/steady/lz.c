// Decompression of literals and matches, as LZ4 does it: short copies of varying length.
#include "../bench.h"

static uint8_t packed[32768], plain[65536];
static size_t packed_size;

// Text made of literals (length byte, bytes) and matches (distance 16 bits, length byte), in turns.
static void setup(void) {
    size_t at = 0, out = 0;
    while (at + 64 < sizeof packed && out + 64 < 32768) {
        unsigned n = 1 + random_bits() % 12;
        packed[at++] = (uint8_t)n;
        for (unsigned i = 0; i < n; i++) packed[at++] = (uint8_t)('a' + random_bits() % 26);
        out += n;
        unsigned distance = 1 + random_bits() % (out < 1000 ? (unsigned)out : 1000), length = 4 + random_bits() % 28;
        packed[at++] = (uint8_t)distance;
        packed[at++] = (uint8_t)(distance >> 8);
        packed[at++] = (uint8_t)length;
        out += length;
    }
    packed_size = at;
}

static NOINLINE size_t unpack(uint8_t *to, const uint8_t *from, size_t n) {
    const uint8_t *end = from + n;
    uint8_t *start = to;
    while (from < end) {
        unsigned literals = *from++;
        for (unsigned i = 0; i < literals; i++) to[i] = from[i];
        to += literals;
        from += literals;
        unsigned distance = from[0] | (unsigned)from[1] << 8, length = from[2];
        from += 3;
        const uint8_t *match = to - distance;
        if (distance >= length) {
            memcpy(to, match, length);
            to += length;
        } else {
            while (length--) *to++ = *match++;
        }
    }
    return (size_t)(to - start);
}

static NOINLINE uint64_t work(void) {
    size_t n = unpack(plain, packed, packed_size);
    return n * 256 + plain[n - 1];
}
