// Complex numbers: float and double, arithmetic, library functions, parts, passing by value, polynomials.
#include <complex.h>
#include <math.h>
#include <stdio.h>

typedef double complex z;
typedef float complex c;
static z __attribute__((noinline)) horner(const z *a, int n, z x) {
    z r = 0;
    while (n--) r = r * x + a[n];
    return r;
}
static c __attribute__((noinline)) blend(c a, float t, c b) { return a * (1 - t) + b * t; }
struct pair { z a; c b; };
static struct pair turn(struct pair p) { return (struct pair){p.a * I, p.b / (2.0f + 1.0f * I)}; }
static void show(const char *n, z x) { printf("%s %.12g %.12g\n", n, creal(x) + 0.0, cimag(x) + 0.0); }
int main(void) {
    z a = 3 + 4 * I, b = 1 - 2 * I;
    show("+", a + b);
    show("-", a - b);
    show("*", a * b);
    show("/", a / b);
    show("conj", conj(a) * 2);
    show("real", a * 2.5 + 1);
    show("sqrt", csqrt(a));
    show("exp", cexp(b));
    show("log", clog(a));
    show("pow", cpow(a, b));
    show("sin", csin(b));
    printf("%.12g %.12g %d %d\n", cabs(a), carg(b), a == b, a != b);
    z roots[] = {-6, 11, -6, 1};
    for (int i = 0; i < 5; i++) show("horner", horner(roots, 4, i * 0.5 + i * I));
    z w[3] = {0.4 + 0.9 * I, 1, 0.3 - 0.8 * I};
    for (int k = 0; k < 40; k++)
        for (int i = 0; i < 3; i++) {
            z d = 1;
            for (int j = 0; j < 3; j++)
                if (j != i) d *= w[i] - w[j];
            w[i] -= horner(roots, 4, w[i]) / d;
        }
    for (int i = 0; i < 3; i++) printf("%.6f ", fabs(creal(w[i])));
    c f = blend(1 + 2.0f * I, 0.25f, -3 - 1.0f * I);
    struct pair p = {a, f};
    for (int i = 0; i < 5; i++) p = turn(p);
    printf("\n%.6g %.6g %.6g %.6g\n", creal(p.a), cimag(p.a), (double)crealf(p.b), (double)cimagf(p.b));
    c sum = 0;
    float complex v[8];
    for (int i = 0; i < 8; i++) __real__ v[i] = (float)i, __imag__ v[i] = (float)(i * i) / 3;
    for (int i = 0; i < 8; i++) sum += v[i] * ~v[7 - i];
    printf("%.6g %.6g\n", (double)crealf(sum), (double)cimagf(sum));
    z inf = (1e300 + 1e300 * I) * (1e300 + 0 * I);
    printf("%d %d\n", isinf(creal(inf)), isinf(cimag(inf)));
    return 0;
}
