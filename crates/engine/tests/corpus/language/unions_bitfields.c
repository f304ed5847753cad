// Unions read through other members, bit fields of all types and widths, packed, signed, spanning words.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

union word {
    uint32_t u;
    int32_t i;
    float f;
    uint16_t h[2];
    uint8_t b[4];
    struct {
        uint32_t mantissa : 23, exponent : 8, sign : 1;
    } parts;
};
union wide {
    double d;
    uint64_t u;
    struct {
        uint64_t mantissa : 52, exponent : 11, sign : 1;
    } parts;
};
struct mixed {
    unsigned a : 1;
    int b : 2;
    unsigned c : 30;
    long long d : 37;
    unsigned char e : 7;
    short f : 12;
    _Bool g : 1;
    unsigned long long h : 64;
    unsigned : 0;
    int i : 31;
};
struct __attribute__((packed)) tight {
    unsigned a : 3;
    unsigned long long b : 50;
    int c : 11;
    signed char d;
};
enum colour { RED, GREEN, BLUE };
struct flags {
    enum colour colour : 2;
    unsigned count : 6;
    union {
        struct { unsigned low : 4, high : 4; };
        uint8_t whole;
    };
};
static void dump(const void *p, size_t n) {
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++) printf("%02x", b[i]);
    putchar(' ');
}
int main(void) {
    union word w;
    static const float samples[] = {0, -0.0f, 1, -2.5f, 3.4e38f, 1e-40f};
    for (int i = 0; i < 6; i++) {
        w.f = samples[i];
        printf("%08x %u %u %06x %04x %02x\n", w.u, (unsigned)w.parts.sign, (unsigned)w.parts.exponent, (unsigned)w.parts.mantissa, w.h[1], w.b[2]);
    }
    w.u = 0;
    w.parts.exponent = 130;
    w.parts.mantissa = 0x200000;
    w.parts.sign = 1;
    printf("%g %d\n", (double)w.f, w.i);
    union wide d = {.d = -1234.5678};
    d.parts.exponent += 3;
    d.parts.sign ^= 1;
    printf("%.10g %016llx\n", d.d, (unsigned long long)d.u);
    struct mixed m;
    memset(&m, 0, sizeof m);
    for (int i = 0; i < 40; i++) {
        m.a += 1;
        m.b += 1;
        m.c = m.c * 5u + (unsigned)i;
        m.d = m.d * 3 - i;
        m.d %= 10000000000LL;
        m.e ^= (unsigned char)(i * 3);
        m.f = (short)(m.f + i * 100);
        m.g = m.c >> 5 & 1;
        m.h = m.h * 1000003 + m.e;
        m.i = m.i / 2 - i * 1000;
        if (i % 13 == 12) printf("%u %d %u %lld %u %d %d %llx %d\n", m.a, m.b, m.c, (long long)m.d, m.e, m.f, m.g, (unsigned long long)m.h, m.i);
    }
    printf("%zu ", sizeof m);
    dump(&m, sizeof m);
    struct tight t = {5, 0x2AAAAAAAAAAAAu, -700, -3};
    t.b += 0x1234;
    t.c++;
    t.a--;
    printf("%zu %u %llx %d %d ", sizeof t, t.a, (unsigned long long)t.b, t.c, t.d);
    dump(&t, sizeof t);
    struct flags f[4];
    memset(f, 0, sizeof f);
    for (int i = 0; i < 4; i++) {
        f[i].colour = (enum colour)(i % 3);
        f[i].count = (unsigned)(i * 21 + 3) & 63;
        f[i].low = (unsigned)i + 1;
        f[i].high = f[i].low * 3 & 15;
    }
    printf("\n%zu ", sizeof *f);
    for (int i = 0; i < 4; i++) printf("%d/%u/%02x ", f[i].colour, f[i].count, f[i].whole);
    putchar('\n');
    return 0;
}
