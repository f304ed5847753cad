// Stream and block ciphers: ChaCha20, XTEA, RC4, and a Feistel network by function pointers.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t rol(uint32_t x, int n) { return x << n | x >> (32 - n); }
#define QUARTER(a, b, c, d)                                       \
    x[a] += x[b], x[d] = rol(x[d] ^ x[a], 16), x[c] += x[d],      \
        x[b] = rol(x[b] ^ x[c], 12), x[a] += x[b],                \
        x[d] = rol(x[d] ^ x[a], 8), x[c] += x[d], x[b] = rol(x[b] ^ x[c], 7)
static void chacha(uint32_t out[16], const uint32_t in[16]) {
    uint32_t x[16];
    memcpy(x, in, sizeof x);
    for (int i = 0; i < 10; i++) {
        QUARTER(0, 4, 8, 12);
        QUARTER(1, 5, 9, 13);
        QUARTER(2, 6, 10, 14);
        QUARTER(3, 7, 11, 15);
        QUARTER(0, 5, 10, 15);
        QUARTER(1, 6, 11, 12);
        QUARTER(2, 7, 8, 13);
        QUARTER(3, 4, 9, 14);
    }
    for (int i = 0; i < 16; i++) out[i] = x[i] + in[i];
}
static void xtea(uint32_t v[2], const uint32_t k[4], int forward) {
    uint32_t a = v[0], b = v[1], delta = 0x9E3779B9, sum = forward ? 0 : delta * 32;
    for (int i = 0; i < 32; i++)
        if (forward) {
            a += ((b << 4 ^ b >> 5) + b) ^ (sum + k[sum & 3]);
            sum += delta;
            b += ((a << 4 ^ a >> 5) + a) ^ (sum + k[sum >> 11 & 3]);
        } else {
            b -= ((a << 4 ^ a >> 5) + a) ^ (sum + k[sum >> 11 & 3]);
            sum -= delta;
            a -= ((b << 4 ^ b >> 5) + b) ^ (sum + k[sum & 3]);
        }
    v[0] = a, v[1] = b;
}
static void rc4(const char *key, uint8_t *data, size_t n) {
    uint8_t s[256], i, j = 0;
    for (int k = 0; k < 256; k++) s[k] = (uint8_t)k;
    for (int k = 0; k < 256; k++) {
        j = (uint8_t)(j + s[k] + (uint8_t)key[(size_t)k % strlen(key)]);
        uint8_t t = s[k];
        s[k] = s[j], s[j] = t;
    }
    i = j = 0;
    while (n--) {
        uint8_t t = s[++i];
        j = (uint8_t)(j + t);
        s[i] = s[j], s[j] = t;
        *data++ ^= s[(uint8_t)(s[i] + s[j])];
    }
}
typedef uint16_t round_function(uint16_t, int);
static uint16_t f1(uint16_t x, int k) { return (uint16_t)(x * 40503u + (unsigned)k); }
static uint16_t f2(uint16_t x, int k) { return (uint16_t)(~x ^ (x >> 3) ^ (x << (k & 7))); }
static uint32_t feistel(uint32_t x, round_function *const *f, int rounds, int step) {
    uint16_t l = (uint16_t)(x >> 16), r = (uint16_t)x;
    for (int i = 0; i < rounds; i++) {
        int k = step > 0 ? i : rounds - 1 - i;
        uint16_t t = (uint16_t)(l ^ f[k % 2](r, k));
        l = r, r = t;
    }
    return (uint32_t)r << 16 | l;
}
int main(void) {
    uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, out[16];
    for (int i = 4; i < 12; i++) in[i] = (uint32_t)(0x03020100 + 0x04040404 * (i - 4));
    in[12] = 1, in[13] = 0x09000000, in[14] = 0x4a000000;
    chacha(out, in);
    for (int i = 0; i < 16; i++) printf("%08x%c", out[i], i % 8 == 7 ? '\n' : ' ');
    uint32_t v[2] = {0x41424344, 0x45464748}, k[4] = {0x00010203, 0x04050607, 0x08090a0b, 0x0c0d0e0f};
    xtea(v, k, 1);
    printf("%08x %08x ", v[0], v[1]);
    xtea(v, k, 0);
    printf("%08x %08x\n", v[0], v[1]);
    uint8_t text[] = "Attack at dawn";
    rc4("Secret", text, 14);
    for (int i = 0; i < 14; i++) printf("%02x", text[i]);
    rc4("Secret", text, 14);
    printf(" %s\n", (char *)text);
    round_function *f[] = {f1, f2};
    uint32_t e = feistel(0xDEADBEEF, f, 12, 1);
    printf("%08x %08x\n", e, feistel(e, f, 12, -1));
    return 0;
}
