// Integer vectors of 2 to 64 elements and all widths: operators, shifts, comparisons, conversions, reductions.
#include <stdint.h>
#include <stdio.h>

#define EACH(X) X(i8x16, int8_t, 16) X(u8x32, uint8_t, 32) X(i16x8, int16_t, 8) X(u16x32, uint16_t, 32) X(i32x4, int32_t, 4) X(u32x16, uint32_t, 16) X(i64x2, int64_t, 2) X(u64x8, uint64_t, 8) X(u8x8, uint8_t, 8) X(i32x2, int32_t, 2)
#define TEST(name, type, n)                                                                      \
    typedef type name __attribute__((ext_vector_type(n)));                                       \
    static uint64_t hash_##name(name v) {                                                        \
        uint64_t h = 7;                                                                          \
        for (int i = 0; i < n; i++) h = h * 0x100000001b3u + (uint64_t)v[i];                     \
        return h;                                                                                \
    }                                                                                            \
    static void __attribute__((noinline)) test_##name(void) {                                    \
        name a, b, c;                                                                            \
        for (int i = 0; i < n; i++) a[i] = (type)(i * 0x9E3779B97F4A7C15u >> 7), b[i] = (type)(i * i + 3); \
        uint64_t h = hash_##name(a + b);                                                         \
        h ^= hash_##name(a - b) * 3;                                                             \
        h ^= hash_##name(a * b) * 5;                                                             \
        h ^= hash_##name(a / (b | (type)1)) * 7;                                                 \
        h ^= hash_##name(a % (b | (type)1)) * 9;                                                 \
        h ^= hash_##name(a << (b & (type)7)) * 11;                                               \
        h ^= hash_##name(a >> (b & (type)7)) * 13;                                               \
        h ^= hash_##name((a & b) | ~(a ^ b)) * 15;                                               \
        c = a > b ? a : -b;                                                                      \
        h ^= hash_##name(c) * 17;                                                                \
        printf(#name " %016llx", (unsigned long long)h);                                         \
        for (int i = 0; i < 5; i++) {                                                            \
            c = c * (type)3 + a;                                                                 \
            a = __builtin_elementwise_max(a, c);                                                 \
            b = __builtin_elementwise_min(b, c);                                                 \
            b = __builtin_elementwise_add_sat(b, a);                                             \
            c = __builtin_elementwise_sub_sat(c, b);                                             \
        }                                                                                        \
        printf(" %016llx %llx %llx %llx %llx\n", (unsigned long long)hash_##name(c), (unsigned long long)__builtin_reduce_add(a), \
               (unsigned long long)__builtin_reduce_xor(b), (unsigned long long)__builtin_reduce_max(c), (unsigned long long)__builtin_reduce_and(a | b)); \
    }
EACH(TEST)
int main(void) {
#define CALL(name, type, n) test_##name();
    EACH(CALL)
    i32x4 w = {1, -2, 300, -70000};
    i16x8 s = {0};
    s.lo = __builtin_convertvector(w, int16_t __attribute__((ext_vector_type(4))));
    i8x16 bytes = (i8x16)w;
    float __attribute__((ext_vector_type(4))) f = __builtin_convertvector(w, float __attribute__((ext_vector_type(4))));
    f = f / 3;
    i32x4 back = __builtin_convertvector(f, i32x4);
    for (int i = 0; i < 4; i++) printf("%d %d %d %g %d\n", s[i], s[i + 4], bytes[i * 4 + 1], (double)f[i], back[i]);
    i32x4 any = w == (i32x4){1, 2, 300, 4};
    printf("%d %d %d\n", __builtin_reduce_or(any), __builtin_reduce_and(any), any[2]);
    w.xz = (i32x2){9, 8};
    w = w.wzyx;
    printf("%d %d %d %d %d\n", w[0], w[1], w[2], w[3], w.even[1]);
    return 0;
}
