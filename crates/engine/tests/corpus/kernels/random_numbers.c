// Generators: Mersenne twister, PCG, xoshiro, middle square, shuffles, normal deviates, Monte Carlo, tests of bits.
#include <math.h>
#include <stdint.h>
#include <stdio.h>

static uint32_t mt[624];
static int at = 624;
static void seed(uint32_t s) {
    mt[0] = s;
    for (uint32_t i = 1; i < 624; i++) mt[i] = 1812433253u * (mt[i - 1] ^ mt[i - 1] >> 30) + i;
    at = 624;
}
static uint32_t twister(void) {
    if (at >= 624) {
        for (int i = 0; i < 624; i++) {
            uint32_t y = (mt[i] & 0x80000000u) | (mt[(i + 1) % 624] & 0x7fffffffu);
            mt[i] = mt[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        at = 0;
    }
    uint32_t y = mt[at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}
static uint32_t pcg(uint64_t *s) {
    uint64_t old = *s;
    *s = old * 6364136223846793005u + 1442695040888963407u;
    uint32_t x = (uint32_t)((old >> 18 ^ old) >> 27), r = (uint32_t)(old >> 59);
    return x >> r | x << (-r & 31);
}
static uint64_t xoshiro(uint64_t s[4]) {
    uint64_t r = s[1] * 5, t = s[1] << 17;
    r = (r << 7 | r >> 57) * 9;
    s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return r;
}
static double unit(void) { return twister() / 4294967296.0; }
static double normal(void) {
    double u, v, s;
    do u = 2 * unit() - 1, v = 2 * unit() - 1, s = u * u + v * v;
    while (s >= 1 || s == 0);
    return u * sqrt(-2 * log(s) / s);
}
int main(void) {
    seed(5489);
    uint32_t x = 0;
    for (int i = 0; i < 1000; i++) x = twister();
    printf("%u\n", x);
    uint64_t s = 42, four[4] = {1, 2, 3, 4};
    for (int i = 0; i < 5; i++) printf("%08x %016llx ", pcg(&s), (unsigned long long)xoshiro(four));
    uint8_t deck[52];
    for (int i = 0; i < 52; i++) deck[i] = (uint8_t)i;
    for (int i = 51; i > 0; i--) {
        int j = (int)(pcg(&s) % (uint32_t)(i + 1));
        uint8_t t = deck[i];
        deck[i] = deck[j];
        deck[j] = t;
    }
    putchar('\n');
    for (int i = 0; i < 52; i++) printf("%c%c ", "23456789TJQKA"[deck[i] % 13], "cdhs"[deck[i] / 13]);
    double mean = 0, square = 0;
    for (int i = 0; i < 500; i++) {
        double v = normal();
        mean += v;
        square += v * v;
    }
    printf("\n%.9f %.9f\n", mean / 500, square / 500);
    int inside = 0, counts[8] = {0}, runs = 0;
    for (int i = 0; i < 1500; i++) {
        double a = unit(), b = unit();
        inside += a * a + b * b < 1;
    }
    uint64_t last = 0;
    for (int i = 0; i < 800; i++) {
        uint64_t v = xoshiro(four);
        counts[v >> 61]++;
        runs += v > last;
        last = v;
    }
    printf("%.6f %d:", inside * 4 / 1500.0, runs);
    for (int i = 0; i < 8; i++) printf(" %d", counts[i]);
    uint32_t square_ = 675248;
    for (int i = 0; i < 10; i++) square_ = (uint32_t)((uint64_t)square_ * square_ / 1000 % 1000000), printf(" %u", square_);
    putchar('\n');
    return 0;
}
