// Corners of floating point: NaN, infinities, denormals, signed zeros, comparisons, rounding, classification.
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const double values[] = {0.0, -0.0, 1.0, -1.0, 0.1, -2.5, 3.5, 1e-310, 4.9e-324, 2.2250738585072014e-308, 1.7976931348623157e308, INFINITY, -INFINITY, NAN, 9007199254740993.0, 0.49999999999999994};
enum { N = sizeof values / sizeof *values };
static uint64_t h;
static void in(double x) {
    uint64_t u;
    if (x != x) x = 12345;
    memcpy(&u, &x, 8);
    h = (h ^ u) * 0x9E3779B97F4A7C15u;
}
static void inf(float x) {
    uint32_t u;
    if (x != x) x = 54321;
    memcpy(&u, &x, 4);
    h = (h ^ u) * 0x9E3779B97F4A7C15u;
}
static const char *class(double x) {
    switch (fpclassify(x)) {
    case FP_NAN: return "nan";
    case FP_INFINITE: return "infinite";
    case FP_ZERO: return "zero";
    case FP_SUBNORMAL: return "subnormal";
    default: return "normal";
    }
}
int main(void) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double a = values[i], b = values[j];
            float x = (float)a, y = (float)b;
            in(a + b), in(a - b), in(a * b), in(a / b), in(fmod(a, b)), in(fmin(a, b)), in(fmax(a, b)), in(copysign(a, b));
            inf(x + y), inf(x - y), inf(x * y), inf(x / y), inf(fminf(x, y)), inf(copysignf(x, y)), inf(-x);
            int c = (a < b) | (a <= b) << 1 | (a == b) << 2 | (a != b) << 3 | (a > b) << 4 | (a >= b) << 5 | !(a < b) << 6 | isunordered(a, b) << 7 | islessgreater(a, b) << 8;
            c |= (x < y) << 9 | (x == y) << 10 | !(x >= y) << 11;
            in(c), in(a > b ? a : b), in(a < b || b < a), in(!a), in(nextafter(a, b));
        }
        double a = values[i];
        in(floor(a)), in(ceil(a)), in(trunc(a)), in(round(a)), in(rint(a)), in(nearbyint(a)), in(fabs(a)), in(sqrt(fabs(a)));
        int e = 0;
        in(frexp(a, &e)), in(isfinite(a) ? e : 0), in(ldexp(a, 3)), in(scalbn(a, -5));
        printf("%-10s %d %016llx\n", class(a), signbit(a) && a == a, (unsigned long long)h);
    }
    volatile double zero = 0, tiny = DBL_MIN, huge = DBL_MAX;
    printf("%d %d %d\n", 1 / zero == INFINITY, 1 / -zero == -INFINITY, zero / zero != zero / zero);
    printf("%a %a %a\n", tiny / 2, tiny / 4503599627370496.0, tiny / 9007199254740992.0);
    printf("%d %d %a\n", isinf(huge * 2), isinf(-huge - huge) != 0, huge + 1e291);
    volatile float fh = FLT_MAX, ft = FLT_MIN;
    printf("%d %a %a\n", isinf(fh * 2), (double)(ft / 2), (double)(ft / 8388608));
    printf("%a %a %a\n", (double)(float)0.1, (double)(float)1e-46, (double)(float)16777217.0);
    printf("%a %a\n", (double)(float)3.4028235677973366e38, (double)(float)3.4028235677973362e38);
    volatile double third = 1.0 / 3;
    printf("%d %d %.20f\n", third * 3 == 1, 0.1 + 0.2 == 0.3, third);
    int i = 0;
    for (double x = 1; x > 0; x /= 2) i++;
    printf("%d\n", i);
    return 0;
}
