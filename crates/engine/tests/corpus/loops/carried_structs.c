// Loops that carry structs by value: small, large, nested, passed to and returned from calls each turn.
#include <stdio.h>

struct complex_ { double re, im; };
struct small { char a; short b; };
struct big { long v[6]; float f; };
struct nest { struct small s[3]; struct complex_ z; union { int i; float f; } u; };

static struct complex_ times(struct complex_ a, struct complex_ b) { return (struct complex_){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
static struct small turn(struct small s, int i) { return (struct small){(char)(s.a + i), (short)(s.b * 3 - s.a)}; }
static struct big shift(struct big b, long x) {
    for (int i = 5; i > 0; i--) b.v[i] = b.v[i - 1];
    b.v[0] = x;
    b.f += (float)b.v[5] / 2;
    return b;
}
static struct nest step(struct nest n, const struct small *s, int i) {
    n.s[i % 3] = *s;
    n.z = times(n.z, (struct complex_){0.6, 0.8});
    if (i & 1)
        n.u.i = i * 1000;
    else
        n.u.f = (float)i / 3;
    return n;
}
int main(void) {
    struct complex_ z = {1, 0}, w = {0.6, 0.8}, sum = {0, 0};
    for (int i = 0; i < 100; i++) {
        z = times(z, w);
        struct complex_ t = sum;
        sum.re = t.re + z.re;
        sum.im = t.im - z.im;
    }
    printf("%.15g %.15g %.15g %.15g\n", z.re, z.im, sum.re, sum.im);
    struct small s = {1, 2};
    struct big b = {{0}, 0.5f};
    struct nest n = {{{0, 0}}, {1, 1}, {0}};
    int words = 0;
    for (int i = 0; i < 120; i++) {
        s = turn(s, i);
        b = shift(b, s.b);
        n = step(n, &s, i);
        struct nest copy = n;
        words += copy.u.i & 255;
        if (i % 40 == 39) printf("%d %d %ld %ld %.9g %d %.9g\n", s.a, s.b, b.v[0], b.v[5], (double)b.f, n.s[1].b, n.z.re);
    }
    struct small all[4] = {{'a', 1}, {'b', 2}, {'c', 3}, {'d', 4}};
    for (int i = 0; i < 50; i++) {
        struct small t = all[i % 4];
        all[i % 4] = all[(i * 3 + 1) % 4];
        all[(i * 3 + 1) % 4] = turn(t, i);
    }
    for (int i = 0; i < 4; i++) printf("%d:%d ", all[i].a, all[i].b);
    printf("%d\n", words);
    return 0;
}
