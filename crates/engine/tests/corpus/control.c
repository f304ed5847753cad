// Control flow: loops, switches dense and sparse, goto, short circuits, conditional operators, phis that swap.
#include <stdio.h>

static int dense(int x) {
    switch (x) {
    case 0: return 10;
    case 1: return 11;
    case 2:
    case 3: return 23;
    case 5: return 15;
    case 9: return 19;
    default: return -1;
    }
}

static int sparse(long long x) {
    switch (x) {
    case -1000000000000LL: return 1;
    case -5: return 2;
    case 7: return 3;
    case 1LL << 40: return 4;
    case 123456789: return 5;
    }
    return 0;
}

static int chars(char c) {
    switch (c) {
    case 'a' ... 'f': return c - 'a' + 10;
    case '0' ... '9': return c - '0';
    case -1: return 99;
    }
    return -1;
}

static unsigned gcd(unsigned a, unsigned b) {
    while (b) {
        unsigned t = a % b;
        a = b;
        b = t;
    }
    return a;
}

static unsigned fibonacci(unsigned n) {
    unsigned a = 0, b = 1;
    for (unsigned i = 0; i < n; i++) {
        unsigned t = a + b;
        a = b;
        b = t;
    }
    return a;
}

static int rotate3(int n) {
    int a = 1, b = 2, c = 3;
    for (int i = 0; i < n; i++) {
        int t = a;
        a = b;
        b = c;
        c = t + i;
    }
    return a * 10000 + b * 100 + c;
}

static int duff(int n) {
    int r = 0, i = (n + 7) / 8;
    switch (n % 8) {
    case 0: do { r += 1;
    case 7: r += 2;
    case 6: r += 3;
    case 5: r += 4;
    case 4: r += 5;
    case 3: r += 6;
    case 2: r += 7;
    case 1: r += 8;
            } while (--i > 0);
    }
    return r;
}

static int jumps(int n) {
    int r = 0;
again:
    if (n & 1) goto odd;
    r += n;
    goto next;
odd:
    r -= n;
next:
    if (--n > 0) goto again;
    return r;
}

static int effects;
static int touch(int x) {
    effects = effects * 3 + x;
    return x;
}

int main(void) {
    for (int i = -2; i < 12; i++) printf("%d ", dense(i));
    static const long long s[] = {-1000000000000LL, -5, -4, 7, 1LL << 40, (1LL << 40) + 1, 123456789, 0};
    for (int i = 0; i < 8; i++) printf("%d ", sparse(s[i]));
    for (const char *p = "afg09/\xff"; *p; p++) printf("%d ", chars(*p));
    printf("\n%u %u %u\n", gcd(1071, 462), gcd(0, 5), gcd(1u << 31, 3u << 29));
    for (unsigned i = 0; i < 50; i += 7) printf("%u ", fibonacci(i));
    for (int i = 0; i < 8; i++) printf("%d ", rotate3(i));
    for (int i = 1; i < 20; i++) printf("%d ", duff(i));
    printf("\n%d %d\n", jumps(10), jumps(11));
    for (int i = 0; i < 8; i++) {
        int r = (touch(i & 1) && touch(i & 2)) || (touch(i & 4) && !touch(1));
        printf("%d %d %d\n", r, effects, i > 3 ? i < 6 ? 1 : 2 : touch(3));
    }
    int total = 0;
    for (int i = 0; i < 30; i++) {
        if (i % 7 == 3) continue;
        if (i == 25) break;
        for (int j = i; j; j >>= 1) {
            if (j == 4) break;
            total += i * j;
        }
    }
    printf("%d\n", total);
    return total & 63;
}
