// y = a x + y in f32, in the first-level cache.
#include "../bench.h"

enum { N = 2048 };
static float x[N] ALIGNED, y[N] ALIGNED;

static void setup(void) {
    for (int i = 0; i < N; i++) {
        x[i] = (float)(random_bits() % 100) * 0.01f;
        y[i] = (float)(random_bits() % 100) * 0.01f;
    }
}

static NOINLINE void saxpy(int n, float a, const float *x, float *y) {
    for (int i = 0; i < n; i++) y[i] = a * x[i] + y[i];
}

static NOINLINE uint64_t work(void) {
    for (int i = 0; i < 64; i++) saxpy(N, i & 1 ? -0.5f : 0.5f, x, y);
    return bits_of(y[N / 3]);
}
