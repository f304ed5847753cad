// Arithmetic that checks: overflow builtins of every type, saturation by hand and by builtins, carries.
#include <limits.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t h = 1;
static void in(uint64_t x) { h = (h ^ x) * 0x9E3779B97F4A7C15u; }
static const int64_t v[] = {0, 1, -1, 2, 100, 127, 128, -128, -129, 255, 256, 32767, -32768, 65535, INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, INT64_MAX / 2};
enum { N = sizeof v / sizeof *v };
#define TYPE(type)                                                    \
    {                                                                 \
        int overflows = 0;                                            \
        for (int i = 0; i < N; i++)                                   \
            for (int j = 0; j < N; j++) {                             \
                type a = (type)v[i], b = (type)v[j], r;               \
                overflows += __builtin_add_overflow(a, b, &r), in((uint64_t)r); \
                overflows += __builtin_sub_overflow(a, b, &r), in((uint64_t)r); \
                overflows += __builtin_mul_overflow(a, b, &r), in((uint64_t)r); \
            }                                                         \
        printf(#type " %d %016llx\n", overflows, (unsigned long long)h); \
    }
static int32_t sat_add(int32_t a, int32_t b) {
    int32_t r;
    if (__builtin_add_overflow(a, b, &r)) return b < 0 ? INT32_MIN : INT32_MAX;
    return r;
}
static uint8_t sat_u8(int x) { return x < 0 ? 0 : x > 255 ? 255 : (uint8_t)x; }
static int16_t sat_mul(int16_t a, int16_t b) {
    int x = a * b;
    return x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : (int16_t)x;
}
int main(void) {
    TYPE(int8_t) TYPE(uint8_t) TYPE(int16_t) TYPE(uint16_t) TYPE(int32_t) TYPE(uint32_t) TYPE(int64_t) TYPE(uint64_t)
    int mixed = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            uint8_t a;
            int16_t b;
            uint64_t c;
            int64_t d;
            mixed = mixed * 2 % 100003 + __builtin_add_overflow(v[i], (int)v[j], &a) + __builtin_mul_overflow((uint32_t)v[i], (int8_t)v[j], &b);
            mixed += __builtin_sub_overflow(v[i], (uint64_t)v[j], &c) + __builtin_mul_overflow((uint64_t)v[i], v[j], &d);
            in(a), in((uint64_t)b), in(c), in((uint64_t)d);
            in((uint64_t)sat_add((int32_t)v[i], (int32_t)v[j])), in(sat_u8((int)v[i] % 1000 + (int)v[j] % 500)), in((uint64_t)sat_mul((int16_t)v[i], (int16_t)v[j]));
            in((uint64_t)__builtin_elementwise_add_sat((int8_t)v[i], (int8_t)v[j])), in(__builtin_elementwise_sub_sat((uint16_t)v[i], (uint16_t)v[j]));
            in((uint64_t)__builtin_elementwise_add_sat(v[i], v[j])), in(__builtin_elementwise_sub_sat((uint64_t)v[i], (uint64_t)v[j]));
        }
    printf("%d %016llx\n", mixed, (unsigned long long)h);
    unsigned long long carry = 0, a[4] = {~0ull, ~0ull, 5, 1}, b[4] = {1, 0, ~0ull, 2};
    for (int i = 0; i < 4; i++) a[i] = __builtin_addcll(a[i], b[i], carry, &carry), printf("%llx ", a[i]);
    carry = 0;
    for (int i = 0; i < 4; i++) a[i] = __builtin_subcll(a[i], b[3 - i], carry, &carry), printf("%llx ", a[i]);
    printf("%llu\n", carry);
    int factorial = 1, n = 1;
    while (!__builtin_mul_overflow(factorial, n + 1, &factorial)) n++;
    printf("%d\n", n);
    return 0;
}
