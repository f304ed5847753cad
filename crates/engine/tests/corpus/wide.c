// 128-bit integers.
#include <stdio.h>
typedef __int128 i128;
typedef unsigned __int128 u128;

static void show(const char *name, u128 x) {
    printf("%s %016llx%016llx\n", name, (unsigned long long)(x >> 64), (unsigned long long)x);
}

static u128 power(u128 b, unsigned e) {
    u128 r = 1;
    while (e--) r *= b;
    return r;
}

static i128 pick(int n, i128 a, double d, i128 b) { return n ? a + (i128)d : b - (i128)d; }

struct pair {
    i128 a;
    char c;
    u128 b;
};

static struct pair twist(struct pair p) {
    struct pair q = {(i128)p.b, (char)(p.c + 1), (u128)p.a};
    return q;
}

int main(void) {
    static const i128 v[] = {0, 1, -1, 12345678901234567LL, -98765432109876LL, (i128)1 << 100, -((i128)1 << 99),
                             ((i128)0x0123456789abcdefLL << 64) | 0xfedcba9876543210ULL};
    const int n = sizeof v / sizeof *v;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            i128 a = v[i], b = v[j];
            show("+", (u128)(a + b));
            show("-", (u128)(a - b));
            show("*", (u128)a * (u128)b);
            if (b) {
                show("/", (u128)(a / b));
                show("%", (u128)(a % b));
                show("u/", (u128)a / (u128)b);
                show("u%", (u128)a % (u128)b);
            }
            int s = (int)(b & 127);
            show("<<", (u128)a << s);
            show(">>", (u128)(a >> s));
            show("u>>", (u128)a >> s);
            printf("%d%d%d%d\n", a < b, (u128)a < (u128)b, a == b, a >= b);
            i128 r;
            printf("%d", __builtin_add_overflow(a, b, &r));
            show(" o", (u128)r);
        }
    show("power", power(3, 80));
    printf("%.17g %.17g %.9g\n", (double)v[5], (double)v[6], (double)(float)v[7]);
    show("from", (u128)(i128)-1.5e30);
    show("from", (u128)3.25e35);
    show("pick", (u128)pick(1, v[3], 7.5, v[4]));
    show("pick", (u128)pick(0, v[3], 7.5, v[4]));
    struct pair p = {v[4], 'a', (u128)v[7]};
    p = twist(twist(twist(p)));
    show(&p.c == 0 ? "" : "pair", (u128)p.a);
    printf("%c\n", p.c);
    show("pair", p.b);
    switch ((int)(v[3] % 5)) {
    case 0: puts("zero"); break;
    case 1: puts("one"); break;
    default: puts("more");
    }
    return 0;
}
