// Scalar product of doubles in four lanes, each in order.
#include "../bench.h"

enum { N = 4096 };
static double a[N] ALIGNED, b[N] ALIGNED;

static void setup(void) {
    for (int i = 0; i < N; i++) {
        a[i] = (double)random_bits() / 16777216.0;
        b[i] = (double)random_bits() / 16777216.0;
    }
}

static NOINLINE double dot(const double *a, const double *b, int n) {
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int i = 0; i < n; i += 4) {
        s0 += a[i] * b[i];
        s1 += a[i + 1] * b[i + 1];
        s2 += a[i + 2] * b[i + 2];
        s3 += a[i + 3] * b[i + 3];
    }
    return s0 + s1 + s2 + s3;
}

static NOINLINE uint64_t work(void) {
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) sum += bits_of(dot(a, b, opaque(N)));
    return sum;
}
