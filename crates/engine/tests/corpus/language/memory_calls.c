// memcpy, memmove, memset, memcmp, memchr: constant and varied sizes, overlap both ways, all alignments.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint8_t from[300], to[300];
static uint32_t hash(const uint8_t *p, size_t n) {
    uint32_t h = 2166136261u;
    while (n--) h = (h ^ *p++) * 16777619u;
    return h;
}
static void reset(void) {
    for (int i = 0; i < 300; i++) from[i] = (uint8_t)(i * 7 + i / 256), to[i] = (uint8_t)~i;
}
struct odd { char c[13]; };
struct large { uint64_t v[20]; };
int main(void) {
    reset();
    uint32_t h = 0;
    for (size_t n = 0; n < 140; n += n < 20 ? 1 : 13)
        for (size_t a = 0; a < 9; a += 3) {
            memcpy(to + a, from + 8 - a, n);
            h = h * 31 + hash(to, sizeof to);
            memset(to + a + 5, (int)n, n / 2);
            h = h * 31 + hash(to, sizeof to);
            memmove(to + a, to + 10, n);
            memmove(to + 10 + a, to + 7, n);
            h = h * 31 + hash(to, sizeof to);
        }
    printf("%08x\n", h);
#define FIXED(n) memcpy(to + 3, from + n % 5, n), memset(to + n, n & 255, n), memmove(to + n / 2, to, n), printf("%08x ", hash(to, sizeof to));
    FIXED(0) FIXED(1) FIXED(2) FIXED(3) FIXED(4) FIXED(5) FIXED(7) FIXED(8) FIXED(9) FIXED(12) FIXED(16) FIXED(17)
    FIXED(24) FIXED(31) FIXED(32) FIXED(33) FIXED(48) FIXED(63) FIXED(64) FIXED(65) FIXED(96) FIXED(100) FIXED(128) FIXED(144)
    putchar('\n');
    struct odd x = {"thirteen byte"}, y;
    struct large l, m;
    y = x;
    for (int i = 0; i < 20; i++) l.v[i] = (uint64_t)i * 0x0101010101010101u;
    m = l;
    m.v[7] = 0;
    printf("%.13s %d %d\n", y.c, memcmp(&l, &m, sizeof l) > 0, memcmp(&l, &m, 56));
    int signs = 0;
    for (int n = 0; n < 40; n++) {
        uint8_t a[40], b[40];
        memset(a, 'x', 40);
        memset(b, 'x', 40);
        b[n] = n & 1 ? 200 : 1;
        int r = memcmp(a, b, 40);
        signs = signs * 3 % 10007 + (r > 0) - (r < 0) + 1;
        signs += memcmp(a, b, (size_t)n) != 0;
    }
    printf("%d\n", signs);
    reset();
    uint8_t *p = memchr(from, 210, 256), *q = memchr(from, 210, 10);
    printf("%d %d\n", p ? (int)(p - from) : -1, q ? (int)(q - from) : -1);
    uint64_t word = 0x1122334455667788u;
    uint32_t half;
    double d = 2.5;
    memcpy(&half, (char *)&word + 2, 4);
    memcpy(&word, &d, 8);
    printf("%08x %016llx\n", half, (unsigned long long)word);
    uint64_t bits[4] = {0};
    memset(bits, 0x5A, 27);
    printf("%llx %llx\n", (unsigned long long)bits[3], (unsigned long long)bits[2]);
    return 0;
}
