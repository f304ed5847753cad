// Structs of mixed classes by value: int with float, pointers, nested, unions, when registers run out.
#include <stdint.h>
#include <stdio.h>

struct if_ { int i; float f; };
struct fi { float f; int i; };
struct di { double d; int i; };
struct id { char c; double d; };
struct ffi { float a, b; int i; };
struct iff { int i; float a, b; };
struct ps { const char *s; short n; };
struct fp { int (*f)(int); double d; };
struct in { struct { char a; struct { short b; } c; } d; float e; };
union u8 { double d; int64_t l; char c[8]; };
union u16 { struct di x; char c[16]; };
union uf { float f[4]; double d; };
struct empty {};
struct arr { struct if_ v[2]; };
struct __attribute__((packed)) packed { char a; int b; double c; };
struct aligned { _Alignas(32) int a; char b; };
struct ld { float f; __int128 w; };

static double all(struct if_ a, struct fi b, struct di c, struct id d, struct ffi e, struct iff f) {
    return a.i + (double)a.f + (double)b.f * b.i + c.d - c.i + d.c + d.d + (double)(e.a * e.b) + e.i + f.i + (double)(f.a - f.b);
}
static long full(int a, int b, int c, int d, int e, struct ps p, struct fp f, struct ps q) {
    return a + b * 2 + c * 3 + d * 4 + e * 5 + p.s[p.n] * 100 + f.f(p.n) + (long)f.d + q.s[q.n] * 10000L;
}
static struct in inside(struct in i, union u8 u, union u16 v, union uf w) {
    i.d.a++;
    i.d.c.b = (short)(u.c[0] + v.x.i);
    i.e += w.f[1] + (float)v.x.d;
    return i;
}
static int after_empty(int a, struct empty e, int b) { return (void)e, a - b; }
static struct arr twice(struct arr a) {
    struct if_ t = a.v[0];
    a.v[0] = a.v[1];
    a.v[1] = t;
    return a;
}
static struct packed pack(struct packed p, char k) { return (struct packed){(char)(p.a + k), p.b * k, p.c / k}; }
static struct aligned align(struct aligned a, struct aligned b) { return (struct aligned){a.a * b.a, (char)(a.b ^ b.b)}; }
static struct ld wide(struct ld x, int n) { return (struct ld){x.f * 2, x.w * n}; }
static union u8 flip(union u8 u) {
    for (int i = 0; i < 4; i++) {
        char c = u.c[i];
        u.c[i] = u.c[7 - i];
        u.c[7 - i] = c;
    }
    return u;
}
static int triple(int x) { return x * 3; }
int main(void) {
    double (*volatile pa)(struct if_, struct fi, struct di, struct id, struct ffi, struct iff) = all;
    for (int i = 1; i < 4; i++)
        printf("%.10g\n", pa((struct if_){i, 1.5f}, (struct fi){2.5f, -i}, (struct di){1e3, 7}, (struct id){'c', -0.5}, (struct ffi){2, 3, i}, (struct iff){i, 9, 4}));
    long (*volatile pf)(int, int, int, int, int, struct ps, struct fp, struct ps) = full;
    printf("%ld\n", pf(1, 2, 3, 4, 5, (struct ps){"abcdef", 3}, (struct fp){triple, 12.75}, (struct ps){"xyz", 1}));
    union u8 u = {.l = 0x0102030405060708};
    union u16 v = {.x = {2.5, 40}};
    union uf w = {.f = {1, 2, 3, 4}};
    struct in n = inside((struct in){{'a', {2}}, 0.25f}, u, v, w);
    printf("%c %d %g\n", n.d.a, n.d.c.b, (double)n.e);
    printf("%d\n", after_empty(50, (struct empty){}, 8));
    struct arr a = twice((struct arr){{{1, 2}, {3, 4}}});
    printf("%d %g %d %g\n", a.v[0].i, (double)a.v[0].f, a.v[1].i, (double)a.v[1].f);
    struct packed p = pack((struct packed){1, 1000, 10}, 4);
    printf("%d %d %g %zu\n", p.a, p.b, p.c, sizeof p);
    struct aligned b = align((struct aligned){6, 1}, (struct aligned){7, 2});
    printf("%d %d %zu %d\n", b.a, b.b, sizeof b, (int)((uintptr_t)&b % 32));
    struct ld l = wide((struct ld){1.5f, (__int128)1 << 70}, -3);
    printf("%g %lld\n", (double)l.f, (long long)(l.w >> 64));
    printf("%016llx\n", (unsigned long long)flip(u).l);
    return 0;
}
