// Half precision: _Float16 arithmetic, conversions, arrays, passing by value.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef _Float16 half;
static half __attribute__((noinline)) axpy(half a, half x, half y) { return a * x + y; }
static uint16_t bits(half x) {
    uint16_t u;
    memcpy(&u, &x, 2);
    return u;
}
struct three {
    half v[3];
};
static struct three turn(struct three t, half k) { return (struct three){{t.v[1] * k, t.v[2] - k, t.v[0]}}; }
int main(void) {
    static const float samples[] = {0, -0.0f, 1, 0.1f, 65504, 65519, 65520, 1e-7f, 6e-8f, 5.9e-5f, -3.14159f, 2049, 2051};
    for (unsigned i = 0; i < sizeof samples / sizeof *samples; i++) {
        half x = (half)samples[i];
        printf("%g -> %04x -> %.9g, %04x %04x %d\n", (double)samples[i], bits(x), (double)x, bits(x + x), bits(x * x), x < (half)1);
    }
    half sum = 0;
    for (int i = 0; i < 500; i++) sum = axpy((half)0.5f, (half)(i % 10), sum);
    printf("%g %04x\n", (double)sum, bits(sum));
    half table[20];
    for (int i = 0; i < 20; i++) table[i] = (half)i / (half)3;
    double total = 0;
    for (int i = 0; i < 20; i++) total += (double)table[i] * i;
    printf("%.17g %d %u\n", total, (int)table[19], (unsigned)(table[7] * (half)100));
    struct three t = {{1, 2, 3}};
    for (int i = 0; i < 7; i++) t = turn(t, (half)1.25f);
    printf("%g %g %g\n", (double)t.v[0], (double)t.v[1], (double)t.v[2]);
    half m = (half)100000000.0;
    printf("%d %d %d\n", m > (half)65504, (half)1 == (half)1.0001f, -m < m);
    return 0;
}
