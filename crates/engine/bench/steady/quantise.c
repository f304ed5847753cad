// Floats to bytes: scale, round, clamp, as networks' weights are quantised.
#include "../bench.h"

enum { N = 4096 };
static float x[N] ALIGNED;
static int8_t q[N] ALIGNED;

static void setup(void) {
    for (int i = 0; i < N; i++) x[i] = ((float)random_bits() / 16777216.0f - 0.5f) * 300.0f;
}

static NOINLINE void quantise(int8_t *restrict q, const float *restrict x, int n, float scale) {
    for (int i = 0; i < n; i++) {
        float v = x[i] * scale;
        v = v > 127.0f ? 127.0f : v < -127.0f ? -127.0f : v;
        q[i] = (int8_t)(int)(v < 0 ? v - 0.5f : v + 0.5f);
    }
}

static NOINLINE uint64_t work(void) {
    for (int i = 0; i < 16; i++) quantise(q, x, N, 1.0f + 0.03f * (float)i);
    return (uint64_t)(q[opaque(6)] + 128);
}
