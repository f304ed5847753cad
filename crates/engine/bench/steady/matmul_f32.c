// f32 matrix product, size known to the compiler.
#include "../bench.h"

enum { N = 64 };
static float a[N][N] ALIGNED, b[N][N] ALIGNED, c[N][N] ALIGNED;

static void setup(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (float)(random_bits() % 17) * 0.25f;
            b[i][j] = (float)(random_bits() % 13) * 0.5f;
        }
}

static NOINLINE uint64_t work(void) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) c[i][j] = 0;
        for (int k = 0; k < N; k++)
            for (int j = 0; j < N; j++) c[i][j] += a[i][k] * b[k][j];
    }
    return bits_of(c[N / 2][N / 3]);
}
