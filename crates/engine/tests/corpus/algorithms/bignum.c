// Big numbers in 32-bit limbs: factorials, Fibonacci, powers, division by a limb, decimal output.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LIMBS 64
typedef struct {
    int n;
    uint32_t v[LIMBS];
} big;
static big from(uint64_t x) {
    big r = {0, {0}};
    for (; x; x >>= 32) r.v[r.n++] = (uint32_t)x;
    return r;
}
static big plus(big a, const big *b) {
    uint64_t carry = 0;
    int n = a.n > b->n ? a.n : b->n;
    for (int i = 0; i < n || carry; i++) {
        carry += (uint64_t)(i < a.n ? a.v[i] : 0) + (i < b->n ? b->v[i] : 0);
        a.v[i] = (uint32_t)carry;
        carry >>= 32;
        if (i >= a.n) a.n = i + 1;
    }
    return a;
}
static big times(const big *a, const big *b) {
    big r = {a->n + b->n, {0}};
    for (int i = 0; i < a->n; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < b->n; j++) {
            carry += (uint64_t)a->v[i] * b->v[j] + r.v[i + j];
            r.v[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        r.v[i + b->n] = (uint32_t)carry;
    }
    while (r.n && !r.v[r.n - 1]) r.n--;
    return r;
}
static uint32_t divide(big *a, uint32_t d) {
    uint64_t rest = 0;
    for (int i = a->n; i-- > 0;) {
        rest = rest << 32 | a->v[i];
        a->v[i] = (uint32_t)(rest / d);
        rest %= d;
    }
    while (a->n && !a->v[a->n - 1]) a->n--;
    return (uint32_t)rest;
}
static void show(const char *name, big a) {
    uint32_t parts[80];
    int n = 0;
    do parts[n++] = divide(&a, 1000000000);
    while (a.n);
    printf("%s = %u", name, parts[--n]);
    while (n) printf("%09u", parts[--n]);
    putchar('\n');
}
int main(void) {
    big f = from(1);
    for (uint32_t i = 2; i <= 100; i++) {
        big m = from(i);
        f = times(&f, &m);
        if (i % 25 == 0) show("factorial", f);
    }
    big a = from(0), b = from(1);
    for (int i = 0; i < 600; i++) {
        big t = plus(a, &b);
        a = b;
        b = t;
    }
    show("fib 600", a);
    big p = from(1), q = from(7);
    for (unsigned e = 233; e; e >>= 1) {
        if (e & 1) p = times(&p, &q);
        q = times(&q, &q);
    }
    show("7^233", p);
    printf("%u %u\n", divide(&f, 997), divide(&p, 65537));
    return 0;
}
