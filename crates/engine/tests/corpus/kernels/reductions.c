// Reductions of every type that vectorise: sums, products, minima, counts, masks, dot products, with odd lengths.
#include <stdint.h>
#include <stdio.h>

#define EACH(X) X(i8, int8_t) X(u8, uint8_t) X(i16, int16_t) X(u16, uint16_t) X(i32, int32_t) X(u32, uint32_t) X(i64, int64_t) X(u64, uint64_t)
#define DEFINE(name, type)                                                                      \
    static uint64_t __attribute__((noinline)) name(const type *a, const type *b, int n) {       \
        uint64_t sum = 0, dot = 0, product = 1;                                                 \
        type least = a[0], most = a[0], bits = 0, all = (type)~0;                               \
        int equal = 0, first = -1;                                                              \
        for (int i = 0; i < n; i++) {                                                           \
            sum += (uint64_t)a[i];                                                              \
            dot += (uint64_t)a[i] * (uint64_t)b[i];                                             \
            least = a[i] < least ? a[i] : least;                                                \
            most = a[i] > most ? a[i] : most;                                                   \
            bits ^= a[i];                                                                       \
            all &= (type)(a[i] | b[i]);                                                         \
            equal += a[i] == b[i];                                                              \
        }                                                                                       \
        for (int i = 0; i < n; i++) product *= (uint64_t)a[i] | 1;                              \
        for (int i = 0; i < n; i++)                                                             \
            if (a[i] > b[i]) {                                                                  \
                first = i;                                                                      \
                break;                                                                          \
            }                                                                                   \
        return sum ^ dot * 3 ^ product * 5 ^ (uint64_t)least * 7 ^ (uint64_t)most * 11 ^ (uint64_t)bits * 13 ^ (uint64_t)all ^ (uint64_t)(equal * 1000 + first); \
    }
EACH(DEFINE)
static double ordered(const double *v, int n) {
    double s = 0;
    for (int i = 0; i < n; i++) s += v[i] * v[i];
    return s;
}
static float least(const float *v, int n) {
    float m = v[0];
    for (int i = 1; i < n; i++) m = v[i] < m ? v[i] : m;
    return m;
}
int main(void) {
    static union { uint64_t u64[300]; uint8_t bytes[2400]; } a, b;
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < 300; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        a.u64[i] = x;
        b.u64[i] = i % 3 ? x * 5 : x;
    }
#define CALL(name, type)                                                                        \
    {                                                                                           \
        uint64_t h = 0;                                                                         \
        for (int n = 1; n < 200; n += 1 + n / 2) h = h * 31 + name((const type *)a.bytes + n % 3, (const type *)b.bytes + n % 3, n); \
        printf(#name " %016llx\n", (unsigned long long)h);                                      \
    }
    EACH(CALL)
    double d[100];
    float f[100];
    for (int i = 0; i < 100; i++) d[i] = (double)(a.u64[i] >> 40) / 1e6 - 8, f[i] = (float)d[i];
    for (int n = 1; n < 100; n += 14) printf("%.17g %.9g ", ordered(d, n), (double)least(f, n));
    putchar('\n');
    return 0;
}
