// Conversions between floats and integers of every width, in range, with truncation and rounding.
#include <stdint.h>
#include <stdio.h>

#define SHOW(type, format, x) printf(#type " %" format "\n", (type)(x))
static void from(double d, float f) {
    printf("%.17g: %d %d %d %d %d %lld", d, (int8_t)(int)d, (int16_t)(int)d, (uint8_t)(int)d, (uint16_t)(int)d, (int32_t)d, (long long)d);
    printf(" | %d %lld %.17g\n", (int32_t)f, (long long)f, (double)f);
}
static uint64_t h;
static void in(double d, float f) {
    union { double d; uint64_t u; } a = {d};
    union { float f; uint32_t u; } b = {f};
    h = ((h ^ a.u) * 1099511628211u ^ b.u) * 1099511628211u;
}
int main(void) {
    static const double small[] = {0.0, -0.0, 0.5, -0.5, 0.99999999, 1.5, -1.5, 2.5, 100.75, -100.75, 127.9, 255.9, 1e5, -1e5, 2147483647.0, -2147483648.0};
    for (unsigned i = 0; i < sizeof small / sizeof *small; i++) {
        double d = small[i];
        float f = (float)d;
        if (f >= 2147483648.0f) f = 2147483520.0f;
        from(d, f);
    }
    static const double large[] = {4294967295.0, 1e12, 9007199254740992.0, 9.2e18};
    for (int i = 0; i < 4; i++) printf("%lld %llu %llu\n", (long long)large[i], (unsigned long long)large[i], (unsigned long long)(float)large[i]);
    printf("%llu %llu %u\n", (unsigned long long)1.8446744073709550e19, (unsigned long long)9223372036854775808.0, (unsigned)4294967295.0);
    static const int64_t whole[] = {0, 1, -1, 16777216, 16777217, 16777219, 33554435, -16777217, 2147483647, 4294967297, 9007199254740993, 9007199254740995, INT64_MAX, INT64_MIN, INT64_MAX - 511, INT64_MAX - 512};
    for (unsigned i = 0; i < sizeof whole / sizeof *whole; i++) {
        int64_t x = whole[i];
        printf("%lld -> %.17g %.9g %.17g %.9g\n", (long long)x, (double)x, (double)(float)x, (double)(uint64_t)x, (double)(float)(uint64_t)x);
        in((double)(int8_t)x, (float)(int8_t)x), in((double)(uint8_t)x, (float)(uint8_t)x), in((double)(int16_t)x, (float)(int16_t)x);
        in((double)(uint16_t)x, (float)(uint16_t)x), in((double)(int32_t)x, (float)(int32_t)x), in((double)(uint32_t)x, (float)(uint32_t)x);
        in((double)(_Bool)x, (float)(_Bool)x);
    }
    printf("%016llx\n", (unsigned long long)h);
    SHOW(float, "a", 1.0 + 1.0 / 16777216);
    SHOW(float, "a", 1.0 + 3.0 / 16777216);
    SHOW(float, "a", -1e-45);
    SHOW(double, "a", 0.1f);
    for (int i = 0; i < 64; i += 9) {
        uint64_t x = ~0ull >> i;
        printf("%a %a ", (double)x, (double)(float)x);
    }
    unsigned char c = (unsigned char)(3.99f * 64);
    short s = (short)-32768.5;
    int i = (int)(0.1 + 0.7) * 10, j = (int)((0.1 + 0.7) * 10);
    long l = 3;
    l *= 1.75;
    c -= 1.6f;
    i -= 0.5;
    printf("\n%d %d %d %d %ld\n", c, s, i, j, l);
    return 0;
}
