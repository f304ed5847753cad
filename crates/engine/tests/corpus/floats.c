// float and double: arithmetic, comparisons with NaN, conversions, library and builtin functions.
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t bits32(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return f != f ? 0x7fc00000 : u;
}

static uint64_t bits64(double d) {
    uint64_t u;
    memcpy(&u, &d, 8);
    return d != d ? 0x7ff8000000000000 : u;
}

static void both(double a, double b) {
    float x = (float)a, y = (float)b;
    printf("%016llx %016llx %016llx %016llx ", (unsigned long long)bits64(a + b), (unsigned long long)bits64(a - b),
           (unsigned long long)bits64(a * b), (unsigned long long)bits64(a / b));
    printf("%08x %08x %08x %08x ", bits32(x + y), bits32(x - y), bits32(x * y), bits32(x / y));
    printf("%d%d%d%d%d%d ", a < b, a <= b, a > b, a >= b, a == b, a != b);
    printf("%d%d%d%d%d%d ", x < y, x <= y, x > y, x >= y, x == y, x != y);
    printf("%d%d%d%d ", !(a < b), !(x >= y), isunordered(a, b), islessgreater(a, b));
    printf("%016llx %016llx %08x\n", (unsigned long long)bits64(fmod(a, b)), (unsigned long long)bits64(copysign(a, b)),
           bits32(fminf(x, y)));
}

int main(void) {
    static const double v[] = {0.0,  -0.0, 1.0,      -1.0,    0.1,      3.5,       2.5,  -2.5,
                               1e10, 1e-300, DBL_MAX, DBL_MIN, INFINITY, -INFINITY, NAN, 123456.789};
    const int n = sizeof v / sizeof *v;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) both(v[i], v[j]);
    for (int i = 0; i < n; i++) {
        double d = v[i];
        printf("%016llx %016llx %016llx %016llx %016llx %016llx %016llx ", (unsigned long long)bits64(floor(d)),
               (unsigned long long)bits64(ceil(d)), (unsigned long long)bits64(trunc(d)),
               (unsigned long long)bits64(round(d)), (unsigned long long)bits64(rint(d)),
               (unsigned long long)bits64(fabs(d)), (unsigned long long)bits64(-d));
        printf("%016llx %016llx %08x\n", (unsigned long long)bits64(sqrt(fabs(d))),
               (unsigned long long)bits64(fma(d, 3.0, 1.0)), bits32(sqrtf(fabsf((float)d))));
        printf("%d %d %d %d\n", isnan(d) != 0, isinf(d) != 0, isfinite(d) != 0, signbit(d) != 0);
        if (fabs(d) < 1e9) {
            printf("%d %lld %d %d %u %llu\n", (int)d, (long long)d, (signed char)(int)d, (short)(int)d,
                   (unsigned)(long long)d, d >= 0 ? (unsigned long long)d : 0);
            printf("%d %lld\n", (int)(float)d, (long long)(float)d);
        }
    }
    for (long long k = -5; k < 5; k++) {
        printf("%.9g %.17g %.9g %.17g\n", (float)k, (double)k, (float)(unsigned)k, (double)(unsigned long long)k);
        printf("%.9g %.17g %.17g\n", (float)(short)k, (double)(signed char)k, (double)(unsigned char)k);
    }
    printf("%.17g %.17g\n", (double)18446744073709551615ull, (double)(1ull << 63));
    printf("%llu\n", (unsigned long long)1.7e19);
    double s = 0;
    for (int i = 1; i < 2000; i++) s += sin(i) / i + exp(-i * 0.01) + pow(i, 0.3) + log(i);
    printf("%.15g\n", s);
    float f = 0;
    for (int i = 1; i < 2000; i++) f += 1.0f / (float)i;
    printf("%.9g\n", f);
    return 0;
}
