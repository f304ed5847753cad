// Loops over arrays that may overlap, with strides, conditions, mixed types and trip counts that vary.
#include <stdint.h>
#include <stdio.h>

static float f[200], g[200];
static double d[200];
static int32_t i32[200];
static int16_t i16[200];
static void axpy(float *y, const float *x, float a, int n) {
    for (int i = 0; i < n; i++) y[i] += a * x[i];
}
static void strided(double *y, const double *x, int n, int sy, int sx) {
    for (int i = 0; i < n; i++) y[i * sy] = y[i * sy] * 0.5 + x[i * sx];
}
static void select_(float *y, const float *x, const int32_t *k, int n) {
    for (int i = 0; i < n; i++) {
        if (k[i] > 0)
            y[i] = x[i] / (float)k[i];
        else if (k[i] < -50)
            y[i] = -y[i];
    }
}
static void mixed(int16_t *s, const float *x, const double *z, int32_t *k, int n) {
    for (int i = 0; i < n; i++) {
        k[i] = (int32_t)(z[i] * 3) + s[i];
        s[i] = (int16_t)(k[i] >> 2);
        if (x[i] > 1.5f) s[i]++;
    }
}
static int backwards(int32_t *v, int n) {
    int moved = 0;
    for (int i = n - 1; i >= 1; i--)
        if (v[i] < v[i - 1]) {
            int32_t t = v[i];
            v[i] = v[i - 1];
            v[i - 1] = t;
            moved++;
        }
    return moved;
}
static double horner(const double *c, int n, const double *x, int m, double *y) {
    double sum = 0;
    for (int i = 0; i < m; i++) {
        double r = c[n - 1];
        for (int k = n - 2; k >= 0; k--) r = r * x[i] + c[k];
        y[i] = r;
        sum += r;
    }
    return sum;
}
static double check(void) {
    double s = 0;
    for (int i = 0; i < 200; i++) s = s * 0.99 + (double)f[i] + d[i] / 3 + i32[i] % 1000 + i16[i];
    return s;
}
int main(void) {
    for (int i = 0; i < 200; i++) {
        f[i] = (float)(i % 17) / 4;
        g[i] = 2 - (float)i / 64;
        d[i] = (i * 31 % 101) / 8.0 - 6;
        i32[i] = (i * 7919) % 211 - 105;
        i16[i] = (int16_t)(i * 300);
    }
    for (int n = 1; n < 180; n = n * 3 / 2 + 2) {
        axpy(f, g, 0.25f, n);
        axpy(f + 1, f, 0.125f, n);
        axpy(f, f + 3, -0.0625f, n);
        strided(d, d + 1, n / 4, 3, 2);
        strided(d + 7, d, n / 3, 1, 2);
        select_(f, g, i32, n);
        mixed(i16, f, d, i32, n);
        printf("%d %d %.15g\n", n, backwards(i32, n), check());
    }
    double c[6] = {1, -0.5, 0.25, 2, -1, 0.125}, x[37], y[37];
    for (int i = 0; i < 37; i++) x[i] = (i - 18) / 9.0;
    for (int n = 1; n < 7; n++) printf("%.15g ", horner(c, n, x, 37, y));
    putchar('\n');
    return 0;
}
