// CRC-32 by a table, byte after byte.
#include "../bench.h"

static uint32_t table[256];
static uint8_t data[16384];

static void setup(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
    for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)random_bits();
}

static NOINLINE uint32_t crc32(uint32_t crc, const uint8_t *p, size_t n) {
    crc = ~crc;
    while (n--) crc = table[(crc ^ *p++) & 255] ^ crc >> 8;
    return ~crc;
}

static NOINLINE uint64_t work(void) { return crc32(0, data, (size_t)opaque(sizeof data)); }
