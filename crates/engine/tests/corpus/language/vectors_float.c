// Vectors of floats: operators, swizzles, selects, passing and returning of all sizes, arrays and structs of them.
#include <math.h>
#include <stdint.h>
#include <stdio.h>

typedef float f2 __attribute__((ext_vector_type(2)));
typedef float f3 __attribute__((ext_vector_type(3)));
typedef float f4 __attribute__((ext_vector_type(4)));
typedef float f8 __attribute__((ext_vector_type(8)));
typedef float f16 __attribute__((ext_vector_type(16)));
typedef double d2 __attribute__((ext_vector_type(2)));
typedef double d4 __attribute__((ext_vector_type(4)));
typedef double d8 __attribute__((ext_vector_type(8)));
typedef int i4 __attribute__((ext_vector_type(4)));

static f2 __attribute__((noinline)) two(f2 a, f2 b) { return a.yx * b - a; }
static f3 __attribute__((noinline)) three(f3 a, f3 b) { return a.yzx * b.zxy - a.zxy * b.yzx; }
static f4 __attribute__((noinline)) four(f4 a, int k, f4 b, double d) { return a * (float)k + b / (float)d; }
static d2 __attribute__((noinline)) dtwo(d2 a, float f, d2 b) { return (d2){a.x + b.y, a.y - b.x} * (double)f; }
static f8 __attribute__((noinline)) eight(f8 a, f8 b) { return a.s76543210 + b; }
static d4 __attribute__((noinline)) dfour(d4 a, const d4 *b) { return a * *b + a; }
static f16 __attribute__((noinline)) sixteen(f16 a) { return a * a - 1; }
static d8 __attribute__((noinline)) deight(d8 a, d8 b, int n) { return n ? a - b : b - a; }
static float dot(f4 a, f4 b) {
    f4 p = a * b;
    return p.x + p.y + p.z + p.w;
}
struct ray {
    f4 origin, direction;
    d2 range;
    char tag;
};
static struct ray move(struct ray r, float t) {
    r.origin += r.direction * t;
    r.range = r.range.yx;
    r.tag++;
    return r;
}
static f4 mul(const f4 m[4], f4 v) { return m[0] * v.x + m[1] * v.y + m[2] * v.z + m[3] * v.w; }
int main(void) {
    f2 a = two((f2){1, 2}, (f2){3, 4});
    f3 b = three((f3){1, 2, 3}, (f3){4, 5, 7});
    f4 c = four((f4){1, 2, 3, 4}, 3, (f4){5, 6, 7, 8}, 2);
    d2 d = dtwo((d2){1, 2}, 0.5f, (d2){3, 4});
    printf("%g %g | %g %g %g | %g %g %g %g | %g %g\n", (double)a.x, (double)a.y, (double)b.x, (double)b.y, (double)b.z, (double)c.x, (double)c.y, (double)c.z, (double)c.w, d.x, d.y);
    f8 e = eight((f8){1, 2, 3, 4, 5, 6, 7, 8}, (f8)(0.5f));
    d4 g = dfour((d4){1, 2, 3, 4}, &(d4){0.1, 0.2, 0.3, 0.4});
    f16 h;
    for (int i = 0; i < 16; i++) h[i] = (float)i / 4;
    h = sixteen(h);
    d8 k = deight((d8)(1.5), (d8){1, 2, 3, 4, 5, 6, 7, 8}, 1);
    double s = 0;
    for (int i = 0; i < 16; i++) s = s * 1.25 + (double)h[i] + (double)e[i % 8] + g[i % 4] * k[i % 8];
    printf("%.12g\n", s);
    f4 m[4] = {{0, 1, 0, 0}, {-1, 0, 0, 0}, {0, 0, 1, 0}, {1, 2, 3, 1}}, v = {1, 0, 2, 1};
    for (int i = 0; i < 9; i++) v = mul(m, v) * 0.5f, v.w = 1;
    printf("%.9g %.9g %.9g %.9g\n", (double)v.x, (double)v.y, (double)v.z, (double)dot(v, v));
    struct ray r = {{1, 2, 3, 4}, {0.5f, 0, -0.5f, 1}, {1, 9}, 'a'};
    for (int i = 0; i < 5; i++) r = move(r, (float)i);
    printf("%g %g %g %g %g %c\n", (double)r.origin.x, (double)r.origin.z, (double)r.origin.w, r.range.x, r.range.y, r.tag);
    i4 less = c < v, nan = c == c;
    f4 choice = less ? c : v;
    printf("%d %d %d %d %d %g %g\n", less.x, less.y, less.z, less.w, nan.x, (double)choice.x, (double)choice.w);
    f4 q = __builtin_elementwise_sqrt(__builtin_elementwise_abs(v - c)), fl = __builtin_elementwise_floor(c / 3), mx = __builtin_elementwise_max(q, fl);
    printf("%.8g %.8g %.8g %.8g\n", (double)q.x, (double)fl.y, (double)mx.z, (double)__builtin_reduce_max(q));
    v.lo = v.hi;
    v.even = (f2){7, 8};
    printf("%g %g %g %g\n", (double)v.x, (double)v.y, (double)v.z, (double)v.w);
    d4 wide = __builtin_convertvector(v, d4);
    f4 z = {0, -0.0f, INFINITY, -INFINITY};
    f4 inv = 1 / z;
    printf("%g %g %g %g %g\n", wide.y / 3, (double)inv.x, (double)inv.y, (double)inv.z, (double)inv.w);
    return 0;
}
