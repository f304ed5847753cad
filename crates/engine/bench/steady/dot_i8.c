// Scalar product of bytes.
#include "../bench.h"

enum { N = 16384 };
static int8_t a[N] ALIGNED, b[N] ALIGNED;

static void setup(void) {
    for (int i = 0; i < N; i++) {
        a[i] = (int8_t)random_bits();
        b[i] = (int8_t)random_bits();
    }
}

static NOINLINE int dot(const int8_t *a, const int8_t *b, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static NOINLINE uint64_t work(void) {
    uint64_t sum = 0;
    for (int i = 0; i < 16; i++) sum += (uint64_t)dot(a + i, b, opaque(N - 16));
    return sum;
}
