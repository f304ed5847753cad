// Structs by value in every class of the System V ABI, unions, bit fields, nested arrays, flexible layouts.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct s1 { char c; };
struct s3 { char c[3]; };
struct s8 { int a; float b; };
struct s16 { long a; double b; };
struct f2 { float x, y; };
struct f3 { float x, y, z; };
struct d2 { double x, y; };
struct s24 { long a, b, c; };
struct deep { struct f3 f; struct { short s[2]; char c; } in; };
union num { uint32_t u; float f; uint8_t b[4]; };
struct bits { unsigned a : 3; signed b : 5; unsigned c : 11; unsigned long long d : 40; _Bool e : 1; };
struct __attribute__((packed)) tight { char c; int i; short s; };

static struct s1 g1(struct s1 s) { s.c++; return s; }
static struct s3 g3(struct s3 s) { s.c[1] ^= 1; return s; }
static struct s8 g8(struct s8 s) { s.a *= 2; s.b *= 2; return s; }
static struct s16 g16(int n, struct s16 s) { s.a += n; s.b -= n; return s; }
static struct f2 gf2(struct f2 s, float k) { s.x *= k; s.y += k; return s; }
static struct f3 gf3(struct f3 s) { struct f3 r = {s.z, s.x, s.y}; return r; }
static struct d2 gd2(struct d2 a, struct d2 b) { a.x += b.y; a.y -= b.x; return a; }
static struct s24 g24(struct s24 s, long k) { s.b = s.a * k; s.a = 0; return s; }
static struct deep gdeep(struct deep d) { d.f.y = 9; d.in.s[1]++; d.in.c--; return d; }
static long many(int a, long b, struct s16 c, struct s24 d, struct d2 e, int f, long g, struct s16 h, char i, double j,
                 struct s24 k) {
    return a + b + c.a + (long)c.b + d.a + d.c + (long)(e.x * e.y) + f + g + h.a + (long)h.b + i + (long)j + k.b;
}
static struct tight gt(struct tight t) { t.i += t.c; t.s = (short)-t.s; return t; }

int main(void) {
    struct s24 big = {1, 2, 3};
    struct s24 got = g24(big, 7);
    printf("%ld %ld %ld %ld\n", big.a, got.a, got.b, got.c);
    struct s1 (*volatile p1)(struct s1) = g1;
    struct s3 (*volatile p3)(struct s3) = g3;
    struct s8 (*volatile p8)(struct s8) = g8;
    struct s16 (*volatile p16)(int, struct s16) = g16;
    struct f2 (*volatile pf2)(struct f2, float) = gf2;
    struct f3 (*volatile pf3)(struct f3) = gf3;
    struct d2 (*volatile pd2)(struct d2, struct d2) = gd2;
    printf("%c %s\n", p1((struct s1){'a'}).c, p3((struct s3){"xy"}).c);
    struct s8 e = p8((struct s8){21, 1.25f});
    struct s16 f = p16(5, (struct s16){10, 0.5});
    struct f2 h = pf2((struct f2){1, 2}, 3);
    struct f3 i = pf3((struct f3){1, 2, 3});
    struct d2 j = pd2((struct d2){1, 2}, (struct d2){3, 4});
    printf("%d %g %ld %g %g %g %g %g %g %g %g\n", e.a, (double)e.b, f.a, f.b, (double)h.x, (double)h.y, (double)i.x,
           (double)i.y, (double)i.z, j.x, j.y);
    struct deep d = gdeep((struct deep){{1, 2, 3}, {{4, 5}, 'z'}});
    printf("%g %g %d %c\n", (double)d.f.x, (double)d.f.y, d.in.s[1], d.in.c);
    printf("%ld\n", many(1, 2, f, big, j, 3, 4, (struct s16){5, 6.5}, 'c', 2.75, got));
    union num n = {.f = 1.5f};
    printf("%08x %d\n", n.u, n.b[3]);
    n.b[0] = 0xff;
    printf("%08x %.9g\n", n.u, (double)n.f);
    struct bits b = {5, -7, 1234, 0x123456789aULL, 1};
    for (int k = 0; k < 5; k++) {
        b.a += 3;
        b.b = (signed char)(b.b * 3) >> 1;
        b.c -= 700;
        b.d = b.d * 5 + 1;
        b.e = !b.e;
        printf("%u %d %u %llx %d\n", b.a, b.b, b.c, (unsigned long long)b.d, b.e);
    }
    struct tight t = gt((struct tight){1, 1000000, 77});
    printf("%d %d %d %zu\n", t.c, t.i, t.s, sizeof t);
    struct { int n; struct s8 v[3][2]; } grid = {6, {{{1, 1}, {2, 2}}, {{3, 3}, {4, 4}}}};
    struct s8 copy[3][2];
    memcpy(copy, grid.v, sizeof copy);
    float total = 0;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 2; c++) total += (float)copy[r][c].a * copy[r][c].b + (float)r;
    printf("%g\n", (double)total);
    return 0;
}
