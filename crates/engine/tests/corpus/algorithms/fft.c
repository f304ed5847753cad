// Fast Fourier transform on complex doubles: iterative with bit reversal, recursive, and a convolution.
#include <complex.h>
#include <math.h>
#include <stdio.h>

typedef double complex z;
static void iterative(z *v, int n, int sign) {
    for (int i = 1, j = 0; i < n; i++) {
        int bit = n >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) {
            z t = v[i];
            v[i] = v[j];
            v[j] = t;
        }
    }
    for (int length = 2; length <= n; length <<= 1) {
        double angle = sign * 2 * M_PI / length;
        z step = __builtin_complex(cos(angle), sin(angle));
        for (int i = 0; i < n; i += length) {
            z w = 1;
            for (int k = 0; k < length / 2; k++) {
                z a = v[i + k], b = v[i + k + length / 2] * w;
                v[i + k] = a + b;
                v[i + k + length / 2] = a - b;
                w *= step;
            }
        }
    }
}
static void recursive(const z *in, z *out, int n, int stride) {
    if (n == 1) {
        *out = *in;
        return;
    }
    recursive(in, out, n / 2, stride * 2);
    recursive(in + stride, out + n / 2, n / 2, stride * 2);
    for (int k = 0; k < n / 2; k++) {
        z t = cexp(-2 * M_PI * I * k / n) * out[k + n / 2], e = out[k];
        out[k] = e + t;
        out[k + n / 2] = e - t;
    }
}
int main(void) {
    enum { N = 64 };
    z a[N], b[N], c[N];
    for (int i = 0; i < N; i++) a[i] = c[i] = sin(i) + I * cos(i * 0.7) * (i % 3);
    recursive(a, b, N, 1);
    iterative(a, N, -1);
    double worst = 0;
    for (int i = 0; i < N; i++) {
        double d = cabs(a[i] - b[i]);
        if (d > worst) worst = d;
        if (i % 8 == 0) printf("%.10f %.10f\n", creal(a[i]), cimag(a[i]));
    }
    iterative(a, N, 1);
    for (int i = 0; i < N; i++) worst = fmax(worst, cabs(a[i] / N - c[i]));
    printf("close %d\n", worst < 1e-10);
    z p[16] = {1, 2, 3, 4}, q[16] = {5, 6, 7};
    iterative(p, 16, -1);
    iterative(q, 16, -1);
    for (int i = 0; i < 16; i++) p[i] *= q[i];
    iterative(p, 16, 1);
    for (int i = 0; i < 7; i++) printf("%.0f ", round(creal(p[i]) / 16));
    putchar('\n');
    return 0;
}
