// Sieves: bytes, bits, segments, smallest factors; loops with steps that vary.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int by_bytes(int n) {
    static char composite[4000];
    int count = 0;
    memset(composite, 0, sizeof composite);
    for (int i = 2; i < n; i++) {
        if (composite[i]) continue;
        count++;
        for (int j = i * i; j < n; j += i) composite[j] = 1;
    }
    return count;
}
static int by_bits(unsigned n) {
    uint64_t odd[64];
    memset(odd, 255, sizeof odd);
    int count = n > 2;
    for (unsigned i = 3; i < n; i += 2) {
        if (!(odd[i / 128] >> (i / 2 % 64) & 1)) continue;
        count++;
        for (unsigned j = i * i; j < n; j += 2 * i) odd[j / 128] &= ~(1ull << (j / 2 % 64));
    }
    return count;
}
static int segment(int low, int high) {
    char c[256] = {0};
    int count = 0;
    for (int p = 2; p * p < high; p++)
        for (int m = (low + p - 1) / p * p; m < high; m += p)
            if (m > p) c[m - low] = 1;
    for (int i = low; i < high; i++) count += i > 1 && !c[i - low];
    return count;
}
static unsigned totients(int n) {
    int phi[1000];
    unsigned h = 0;
    for (int i = 0; i < n; i++) phi[i] = i;
    for (int i = 2; i < n; i++)
        if (phi[i] == i)
            for (int j = i; j < n; j += i) phi[j] -= phi[j] / i;
    for (int i = 1; i < n; i++) h = h * 31 + (unsigned)phi[i];
    return h;
}
static void factors(unsigned long n) {
    printf("%lu =", n);
    for (unsigned long p = 2; p * p <= n; p += p > 2 ? 2 : 1)
        while (n % p == 0) {
            printf(" %lu", p);
            n /= p;
        }
    if (n > 1) printf(" %lu", n);
    putchar('\n');
}
int main(void) {
    for (int n = 1; n <= 4000; n = n * 5 / 2 + 1) printf("%d %d\n", by_bytes(n), by_bits((unsigned)n));
    for (int low = 0; low < 2000; low += 250) printf("%d ", segment(low, low + 250));
    printf("\n%08x\n", totients(1000));
    factors(360360);
    factors(1234567);
    factors(600851475143);
    factors(65537ul * 2);
    return 0;
}
