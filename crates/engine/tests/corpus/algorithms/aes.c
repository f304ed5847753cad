// AES-128: S-box computed in the field, key schedule, encryption and decryption, FIPS-197's example.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint8_t sbox[256], inverse[256];
static uint8_t mul(uint8_t a, uint8_t b) {
    uint8_t r = 0;
    for (; b; b >>= 1) {
        if (b & 1) r ^= a;
        a = (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1b : 0));
    }
    return r;
}
static void make_boxes(void) {
    uint8_t p = 1, q = 1;
    do {
        p = mul(p, 3);
        q = mul(q, 0xf6);
        uint8_t x = q;
        for (int i = 1; i < 5; i++) x ^= (uint8_t)(q << i | q >> (8 - i));
        sbox[p] = x ^ 0x63;
    } while (p != 1);
    sbox[0] = 0x63;
    for (int i = 0; i < 256; i++) inverse[sbox[i]] = (uint8_t)i;
}
static void schedule(const uint8_t *key, uint8_t w[176]) {
    memcpy(w, key, 16);
    uint8_t rcon = 1;
    for (int i = 16; i < 176; i += 4) {
        uint8_t t[4];
        memcpy(t, w + i - 4, 4);
        if (i % 16 == 0) {
            uint8_t first = t[0];
            t[0] = sbox[t[1]] ^ rcon;
            t[1] = sbox[t[2]];
            t[2] = sbox[t[3]];
            t[3] = sbox[first];
            rcon = mul(rcon, 2);
        }
        for (int j = 0; j < 4; j++) w[i + j] = w[i - 16 + j] ^ t[j];
    }
}
static void add(uint8_t *s, const uint8_t *k) {
    for (int i = 0; i < 16; i++) s[i] ^= k[i];
}
static void mix(uint8_t *s, uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    for (int i = 0; i < 16; i += 4) {
        uint8_t t[4];
        memcpy(t, s + i, 4);
        for (int j = 0; j < 4; j++)
            s[i + j] = mul(t[j], a) ^ mul(t[(j + 1) % 4], b) ^ mul(t[(j + 2) % 4], c) ^ mul(t[(j + 3) % 4], d);
    }
}
static void encrypt(uint8_t *s, const uint8_t *w) {
    add(s, w);
    for (int round = 1; round <= 10; round++) {
        uint8_t t[16];
        for (int i = 0; i < 16; i++) t[i] = sbox[s[(i + 4 * (i % 4)) % 16]];
        memcpy(s, t, 16);
        if (round < 10) mix(s, 2, 3, 1, 1);
        add(s, w + 16 * round);
    }
}
static void decrypt(uint8_t *s, const uint8_t *w) {
    for (int round = 10; round >= 1; round--) {
        add(s, w + 16 * round);
        if (round < 10) mix(s, 14, 11, 13, 9);
        uint8_t t[16];
        for (int i = 0; i < 16; i++) t[(i + 4 * (i % 4)) % 16] = inverse[s[i]];
        memcpy(s, t, 16);
    }
    add(s, w);
}
static void show(const uint8_t *s) {
    for (int i = 0; i < 16; i++) printf("%02x", s[i]);
    putchar('\n');
}
int main(void) {
    uint8_t key[16], s[16], w[176];
    make_boxes();
    for (int i = 0; i < 16; i++) key[i] = (uint8_t)i, s[i] = (uint8_t)(i * 0x11);
    schedule(key, w);
    show(w + 160);
    encrypt(s, w);
    show(s);
    decrypt(s, w);
    show(s);
    for (int i = 0; i < 5; i++) encrypt(s, w);
    show(s);
    return 0;
}
