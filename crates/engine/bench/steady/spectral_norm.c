// Spectral norm of a matrix given by a formula: divisions of integers and doubles.
#include "../bench.h"
#include <math.h>

enum { N = 60 };
static double u[N], v[N], t[N];

static void setup(void) {}

static double element(int i, int j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }

static void times(const double *x, double *y, int n) {
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < n; j++) sum += element(i, j) * x[j];
        y[i] = sum;
    }
}

static void times_transposed(const double *x, double *y, int n) {
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int j = 0; j < n; j++) sum += element(j, i) * x[j];
        y[i] = sum;
    }
}

static NOINLINE uint64_t work(void) {
    for (int i = 0; i < N; i++) u[i] = 1;
    for (int i = 0; i < 3; i++) {
        times(u, t, N);
        times_transposed(t, v, N);
        times(v, t, N);
        times_transposed(t, u, N);
    }
    double uv = 0, vv = 0;
    for (int i = 0; i < N; i++) {
        uv += u[i] * v[i];
        vv += v[i] * v[i];
    }
    return bits_of(sqrt(uv / vv));
}
