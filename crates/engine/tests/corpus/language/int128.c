// 128-bit arithmetic: all operators over edge values, mixed with narrower types, to and from floats.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef __int128 i128;
typedef unsigned __int128 u128;
#define W(high, low) ((u128)(uint64_t)(high) << 64 | (uint64_t)(low))
static uint64_t h = 1;
static void in(u128 x) { h = ((h ^ (uint64_t)x) * 0x9E3779B97F4A7C15u) ^ (uint64_t)(x >> 64); }
static i128 parse(const char *s) {
    i128 v = 0;
    int negative = *s == '-';
    for (s += negative; *s; s++) v = v * 10 + (*s - '0');
    return negative ? -v : v;
}
static const char *text(i128 v) {
    static char b[48];
    char *p = b + 47;
    u128 u = v < 0 ? -(u128)v : (u128)v;
    *p = 0;
    do *--p = (char)('0' + (int)(u % 10));
    while (u /= 10);
    if (v < 0) *--p = '-';
    return p;
}
static u128 __attribute__((noinline)) many(u128 a, int b, u128 c, double d, u128 e, u128 f) { return a - c * (unsigned)b + e / (f | 1) + (u128)d; }
int main(void) {
    const u128 v[] = {0, 1, W(0, -1), W(1, 0), W(-1, -1), W(-1, 0), W(0x7FFFFFFFFFFFFFFF, -1), W(0x8000000000000000, 0), 10, 1000000007, W(0x0123456789ABCDEF, 0xFEDCBA9876543210), W(5, 17), W(0, 1ull << 63), -(u128)3};
    const int n = sizeof v / sizeof *v;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            u128 a = v[i], b = v[j];
            i128 x = (i128)a, y = (i128)b;
            in(a + b), in(a - b), in(a * b), in(a & b), in(a | b), in(a ^ b), in(~a), in(-a);
            if (b) in(a / b), in(a % b);
            if (y && !(a == v[7] && y == -1)) in((u128)(x / y)), in((u128)(x % y));
            unsigned s = (unsigned)b & 127;
            in(a << s), in(a >> s), in((u128)(x >> s));
            in((u128)((a < b) | (x < y) << 1 | (a == b) << 2 | (x >= y) << 3 | (a > b) << 4));
            in(a * (uint64_t)b), in(a * (u128)(int)b), in(a + (uint8_t)b), in(a + (u128)(int16_t)b);
            i128 r;
            in(__builtin_mul_overflow(x, y, &r)), in((u128)r);
            in(__builtin_sub_overflow(x, y, &r)), in((u128)r);
        }
        printf("%016llx %.17g %.9g %.17g\n", (unsigned long long)h, (double)v[i], (double)(float)v[i], (double)(i128)v[i]);
    }
    printf("%s\n", text(parse("123456789012345678901234567890")));
    printf("%s\n", text(parse("-170141183460469231731687303715884105727")));
    static const double d[] = {0.5, -1.5, 1e18, 1e19, -1e30, 1.5e38, 12345678901234567890.0};
    for (int i = 0; i < 7; i++) printf("%s ", text((i128)d[i]));
    printf("%s\n", text((i128)(u128)3e38));
    u128 m = many(v[10], 77, v[11], 1e20, v[10], v[8]);
    printf("%s %d %d\n", text((i128)m), (int)m, (_Bool)(m >> 100));
    struct { char c; i128 w; } s[2];
    memset(s, 0, sizeof s);
    s[1].w = parse("99999999999999999999999");
    s[0].w = s[1].w++ - 1;
    printf("%s %zu\n", text(s[0].w + s[1].w), sizeof s);
    switch ((int)(m % 5)) {
    case 0: puts("zero"); break;
    case 3: puts("three"); break;
    default: printf("%d\n", (int)(m % 5));
    }
    return 0;
}
