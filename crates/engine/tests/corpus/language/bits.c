// Bit tricks and builtins: popcount, clz, ctz, parity, bswap, bit reverse, rotates, Gray codes, Morton order.
#include <stdint.h>
#include <stdio.h>

static int slow_popcount(uint64_t x) {
    int n = 0;
    for (; x; x >>= 1) n += x & 1;
    return n;
}
static uint32_t reverse(uint32_t x) {
    x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
    x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
    x = (x >> 4 & 0x0F0F0F0F) | (x & 0x0F0F0F0F) << 4;
    return __builtin_bswap32(x);
}
static uint32_t spread(uint32_t x) {
    x = (x | x << 8) & 0x00FF00FF;
    x = (x | x << 4) & 0x0F0F0F0F;
    x = (x | x << 2) & 0x33333333;
    return (x | x << 1) & 0x55555555;
}
static uint64_t next_same(uint64_t x) {
    uint64_t low = x & -x, up = x + low;
    return up | ((x ^ up) >> 2) / low;
}
static uint64_t rotl(uint64_t x, unsigned n) { return x << (n & 63) | x >> (-n & 63); }
static uint16_t rotr16(uint16_t x, unsigned n) { return (uint16_t)(x >> (n & 15) | x << (-n & 15)); }
int main(void) {
    static const uint64_t v[] = {1, 2, 3, 0x80, 0xFF00, 0x12345678, 0x80000000, 0x123456789ABCDEF0, 0x8000000000000000, UINT64_MAX};
    for (int i = 0; i < 10; i++) {
        uint64_t x = v[i];
        printf("%d %d %d %d %d %d %d ", __builtin_popcountll(x), slow_popcount(x), __builtin_clzll(x), __builtin_ctzll(x), __builtin_parityll(x), __builtin_ffsll((long long)x), __builtin_clrsbll((long long)x));
        uint32_t y = (uint32_t)x | 1;
        printf("%d %d %d %08x %08x %04x %016llx\n", __builtin_popcount(y), __builtin_clz(y), __builtin_ctz(y), __builtin_bswap32(y), reverse(y), __builtin_bswap16((uint16_t)y), (unsigned long long)__builtin_bswap64(x));
        printf("%02x %04x %08x %016llx %d\n", __builtin_bitreverse8((uint8_t)x), __builtin_bitreverse16((uint16_t)x), __builtin_bitreverse32((uint32_t)x), (unsigned long long)__builtin_bitreverse64(x), reverse(y) == __builtin_bitreverse32(y));
        for (unsigned n = 0; n < 70; n += 23) printf("%016llx %04x %08x %02x ", (unsigned long long)rotl(x, n), rotr16((uint16_t)x, n), __builtin_rotateleft32((uint32_t)x, n), __builtin_rotateright8((uint8_t)x, (uint8_t)n));
        putchar('\n');
    }
    for (unsigned i = 0; i < 16; i++) printf("%x ", i ^ i >> 1);
    uint64_t c = 7;
    for (int i = 0; i < 20; i++) c = next_same(c);
    printf("%llx %x %x\n", (unsigned long long)c, spread(0xABCD) | spread(0x1234) << 1, spread(255));
    uint32_t a = 0xF0F0F0F0, mask = 0xFF00;
    printf("%08x %08x %d %d %u\n", (a & ~mask) | (0x12345678 & mask), a & (a - 1), (a & -a) == 16, !(a & (a - 1)), (unsigned)(a << 4 >> 28));
    unsigned parity = 0;
    for (unsigned i = 0; i < 1000; i++) parity += (unsigned)__builtin_parity(i) * i;
    printf("%u\n", parity);
    return 0;
}
