// Integers of every width: arithmetic, shifts, comparisons, conversions.
#include <stdint.h>
#include <stdio.h>

#define FOR(T, U, name)                                                                                       \
    static void name(T a, T b) {                                                                              \
        U ua = (U)a, ub = (U)b;                                                                               \
        printf(#T " %lld %lld:", (long long)a, (long long)b);                                                 \
        printf(" %lld %lld %lld", (long long)(T)(ua + ub), (long long)(T)(ua - ub), (long long)(T)(ua * ub)); \
        if (b && !(b == -1)) printf(" %lld %lld", (long long)(T)(a / b), (long long)(T)(a % b));              \
        if (ub) printf(" %llu %llu", (unsigned long long)(U)(ua / ub), (unsigned long long)(U)(ua % ub));     \
        unsigned s = (unsigned)(ub % (sizeof(T) * 8));                                                        \
        printf(" %lld %lld %llu", (long long)(T)(ua << s), (long long)(T)(a >> s),                            \
               (unsigned long long)(U)(ua >> s));                                                             \
        printf(" %d%d%d%d%d%d%d%d\n", a < b, a <= b, a > b, a >= b, ua < ub, ua <= ub, a == b, a != b);       \
    }
FOR(int8_t, uint8_t, f8)
FOR(int16_t, uint16_t, f16)
FOR(int32_t, uint32_t, f32)
FOR(int64_t, uint64_t, f64)

typedef _BitInt(24) i24;
typedef unsigned _BitInt(37) u37;

static volatile i24 v24;
static volatile u37 v37;

int main(void) {
    static const int64_t v[] = {0,    1,      -1,         2,          -2,        7,        -7,       100,       127,
                                -128, 32767,  -32768,     0x12345678, INT32_MAX, INT32_MIN, 1LL << 40, INT64_MAX,
                                INT64_MIN, 0x0123456789abcdefLL};
    const int n = sizeof v / sizeof *v;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            f8((int8_t)v[i], (int8_t)v[j]);
            f16((int16_t)v[i], (int16_t)v[j]);
            f32((int32_t)v[i], (int32_t)v[j]);
            f64(v[i], v[j]);
        }
    for (int i = 0; i < n; i++) {
        v24 = (i24)v[i];
        v37 = (u37)v[i];
        i24 a = v24;
        u37 b = v37;
        printf("%d %lld %d %lld %d\n", (int)(i24)(a * 3), (long long)(u37)(b * 5 + 1), (int)(a / 7),
               (long long)(b / 11), a < -5);
    }
    unsigned long long p = 0;
    for (unsigned i = 0; i < 64; i++)
        p = p * 31 + (unsigned)__builtin_popcountll(0x123456789abcdefULL << i) + (unsigned)__builtin_clzll(1ULL << i) +
            (unsigned)__builtin_ctz(1u << (i & 31)) + __builtin_bswap32(i * 7919) + __builtin_bswap16((uint16_t)i) +
            __builtin_rotateleft32(i, i) + __builtin_rotateright64(i, i) + __builtin_bitreverse8((uint8_t)i);
    printf("%llu\n", p);
    int r;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            int o = __builtin_add_overflow((int)v[i], (int)v[j], &r);
            int32_t s = r;
            int q = __builtin_mul_overflow((int)v[i], (int)v[j], &r);
            long long w;
            int x = __builtin_sub_overflow((long long)v[i], (long long)v[j], &w);
            unsigned char c;
            int y = __builtin_mul_overflow((unsigned char)v[i], (unsigned char)v[j], &c);
            printf("%d %d %d %d %d %lld %d %d\n", o, s, q, r, x, w, y, c);
        }
    return 0;
}
