// Loops that carry vectors of several shapes, with scalars and pointers beside them.
#include <stdint.h>
#include <stdio.h>

typedef float f4 __attribute__((vector_size(16)));
typedef double d2 __attribute__((vector_size(16)));
typedef double d4 __attribute__((ext_vector_type(4)));
typedef int32_t i4 __attribute__((vector_size(16)));
typedef uint8_t b16 __attribute__((vector_size(16)));
typedef int64_t l8 __attribute__((vector_size(64)));
typedef int16_t s2 __attribute__((vector_size(4)));
typedef float f3 __attribute__((ext_vector_type(3)));

static f4 floats(int n, float start) {
    f4 a = {start, start + 1, start + 2, start + 3}, b = {0.5f, 0.25f, -0.5f, 1};
    i4 count = {0, 0, 0, 0};
    for (int i = 0; i < n; i++) {
        a = a * b + (float)i;
        count -= a > 10.0f;
        b = (f4){b[1], b[2], b[3], b[0]};
    }
    printf("%d %d %d %d\n", count[0], count[1], count[2], count[3]);
    return a;
}
static d4 doubles(const double *v, int n) {
    d4 sum = {0}, most = {-1e9, -1e9, -1e9, -1e9};
    const double *end = v + n;
    for (; v + 4 <= end; v += 4) {
        d4 x = {v[0], v[1], v[2], v[3]};
        sum += x * x;
        most = x > most ? x : most;
    }
    return sum + most;
}
static uint64_t bytes(const uint8_t *p, int n) {
    b16 state = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    uint64_t h = 0;
    while (n >= 16) {
        b16 x;
        __builtin_memcpy(&x, p, 16);
        state = (state ^ x) * 3 + (state >> 5);
        state = __builtin_shufflevector(state, x, 3, 2, 1, 0, 7, 6, 5, 20, 11, 10, 25, 8, 15, 14, 13, 28);
        h = h * 131 + state[n & 15];
        p += 16;
        n -= 16;
    }
    return h;
}
static l8 wide(int n) {
    l8 a = {1, 2, 3, 4, 5, 6, 7, 8}, b = a * 1000003;
    s2 small = {1, -1};
    while (n--) {
        l8 t = a ^ (b << 7);
        b = a - (b >> 3);
        a = t;
        small = small * (int16_t)3 + (int16_t)n;
        a[n & 7] += small[n & 1];
    }
    return a;
}
static f3 triple(int n) {
    f3 p = {1, 0, 0}, v = {0, 1, 0.25f};
    for (int i = 0; i < n; i++) {
        v -= p * 0.01f;
        p += v * 0.01f;
        if (p.z > 0.2f) v.z = -v.z;
    }
    return p;
}
int main(void) {
    f4 f = floats(40, 1.5f);
    printf("%.9g %.9g %.9g %.9g\n", (double)f[0], (double)f[1], (double)f[2], (double)f[3]);
    double v[64];
    for (int i = 0; i < 64; i++) v[i] = (i * 37 % 64) / 8.0 - 3;
    d4 d = doubles(v, 64);
    printf("%.17g %.17g %.17g %.17g\n", d[0], d[1], d[2], d[3]);
    uint8_t p[512];
    for (int i = 0; i < 512; i++) p[i] = (uint8_t)(i * i + i / 7);
    printf("%016llx\n", (unsigned long long)bytes(p, 512));
    l8 w = wide(100);
    for (int i = 0; i < 8; i++) printf("%016llx%c", (unsigned long long)w[i], i % 4 == 3 ? '\n' : ' ');
    f3 t = triple(300);
    printf("%.9g %.9g %.9g\n", (double)t.x, (double)t.y, (double)t.z);
    return 0;
}
