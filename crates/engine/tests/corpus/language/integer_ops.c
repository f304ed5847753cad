// 32- and 64-bit integer operations over edge values: division, shifts, comparisons, conversions both ways.
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

static const int64_t edge[] = {0, 1, -1, 2, -2, 3, 7, -10, 31, 63, 100, 255, INT32_MAX, INT32_MIN, UINT32_MAX, (int64_t)1 << 32, INT64_MAX, INT64_MIN, 0x123456789ABCDEF};
enum { N = sizeof edge / sizeof *edge };
static uint64_t h;
static void in(uint64_t x) { h = (h ^ x) * 0x9E3779B97F4A7C15u; }
int main(void) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            int64_t a = edge[i], b = edge[j];
            int32_t x = (int32_t)a, y = (int32_t)b;
            uint64_t ua = (uint64_t)a, ub = (uint64_t)b;
            uint32_t ux = (uint32_t)x, uy = (uint32_t)y;
            in(ua + ub), in(ua - ub), in(ua * ub), in(ux + uy), in(ux - uy), in(ux * uy);
            if (b && !(a == INT64_MIN && b == -1)) in((uint64_t)(a / b)), in((uint64_t)(a % b));
            if (ub) in(ua / ub), in(ua % ub);
            if (y && !(x == INT32_MIN && y == -1)) in((uint64_t)(x / y)), in((uint64_t)(x % y));
            if (uy) in(ux / uy), in(ux % uy);
            in(ua << (ub & 63)), in(ua >> (ub & 63)), in((uint64_t)(a >> (b & 63)));
            in(ux << (uy & 31)), in(ux >> (uy & 31)), in((uint64_t)(x >> (y & 31)));
            in(ua & ub), in(ua | ub), in(ua ^ ub), in(~ua), in(-ua), in((uint64_t)-(int64_t)ux);
            in((uint64_t)((a < b) | (a <= b) << 1 | (a == b) << 2 | (ua < ub) << 3 | (ua >= ub) << 4 | (x < y) << 5 | (ux > uy) << 6 | (x != y) << 7));
            in((uint64_t)(a ? a : b)), in((uint64_t)(!a + !!b)), in(a && b), in(a || b);
        }
        printf("%2d %016llx\n", i, (unsigned long long)h);
    }
    printf("%d %d %d %d\n", -7 / 2, -7 % 2, 7 / -2, 7 % -2);
    printf("%u %u\n", -7u / 2, (unsigned)-7 % 3);
    printf("%d %lld\n", (int)3000000000u, (long long)(int)0x80000000u);
    printf("%d %d %d %ld %d\n", CHAR_BIT, CHAR_MIN, SHRT_MAX, LONG_MIN, INT_MIN);
    printf("%d\n", 1 ? -1 > 0u : 0);
    printf("%llx %llx\n", 1ULL << 63, (unsigned long long)(-1LL >> 1));
    int i = 5;
    i = i++ * 2 + 1;
    i <<= 3, i |= 2, i ^= 0x55, i %= 37, i -= -4;
    printf("%d\n", i);
    return 0;
}
