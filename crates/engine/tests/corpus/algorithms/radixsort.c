// Radix sort: bytes of 64-bit keys with counting, and in place by bits of signed 32-bit keys.
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t rng = 0x9E3779B97F4A7C15u;
static uint64_t next(void) {
    rng ^= rng >> 12;
    rng ^= rng << 25;
    rng ^= rng >> 27;
    return rng * 0x2545F4914F6CDD1Du;
}
static void by_bytes(uint64_t *v, uint64_t *t, int n) {
    for (int shift = 0; shift < 64; shift += 8) {
        int count[257] = {0};
        for (int i = 0; i < n; i++) count[((v[i] >> shift) & 255) + 1]++;
        for (int i = 0; i < 256; i++) count[i + 1] += count[i];
        for (int i = 0; i < n; i++) t[count[(v[i] >> shift) & 255]++] = v[i];
        uint64_t *s = v;
        v = t;
        t = s;
    }
}
static void by_bits(int32_t *v, int n, uint32_t bit, uint32_t flip) {
    if (n < 2 || !bit) return;
    int i = 0, j = n;
    while (i < j) {
        if ((((uint32_t)v[i]) ^ flip) & bit) {
            int32_t x = v[--j];
            v[j] = v[i];
            v[i] = x;
        } else
            i++;
    }
    by_bits(v, i, bit >> 1, 0);
    by_bits(v + i, n - i, bit >> 1, 0);
}
int main(void) {
    enum { N = 400 };
    static uint64_t a[N], t[N];
    static int32_t b[N];
    for (int i = 0; i < N; i++) a[i] = next() >> (i % 40), b[i] = (int32_t)next();
    by_bytes(a, t, N);
    by_bits(b, N, 0x80000000u, 0x80000000u);
    int bad = 0;
    for (int i = 1; i < N; i++) bad += (a[i - 1] > a[i]) + (b[i - 1] > b[i]);
    for (int i = 0; i < N; i += 57) printf("%016" PRIx64 " %" PRId32 "\n", a[i], b[i]);
    printf("%d out of order\n", bad);
    return bad;
}
