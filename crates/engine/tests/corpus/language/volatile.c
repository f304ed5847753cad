// Volatile variables: every access kept, of all types, in loops, through pointers, in structs and bit fields.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static volatile int8_t a;
static volatile uint16_t b;
static volatile int32_t c;
static volatile uint64_t d;
static volatile float e;
static volatile double f;
static volatile unsigned __int128 w;
static volatile struct { int x; double y; unsigned z : 5; } s;
static volatile char text[16];
static const volatile int fixed = 9;
static int twice(volatile int *p) {
    int first = *p;
    *p += first;
    return *p + *p;
}
int main(void) {
    for (int i = 0; i < 100; i++) {
        a += 7;
        b = (uint16_t)(b * 3 + (uint8_t)a);
        c ^= b << (i & 15);
        d = d * 6364136223846793005u + (uint32_t)c;
        e = e * 0.75f + (float)a;
        f -= (double)e / 3;
        w = w * 5 + d;
        s.x++;
        s.y += s.x * 0.5;
        s.z += 3;
        text[i & 15] = (char)('a' + i % 26);
    }
    printf("%d %u %d %llu %.9g %.17g %llx\n", a, b, c, (unsigned long long)d, (double)e, f, (unsigned long long)(w >> 64));
    printf("%d %g %u %d\n", s.x, s.y, s.z, fixed);
    for (int i = 0; i < 16; i++) putchar(text[i]);
    int local = 21;
    volatile int *p = &local;
    int *volatile q = &local;
    printf("\n%d %d %d\n", twice(p), *q, local);
    volatile int sum = 0;
    for (volatile int i = 0; i < 50; i++) sum = sum + i;
    volatile int n = 10;
    while (n --> 0) sum -= n;
    volatile char array[4][3];
    for (int i = 0; i < 12; i++) array[i / 3][i % 3] = (char)(i * i);
    int h = 0;
    for (int i = 11; i >= 0; i--) h = h * 3 + array[i / 3][i % 3];
    printf("%d %d\n", sum, h);
    return 0;
}
