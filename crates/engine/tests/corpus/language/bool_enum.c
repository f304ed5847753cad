// _Bool, enumerations, the conditional operator, short circuits with side effects, comma, chained assignments.
#include <stdint.h>
#include <stdio.h>

enum small { A, B = 10, C, D = -3, E };
enum large { BIG = 0x80000000u, BIGGER };
enum far_ : uint8_t { NEAR = 250, EDGE = 255 };
static int trace;
static _Bool t(int x) { return trace = trace * 10 + x, 1; }
static _Bool f(int x) { return trace = trace * 10 + x, 0; }
static _Bool odd(int x) { return x & 1; }
static _Bool from_pointer(const void *p) { return p; }
static _Bool from_double(double d) { return d; }
static _Bool from_wide(__int128 x) { return x; }
static const char *sign(long x) { return x < 0 ? "negative" : x > 0 ? "positive" : "zero"; }
static int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }
static int logic(int a, int b, int c) { return (a && b) || (!c && (b || a)) ? (a ? 4 : 2) + !!b : c && !b; }
int main(void) {
    printf("%d %d %d %d %d %zu\n", A, B, C, D, E, sizeof(enum small));
    printf("%u %u %d %zu\n", BIG, BIGGER, (uint8_t)(EDGE + 1), sizeof(enum far_));
    int r[8];
    r[0] = t(1) && f(2) && t(3);
    r[1] = f(4) || t(5) || f(6);
    r[2] = (t(7), f(8)) ? 100 : t(9) ? 200 : 300;
    printf("%d %d %d %d\n", r[0], r[1], r[2], trace);
    int n = 0;
    for (int i = 0; i < 8; i++) n = n * 7 + logic(i & 1, i & 2, i & 4);
    printf("%d\n", n);
    _Bool flags[8];
    for (int i = 0; i < 8; i++) flags[i] = odd(i * 3) ^ (i > 4);
    unsigned packed = 0;
    for (int i = 0; i < 8; i++) packed |= (unsigned)flags[i] << i;
    printf("%02x %d %d %d %d %d\n", packed, from_pointer(flags), from_pointer(0), from_double(0.3), from_double(-0.0), from_wide((__int128)1 << 100));
    printf("%s %s %s %d %d %d\n", sign(-5), sign(0), sign(1L << 40), clamp(5, 0, 10), clamp(-5, 0, 10), clamp(50, 0, 10));
    int a, b, c;
    a = b = c = 7;
    a += b -= c *= 2;
    printf("%d %d %d %d\n", a, b, c, (a = 3, b = a + 4, a * b));
    int x = 10, y = x++ + ++x, z = y-- - --y;
    printf("%d %d\n", x, z);
    const char *s = "conditional";
    int vowels = 0;
    while (*s) vowels += *s == 'a' || *s == 'e' || *s == 'i' || *s == 'o' || *s == 'u', s++;
    _Bool p = 1;
    for (int i = 0; i < 5; i++) p = !p;
    enum small e = B;
    e++;
    printf("%d %d %d %d\n", vowels, p, e == C, (enum small)(-3) == D);
    printf("%g %d\n", 1 ? 2 : 3.5, 0 ? 1u > 0 : -1 < 0);
    return p + 2 * flags[3];
}
