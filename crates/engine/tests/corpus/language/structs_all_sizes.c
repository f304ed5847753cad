// Structs by value of every size from 1 to 64 bytes, as parameters and results, integers and floats.
#include <stdint.h>
#include <stdio.h>

#define SIZES(X)                                                                                                        \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(20) X(23) X(24) \
        X(25) X(31) X(32) X(33) X(40) X(47) X(48) X(56) X(63) X(64)
#define DEFINE(n)                                                                                  \
    struct b##n { uint8_t v[n]; };                                                                 \
    static struct b##n __attribute__((noinline)) byte##n(struct b##n a, int k, struct b##n b) {    \
        struct b##n r;                                                                             \
        for (int i = 0; i < n; i++) r.v[i] = (uint8_t)(a.v[i] * k + b.v[n - 1 - i]);               \
        a.v[0] = 0;                                                                                \
        return r;                                                                                  \
    }
SIZES(DEFINE)

#define FLOATS(X) X(1) X(2) X(3) X(4) X(5) X(8) X(16)
#define DEFINE_FLOAT(n)                                                                            \
    struct f##n { float v[n]; };                                                                   \
    static struct f##n __attribute__((noinline)) float##n(double d, struct f##n a, struct f##n b) { \
        for (int i = 0; i < n; i++) a.v[i] = a.v[i] * (float)d - b.v[i];                           \
        return a;                                                                                  \
    }                                                                                              \
    struct d##n { double v[n]; };                                                                  \
    static struct d##n __attribute__((noinline)) double##n(struct d##n a, float f, struct d##n b) { \
        for (int i = 0; i < n; i++) b.v[i] = a.v[i] / f + b.v[n - 1 - i];                          \
        return b;                                                                                  \
    }
FLOATS(DEFINE_FLOAT)

int main(void) {
#define CALL(n)                                                        \
    {                                                                  \
        struct b##n a, b;                                              \
        uint32_t h = 0;                                                \
        for (int i = 0; i < n; i++) a.v[i] = (uint8_t)(i + 1), b.v[i] = (uint8_t)(200 - i); \
        for (int i = 0; i < 3; i++) a = byte##n(a, i + 2, b), b = byte##n(b, 3, a); \
        for (int i = 0; i < n; i++) h = h * 31 + a.v[i] + b.v[i] * 7u; \
        printf("%d:%08x ", n, h);                                      \
    }
    SIZES(CALL)
    putchar('\n');
#define CALL_FLOAT(n)                                                     \
    {                                                                     \
        struct f##n a, b;                                                 \
        struct d##n c, d;                                                 \
        for (int i = 0; i < n; i++) a.v[i] = (float)i, b.v[i] = 0.5f, c.v[i] = i / 3.0, d.v[i] = 1; \
        struct f##n (*volatile pf)(double, struct f##n, struct f##n) = float##n; \
        struct d##n (*volatile pd)(struct d##n, float, struct d##n) = double##n; \
        a = pf(1.5, a, float##n(2, a, b));                                \
        c = pd(c, 0.75f, double##n(d, 4, c));                             \
        double s = 0;                                                     \
        for (int i = 0; i < n; i++) s = s * 2 + (double)a.v[i] + c.v[i];  \
        printf("%d:%.12g ", n, s);                                        \
    }
    FLOATS(CALL_FLOAT)
    putchar('\n');
    return 0;
}
