// Loops with many live values of all widths at the header, live into, through and out of the loop.
#include <stdint.h>
#include <stdio.h>

static uint64_t mix(int n, int8_t a, uint8_t b, int16_t c, uint16_t d, int32_t e, uint32_t f, int64_t g, uint64_t h, float x, double y, _Bool z,
                    const char *s) {
    int8_t a1 = a;
    uint8_t b1 = b;
    int16_t c1 = c;
    uint16_t d1 = d;
    int32_t e1 = e;
    uint32_t f1 = f;
    int64_t g1 = g;
    uint64_t h1 = h;
    float x1 = x;
    double y1 = y;
    _Bool z1 = z;
    const char *s1 = s;
    for (int i = 0; i < n; i++) {
        a1 = (int8_t)(a1 + a + i);
        b1 = (uint8_t)(b1 * 3 + (uint8_t)a1);
        c1 = (int16_t)(c1 ^ (b1 << 3));
        d1 = (uint16_t)(d1 + (uint16_t)c1 + d);
        e1 = (int32_t)((uint32_t)e1 * 17u + d1);
        f1 = (f1 << 5 | f1 >> 27) ^ (uint32_t)e1;
        g1 = (int64_t)((uint64_t)g1 + f1 * (uint64_t)i);
        h1 ^= (uint64_t)g1 >> (i & 31);
        x1 = x1 * 0.5f + (float)a1;
        y1 = y1 - x1 / 3 + c1;
        z1 = !z1 ^ (y1 > 0);
        if (!*++s1) s1 = s;
        h1 += (uint8_t)*s1 + z1;
    }
    printf("%d %u %d %u %d %u %lld %llu %.9g %.17g %d %s\n", a1, b1, c1, d1, e1, f1, (long long)g1, (unsigned long long)h1, (double)x1, y1, z1, s1);
    return h1 + (uint64_t)e + f + (uint64_t)g + h + d + b;
}
int main(void) {
    uint64_t total = 0;
    for (int i = 0; i < 60; i++)
        total += mix(i * 7 % 50, (int8_t)(i - 30), (uint8_t)(200 + i), (int16_t)(i * 999), (uint16_t)(60000 + i), -i, 0xFFFFFFF0u + (unsigned)i,
                     -1234567890123LL * i, 0x123456789ABCDEFu << (i % 4), (float)i / 7, -i * 1e5, i & 1, "header");
    printf("%016llx\n", (unsigned long long)total);
    return 0;
}
