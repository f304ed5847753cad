// Loops that carry 128-bit integers, two at a time, beside narrow ones.
#include <stdint.h>
#include <stdio.h>

typedef unsigned __int128 u128;
typedef __int128 i128;
static void show(const char *name, u128 x) {
    char digits[40];
    int n = 40;
    digits[--n] = 0;
    do digits[--n] = (char)('0' + (int)(x % 10)), x /= 10;
    while (x);
    printf("%s %s\n", name, digits + n);
}
static u128 fibonacci(int n) {
    u128 a = 0, b = 1;
    while (n-- > 0) {
        u128 t = a + b;
        a = b;
        b = t;
    }
    return a;
}
static u128 gcd(u128 a, u128 b, int *steps) {
    for (*steps = 0; b; ++*steps) {
        u128 t = a % b;
        a = b;
        b = t;
    }
    return a;
}
static u128 power_mod(u128 b, uint64_t e, uint64_t m) {
    u128 r = 1;
    for (b %= m; e; e >>= 1) {
        if (e & 1) r = r * b % m;
        b = b * b % m;
    }
    return r;
}
static u128 root(u128 x) {
    u128 r = 0;
    for (u128 bit = (u128)1 << 126; bit; bit >>= 2) {
        if (x >= r + bit) {
            x -= r + bit;
            r = r / 2 + bit;
        } else
            r /= 2;
    }
    return r;
}
static u128 generator(int n) {
    u128 state = 1, mul = ((u128)2549297995355413924u << 64) | 4865540595714422341u;
    uint64_t h = 0;
    for (int i = 0; i < n; i++) {
        state = state * mul + 1442695040888963407u;
        uint64_t x = (uint64_t)(state >> 64) ^ (uint64_t)state;
        int r = (int)(state >> 122);
        h = h * 31 + (x >> r | x << (-r & 63));
    }
    return state ^ h;
}
static i128 alternate(int n) {
    i128 sum = 0, term = -1;
    for (int i = 1; i <= n; i++, term = -term * 3 / 2 - 1) {
        if (term < 0 && i % 5 == 0) continue;
        sum += term * (1 << i % 9);
        if (sum > ((i128)1 << 118)) break;
    }
    return sum;
}
int main(void) {
    show("fibonacci", fibonacci(180));
    int steps;
    u128 g = gcd(fibonacci(150) * 12, fibonacci(100) * 18, &steps);
    printf("%d: ", steps);
    show("gcd", g);
    show("power", power_mod(0x123456789ABCDEFu, 0xFEDCBA9876543210u, 0xFFFFFFFFFFFFFFC5u));
    show("root", root(~(u128)0));
    show("root", root((u128)1 << 101));
    show("generator", generator(300));
    show("alternate", (u128)alternate(150));
    show("negative", (u128)-alternate(4));
    return 0;
}
