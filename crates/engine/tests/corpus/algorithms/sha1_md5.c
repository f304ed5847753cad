// SHA-1 and MD5: rotations by variables, tables computed from sines.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t rol(uint32_t x, unsigned n) { return x << n | x >> (32 - n); }
static void sha1(uint32_t h[5], const uint8_t *b) {
    uint32_t w[80];
    for (int i = 0; i < 16; i++) w[i] = (uint32_t)b[4 * i] << 24 | (uint32_t)b[4 * i + 1] << 16 | (uint32_t)b[4 * i + 2] << 8 | b[4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], c = h[1], d = h[2], e = h[3], f = h[4];
    for (int i = 0; i < 80; i++) {
        uint32_t g, k;
        if (i < 20)
            g = (c & d) | (~c & e), k = 0x5A827999;
        else if (i < 40)
            g = c ^ d ^ e, k = 0x6ED9EBA1;
        else if (i < 60)
            g = (c & d) | (c & e) | (d & e), k = 0x8F1BBCDC;
        else
            g = c ^ d ^ e, k = 0xCA62C1D6;
        uint32_t t = rol(a, 5) + g + f + k + w[i];
        f = e, e = d, d = rol(c, 30), c = a, a = t;
    }
    h[0] += a, h[1] += c, h[2] += d, h[3] += e, h[4] += f;
}
static void md5(uint32_t h[4], const uint8_t *b) {
    static const uint8_t shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t m[16], a = h[0], c = h[1], d = h[2], e = h[3];
    memcpy(m, b, 64);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t f;
        unsigned g;
        switch (i / 16) {
        case 0: f = (c & d) | (~c & e), g = i; break;
        case 1: f = (e & c) | (~e & d), g = (5 * i + 1) % 16; break;
        case 2: f = c ^ d ^ e, g = (3 * i + 5) % 16; break;
        default: f = d ^ (c | ~e), g = 7 * i % 16; break;
        }
        uint32_t t = e;
        e = d, d = c;
        c += rol(a + f + (uint32_t)(int64_t)(fabs(sin(i + 1)) * 4294967296.0) + m[g], shifts[i / 16][i % 4]);
        a = t;
    }
    h[0] += a, h[1] += c, h[2] += d, h[3] += e;
}
static void both(const char *text) {
    uint8_t block[128] = {0};
    size_t n = strlen(text), blocks = n > 55 ? 2 : 1;
    memcpy(block, text, n);
    block[n] = 0x80;
    uint8_t other[128];
    memcpy(other, block, sizeof block);
    for (int i = 0; i < 8; i++) {
        block[blocks * 64 - 1 - i] = (uint8_t)(n * 8 >> 8 * i);
        other[blocks * 64 - 8 + i] = (uint8_t)(n * 8 >> 8 * i);
    }
    uint32_t s[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}, m[4] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
    for (size_t i = 0; i < blocks; i++) sha1(s, block + 64 * i), md5(m, other + 64 * i);
    printf("%08x%08x%08x%08x%08x ", s[0], s[1], s[2], s[3], s[4]);
    for (int i = 0; i < 16; i++) printf("%02x", (m[i / 4] >> i % 4 * 8) & 255);
    printf(" \"%s\"\n", text);
}
int main(void) {
    both("");
    both("abc");
    both("message digest");
    both("abcdefghijklmnopqrstuvwxyz");
    both("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    return 0;
}
