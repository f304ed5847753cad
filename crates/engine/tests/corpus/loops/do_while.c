// Loops tested at the end, with side effects in conditions, comma operators, empty bodies, unsigned countdown.
#include <stdio.h>

static int digits(unsigned x) {
    int n = 0;
    do n++;
    while (x /= 10);
    return n;
}
static unsigned reverse(unsigned x) {
    unsigned r = 0;
    do {
        r = r * 10 + x % 10;
        if (r > 400000000u) break;
        x /= 10;
    } while (x);
    return r;
}
static int collatz(unsigned long n, unsigned long *peak) {
    int steps = 0;
    *peak = n;
    while (n != 1 && ++steps < 1000) {
        n = n & 1 ? 3 * n + 1 : n / 2;
        if (n > *peak) *peak = n;
    }
    return steps;
}
static int bits(unsigned x) {
    int n = 0;
    for (; x; x &= x - 1, n++)
        ;
    return n;
}
static int both_ends(const int *v, unsigned n) {
    int s = 0;
    unsigned i = n;
    while (i-- > 0) {
        int j = 0;
        do {
            if (v[i] == j) continue;
            s += v[i] ^ j;
        } while (++j < 4);
        if (s > 500) s -= 333;
    }
    return s;
}
static int comma(int n) {
    int a = 0, b = 0;
    while (a++, b += a, b < n)
        if (b & 1) a += 2;
    do
        ;
    while (--a > 0 && (b -= a, b > 0));
    return a * 1000 + b;
}
int main(void) {
    static const unsigned v[] = {0, 7, 10, 99, 12345, 1000000, 4294967295u};
    for (int i = 0; i < 7; i++) printf("%u: %d %u %d\n", v[i], digits(v[i]), reverse(v[i]), bits(v[i]));
    for (unsigned long n = 1; n < 120; n += 13) {
        unsigned long peak;
        int steps = collatz(n, &peak);
        printf("%d/%lu ", steps, peak);
    }
    int w[40];
    for (int i = 0; i < 40; i++) w[i] = i * i % 7 - 1;
    printf("\n%d %d\n", both_ends(w, 40), both_ends(w, 0));
    for (int n = 10; n < 3000; n = n * 2 + 1) printf("%d ", comma(n));
    unsigned char c = 0;
    int wraps = 0;
    do {
        c += 7;
        wraps += c < 7;
    } while (c);
    short s = 30000;
    int turns = 0;
    do turns++;
    while ((s = (short)(s + 100)) > 0);
    printf("\n%d %d %d\n", wraps, turns, s);
    return 0;
}
