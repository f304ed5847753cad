// Vectors of every element type: arithmetic, comparisons, shuffles, conversions, by value and by reference.
#include <stdint.h>
#include <stdio.h>

typedef int v4i __attribute__((ext_vector_type(4)));
typedef unsigned v4u __attribute__((ext_vector_type(4)));
typedef float v4f __attribute__((ext_vector_type(4)));
typedef double v2d __attribute__((vector_size(16)));
typedef int64_t v2l __attribute__((vector_size(16)));
typedef int8_t v16c __attribute__((vector_size(16)));
typedef uint16_t v8s __attribute__((vector_size(16)));
typedef int v8i __attribute__((vector_size(32)));
typedef float v3f __attribute__((ext_vector_type(3)));
typedef int8_t v2c __attribute__((ext_vector_type(2)));

static void show(const char *n, v4i v) { printf("%s %d %d %d %d\n", n, v[0], v[1], v[2], v[3]); }
static v4i __attribute__((noinline)) mix(v4i a, int k, v4f f, v4i b) { return a * k + b - __builtin_convertvector(f, v4i); }
static v3f cross(v3f a, v3f b) { return a.yzx * b.zxy - a.zxy * b.yzx; }

int main(void) {
    v4i a = {1, -2, 3, 2147483647}, b = {5, 6, -7, 8};
    show("+", a + b);
    show("-", a - b);
    show("*", a * b);
    show("/", a / b);
    show("%", a % b);
    show("<<", a << (b & 7));
    show(">>", a >> (b & 7));
    show("&", a & b);
    show("~", ~a | (a ^ b));
    show("<", a < b);
    show("==", a == (v4i){1, 2, 3, 4});
    show("?", a < b ? a : b);
    v4u u = (v4u)a;
    show("u/", (v4i)(u / 3u));
    show("u>>", (v4i)(u >> 3));
    show("u<", (v4i)(u < (v4u)b));
    v4f f = {1.5f, -2.25f, 1e10f, 0.0f}, g = {2, 2, 2, 2};
    v4f h = f * g + f / (g - 0.5f);
    printf("%g %g %g %g\n", (double)h[0], (double)h[1], (double)h[2], (double)h[3]);
    show("f<", f < g);
    v2d d = {1.0 / 3, -4};
    v2d e = d * d - 1.0;
    printf("%.17g %.17g\n", e[0], -e[1]);
    v2l l = {1LL << 40, -3};
    l = l * l + l;
    printf("%lld %lld\n", (long long)l[0], (long long)l[1]);
    v16c c = {1, 2, 3, 4, 5, 6, 7, 8, 120, 121, 122, 123, 124, 125, 126, 127};
    c = c + c;
    v16c r = __builtin_shufflevector(c, -c, 15, 0, 31, 16, 1, 1, 1, 1, 8, 9, 10, 11, 20, 21, 22, 23);
    for (int i = 0; i < 16; i++) printf("%d ", r[i]);
    v8s s = {1, 2, 3, 4, 5, 6, 7, 65535};
    s = s * s + (s >> 2);
    for (int i = 0; i < 8; i++) printf("%d ", s[i]);
    puts("");
    show("mix", mix(a, 3, (v4f){1.9f, -1.9f, 3, 4}, b));
    v4i (*volatile p)(v4i, int, v4f, v4i) = mix;
    show("mix", p(b, 2, g, a));
    v3f x = cross((v3f){1, 2, 3}, (v3f){-4, 5, 0.5f});
    printf("%g %g %g\n", (double)x.x, (double)x.y, (double)x.z);
    v8i w = {1, 2, 3, 4, 5, 6, 7, 8};
    for (int i = 0; i < 8; i++) w[i] += w[(i + 3) & 7];
    printf("%d %d %d %d\n", __builtin_reduce_add(w), __builtin_reduce_max(w), __builtin_reduce_xor(w),
           __builtin_reduce_min(w * -1));
    v2c tiny = {100, 100};
    tiny = tiny + tiny;
    printf("%d %d\n", tiny[0], tiny[1]);
    show("max", __builtin_elementwise_max(a, b));
    show("abs", __builtin_elementwise_abs(a));
    v4f q = __builtin_elementwise_floor(f);
    printf("%g %g\n", (double)q[1], (double)__builtin_elementwise_fma(f, f, f)[0]);
    v2d fromf = __builtin_convertvector((v2l){7, -9}, v2d);
    printf("%g %g\n", fromf[0], fromf[1]);
    int k = 2;
    k += *(volatile int *)&k;
    a[k & 3] = 99;
    show("insert", a);
    return a[(k + 1) & 3] == 0;
}
