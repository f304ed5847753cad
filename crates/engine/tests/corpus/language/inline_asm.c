// Inline assembly: inputs, outputs, clobbers, flags, memory operands, goto-free; the rest of the program is interpreted.
#include <stdint.h>
#include <stdio.h>

static uint32_t rotate(uint32_t x, uint8_t n) {
    __asm__("roll %%cl, %0" : "+r"(x) : "c"(n) : "cc");
    return x;
}
static uint64_t multiply_high(uint64_t a, uint64_t b) {
    uint64_t high, low;
    __asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(a), "r"(b) : "cc");
    return high ^ low;
}
static int carry(uint32_t a, uint32_t b) {
    unsigned char c;
    __asm__("addl %2, %1\n\tsetc %0" : "=r"(c), "+r"(a) : "r"(b) : "cc");
    return c;
}
static void store(int *p, int x) { __asm__ volatile("movl %1, %0" : "=m"(*p) : "r"(x)); }
static double root(double x) {
    double r;
    __asm__("sqrtsd %1, %0" : "=x"(r) : "x"(x));
    return r;
}
static uint64_t swap(uint64_t x) {
    __asm__("bswapq %0" : "+r"(x));
    return x;
}
static int plain(int x) { return x * 7 % 13; }
int main(void) {
    uint32_t h = 1;
    for (int i = 0; i < 50; i++) {
        h = rotate(h ^ (uint32_t)i, (uint8_t)plain(i)) + 0x9E3779B9u;
        if (carry(h, 0x80000000u)) h ^= 0xFFFF;
    }
    printf("%08x %016llx %016llx\n", h, (unsigned long long)multiply_high(0x123456789ABCDEF0u, 0xFEDCBA9876543210u), (unsigned long long)swap(0x0102030405060708u));
    int v[4] = {0};
    for (int i = 0; i < 4; i++) store(&v[i], plain(i) * 100);
    __asm__ volatile("" ::: "memory");
    printf("%d %d %d %d %.12g\n", v[0], v[1], v[2], v[3], root(2));
    int a = 5, b;
    __asm__("leal 3(%1,%1,4), %0" : "=r"(b) : "r"(a));
    printf("%d %d %d\n", b, carry(1, 2), carry(0xFFFFFFFFu, 1));
    return 0;
}
