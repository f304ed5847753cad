// long double: arithmetic, conversions, calls, arrays, structs, varargs; the interpreter leaves it to compiled code.
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef long double ld;
struct s { int n; ld x; };
static ld __attribute__((noinline)) poly(ld x, const ld *c, int n) {
    ld r = 0;
    while (n--) r = r * x + c[n];
    return r;
}
static struct s __attribute__((noinline)) grow(struct s v, double k, int i) { return (struct s){v.n + i, v.x * k + i}; }
static ld sum(int n, ...) {
    va_list ap;
    ld s = 0;
    va_start(ap, n);
    while (n--) s += va_arg(ap, ld);
    va_end(ap);
    return s;
}
static int plain(int x) { return x * 3 + 1; }
static ld (*volatile pointer)(ld, const ld *, int) = poly;
int main(void) {
    ld third = 1.0L / 3, c[] = {1, -0.5L, 0.25L, third};
    printf("%.18Lg %.18Lg\n", third, poly(2.5L, c, 4));
    printf("%.18Lg %La\n", pointer(-1.5L, c, 3), 1.5L);
    struct s v = {1, 0.1L};
    for (int i = 0; i < 10; i++) v = grow(v, 1.5, plain(i));
    printf("%d %.18Lg\n", v.n, v.x);
    printf("%.18Lg\n", sum(4, 1.5L, third, -2.25L, 1e-10L));
    double d = (double)(third * 3 - 1);
    float f = (float)third;
    long l = (long)(third * 1e15L);
    unsigned long u = (unsigned long)1.8e19L;
    printf("%.17g %.9g %ld %lu %.18Lg\n", d, (double)f, l, u, (ld)u + l);
    printf("%.15Lg %.15Lg %.15Lg %.15Lg\n", sqrtl(2), fabsl(-third), floorl(-2.5L), fmodl(10, third));
    printf("%d %d %d %.10Lg\n", third == 1.0 / 3, third < 1.0 / 3, isnan((ld)NAN), strtold("123.456789e3", 0));
    ld e = 1, term = 1;
    for (int i = 1; i < 30; i++) e += term /= i;
    printf("%.18Lg\n", e);
    return 0;
}
