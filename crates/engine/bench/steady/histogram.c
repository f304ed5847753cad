// Histogram of bytes, sums and extremes.
#include "../bench.h"

enum { N = 16384 };
static uint8_t data[N];

static void setup(void) {
    for (int i = 0; i < N; i++) data[i] = (uint8_t)(random_bits() & random_bits());
}

static NOINLINE uint64_t work(void) {
    uint32_t count[256] = {0}, most = 0;
    for (int i = 0; i < N; i++) count[data[i]]++;
    uint64_t sum = 0;
    for (unsigned i = 0; i < 256; i++) {
        sum += (uint64_t)i * count[i];
        if (count[i] > count[most]) most = i;
    }
    return sum * 256 + most;
}
