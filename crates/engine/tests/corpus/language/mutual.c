// Recursion of many shapes: mutual, tail, through pointers, Ackermann, Hanoi, Hofstadter, McCarthy, Takeuchi.
#include <stdint.h>
#include <stdio.h>

static int ackermann(int m, int n) { return m ? ackermann(m - 1, n ? ackermann(m, n - 1) : 1) : n + 1; }
static int female(int n);
static int male(int n) { return n ? n - female(male(n - 1)) : 0; }
static int female(int n) { return n ? n - male(female(n - 1)) : 1; }
static int q(int n) { return n < 3 ? 1 : q(n - q(n - 1)) + q(n - q(n - 2)); }
static int mccarthy(int n) { return n > 100 ? n - 10 : mccarthy(mccarthy(n + 11)); }
static int takeuchi(int x, int y, int z) { return y < x ? takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y)) : z; }
static long hanoi(int n, int from, int to, long h) {
    if (!n) return h;
    h = hanoi(n - 1, from, 6 - from - to, h);
    h = (h * 10 + from * 3 + to) % 1000007;
    return hanoi(n - 1, 6 - from - to, to, h);
}
static uint64_t tail(uint64_t n, uint64_t acc) { return n ? tail(n - 1, acc * 3 + n) : acc; }
static int a(int), b(int), c(int);
static int a(int n) { return n <= 0 ? 1 : b(n - 1) + 1; }
static int b(int n) { return n <= 0 ? 2 : c(n - 2) * 2 % 1009; }
static int c(int n) { return n <= 0 ? 3 : a(n - 1) - b(n - 3); }
struct self {
    int (*f)(struct self, int);
    int k;
};
static int by_pointer(struct self s, int n) { return n ? n * s.k + s.f((struct self){s.f, s.k ^ 1}, n - 1) : 0; }
static double fraction(int n, double x) { return n ? 1 / (x + fraction(n - 1, x)) : x; }
static const char *digits(unsigned n, unsigned base, char *out) {
    static char *p;
    if (out) p = out;
    if (n >= base) digits(n / base, base, 0);
    *p++ = "0123456789abcdef"[n % base];
    *p = 0;
    return out;
}
static int depth(int n) {
    char frame[100];
    frame[n % 100] = (char)n;
    int below = n ? depth(n - 1) : 0;
    return below + (frame[n % 100] & 1);
}
int main(void) {
    printf("%d %d %d %d\n", ackermann(0, 5), ackermann(1, 9), ackermann(2, 20), ackermann(3, 3));
    for (int i = 0; i < 12; i++) printf("%d/%d/%d ", male(i), female(i), q(i + 1));
    printf("\n%d %d %d\n", mccarthy(0), mccarthy(87), takeuchi(6, 4, 1));
    printf("%ld %ld\n", hanoi(3, 1, 3, 0), hanoi(9, 1, 2, 0));
    printf("%llu\n", (unsigned long long)tail(2000, 1));
    for (int i = 0; i < 24; i += 5) printf("%d %d %d, ", a(i), b(i), c(i));
    printf("\n%d %.15g\n", by_pointer((struct self){by_pointer, 2}, 40), fraction(30, 1));
    char s[40];
    for (unsigned base = 2; base < 17; base += 7) printf("%s ", digits(48879, base, s));
    printf("%d\n", depth(1500));
    return 0;
}
