// f32 matrix product whose shape comes as arguments, always the same: what specialisation is for.
#include "../bench.h"

enum { MOST = 64 };
static float a[MOST * MOST] ALIGNED, b[MOST * MOST] ALIGNED, c[MOST * MOST] ALIGNED;
static int rows, inner, columns;

static void setup(void) {
    rows = opaque(24);
    inner = opaque(16);
    columns = opaque(16);
    for (int i = 0; i < MOST * MOST; i++) {
        a[i] = (float)(random_bits() % 17) * 0.25f;
        b[i] = (float)(random_bits() % 13) * 0.5f;
    }
}

// c (m, n) = a (m, k) * b (k, n)
static NOINLINE void product(float *restrict c, const float *restrict a, const float *restrict b, int m, int k, int n) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (int l = 0; l < k; l++) sum += a[i * k + l] * b[l * n + j];
            c[i * n + j] = sum;
        }
}

static NOINLINE uint64_t work(void) {
    for (int i = 0; i < 8; i++) product(c, a + i, b, rows, inner, columns);
    return bits_of(c[rows * columns / 2]);
}
