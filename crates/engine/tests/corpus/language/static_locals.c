// Static locals, recursion over them, same names in scopes, shadowing, initialisers that refer to each other.
#include <stdio.h>

static int next(void) {
    static int n = 41;
    return ++n;
}
static int *slot(int i) {
    static int table[4] = {1, 2, 3, 4};
    return &table[i & 3];
}
static long remember(long x) {
    static long last = -1, *where = &last;
    static struct { long sum; int calls; const char *name; } s = {1000, 0, "s"};
    long r = *where;
    *where = x;
    s.sum += x;
    s.calls++;
    return r * 100 + s.sum % 100 + s.calls + s.name[0];
}
static int depth(int n) {
    static int deepest, current;
    current++;
    if (current > deepest) deepest = current;
    if (n) depth(n - 1);
    current--;
    return deepest * 10 + current;
}
static unsigned long random_(void) {
    static unsigned long state[2] = {1, 2};
    unsigned long s1 = state[0], s0 = state[1];
    state[0] = s0;
    s1 ^= s1 << 23;
    state[1] = s1 ^ s0 ^ s1 >> 18 ^ s0 >> 5;
    return state[1] + s0;
}
static const char *name(int i) {
    static const char *const names[] = {"zero", "one", "two"};
    static char other[8];
    if (i < 3) return names[i];
    snprintf(other, sizeof other, "#%d", i);
    return other;
}
static int x = 1;
static int shadow(int x) {
    int r = x;
    {
        int x = r * 2;
        r += x;
        for (int x = 0; x < 3; x++) {
            static int x_;
            x_ += x;
            r += x_;
        }
    }
    return r + x;
}
static float running(float v) {
    static float sum, weight = 0.5f;
    static double precise = 1.0 / 3;
    static __int128 big = (__int128)1 << 80;
    sum = sum * weight + v;
    precise *= 1.5;
    big += 7;
    return sum + (float)precise + (float)(int)(big & 255);
}
int main(void) {
    for (int i = 0; i < 3; i++) printf("%d ", next());
    for (int i = 0; i < 10; i++) *slot(i) += i;
    printf("%d %d %d %d\n", *slot(0), *slot(1), *slot(2), *slot(3));
    for (long i = 0; i < 5; i++) printf("%ld ", remember(i * i));
    printf("\n%d %d %d\n", depth(3), depth(7), depth(2));
    unsigned long h = 0;
    for (int i = 0; i < 100; i++) h = h * 31 + random_();
    printf("%lx %s %s %s\n", h, name(1), name(2), name(33));
    printf("%d %d %d\n", shadow(5), shadow(x), x);
    for (int i = 0; i < 4; i++) printf("%.9g ", (double)running((float)i));
    putchar('\n');
    return 0;
}
