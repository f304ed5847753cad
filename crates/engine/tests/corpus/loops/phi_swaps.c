// Values that trade places at the header: rotations, swaps through branches, delayed copies.
#include <stdint.h>
#include <stdio.h>

static uint32_t rotate3(int n) {
    uint32_t a = 1, b = 2, c = 3;
    while (n--) {
        uint32_t t = a;
        a = b;
        b = c;
        c = t + (n & 1);
    }
    return a * 1000000 + b * 1000 + c;
}
static double mixed(int n) {
    double x = 1, y = 2;
    int i = 0, last = -1, before = -2;
    for (; i < n; before = last, last = i, i++) {
        if (i % 3 == 0) {
            double t = x;
            x = y;
            y = t;
        }
        if (last - before > 5) y += 1;
        x = x + y * 0.125 + last - before;
    }
    return x * 1000 + y + last + before;
}
static uint64_t delayed(int n) {
    uint64_t a = 1, b = 1, c = 1, d = 1, e = 1;
    for (int i = 0; i < n; i++) {
        uint64_t next = a + e + (uint64_t)i;
        e = d;
        d = c;
        c = b;
        b = a;
        a = next;
    }
    return a ^ b << 8 ^ c << 16 ^ d << 24 ^ e << 32;
}
static const char *turn(int n) {
    const char *a = "first", *b = "second", *c = "third";
    int flips = 0;
    for (int i = 0; i < n; i++) {
        const char *t = a;
        if (i * i % 5 == 1)
            a = c, c = t;
        else
            a = b, b = t, flips++;
    }
    return flips & 1 ? a : b;
}
static unsigned gcd(unsigned a, unsigned b) {
    while (b) {
        unsigned r = a % b;
        a = b;
        b = r;
    }
    return a;
}
static int extended(int a, int b, int *x, int *y) {
    int x0 = 1, y0 = 0, x1 = 0, y1 = 1;
    while (b) {
        int q = a / b, t = a - q * b;
        a = b, b = t;
        t = x0 - q * x1, x0 = x1, x1 = t;
        t = y0 - q * y1, y0 = y1, y1 = t;
    }
    *x = x0, *y = y0;
    return a;
}
int main(void) {
    for (int n = 0; n < 9; n++) printf("%u ", rotate3(n));
    putchar('\n');
    for (int n = 0; n < 100; n += 17) printf("%.15g %016llx %s\n", mixed(n), (unsigned long long)delayed(n), turn(n));
    for (unsigned i = 1; i < 60; i += 7) printf("%u ", gcd(i * 360, 5040 + i * 12));
    int x, y;
    for (int i = 1; i < 50; i += 6) {
        int g = extended(i * 35, 240, &x, &y);
        printf("%d=%d*%d%+d*%d ", g, x, i * 35, y, 240);
    }
    putchar('\n');
    return 0;
}
