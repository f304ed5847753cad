// Calls in tail position: state machines by functions, musttail, continuations, through pointers with many arguments.
#include <stdint.h>
#include <stdio.h>

typedef int state(const char *s, int a, int b);
static state word, space, number, quote;
static int word(const char *s, int a, int b) {
    if (!*s) return a * 100 + b;
    if (*s == ' ') return space(s + 1, a, b);
    if (*s == '"') return quote(s + 1, a, b);
    return word(s + 1, a, b);
}
static int space(const char *s, int a, int b) {
    if (!*s) return a * 100 + b;
    if (*s == ' ') return space(s + 1, a, b);
    if (*s >= '0' && *s <= '9') return number(s, a, b);
    if (*s == '"') return quote(s + 1, a, b);
    return word(s + 1, a + 1, b);
}
static int number(const char *s, int a, int b) {
    if (*s >= '0' && *s <= '9') return number(s + 1, a, b + *s - '0');
    return space(s, a, b);
}
static int quote(const char *s, int a, int b) {
    if (!*s) return -1;
    return *s == '"' ? space(s + 1, a, b) : quote(s + 1, a, b + 10);
}
static uint64_t must(uint64_t n, uint64_t x) {
    if (!n) return x;
    __attribute__((musttail)) return must(n - 1, x * 6364136223846793005u + n);
}
static long other(long n, long a, double d);
static long one(long n, long a, double d) {
    if (n <= 0) return a + (long)d;
    __attribute__((musttail)) return other(n - 1, a + n, d * 0.5);
}
static long other(long n, long a, double d) {
    if (n <= 0) return a - (long)d;
    __attribute__((musttail)) return one(n - 2, a ^ n, d + 3);
}
struct k {
    long (*f)(struct k *, long);
    struct k *next;
    long extra;
};
static long add(struct k *k, long x) { return k->next->f(k->next, x + k->extra); }
static long mul(struct k *k, long x) { return k->next->f(k->next, x * k->extra % 10007); }
static long end(struct k *k, long x) { return x - k->extra; }
typedef struct machine machine;
typedef void op(machine *, const uint8_t *);
struct machine {
    long stack[8];
    int top, steps;
};
static op push, plus, times, stop;
static op *const ops[] = {stop, push, plus, times};
static void push(machine *m, const uint8_t *p) {
    m->stack[m->top++] = p[0];
    m->steps++;
    __attribute__((musttail)) return ops[p[1]](m, p + 2);
}
static void plus(machine *m, const uint8_t *p) {
    m->top--;
    m->stack[m->top - 1] += m->stack[m->top];
    __attribute__((musttail)) return ops[*p](m, p + 1);
}
static void times(machine *m, const uint8_t *p) {
    m->top--;
    m->stack[m->top - 1] *= m->stack[m->top];
    __attribute__((musttail)) return ops[*p](m, p + 1);
}
static void stop(machine *m, const uint8_t *p) { m->steps += *p; }
int main(void) {
    printf("%d %d %d\n", space("some words 42 and \"quoted text\" 7", 0, 0), word("", 3, 4), space("\"open", 0, 0));
    printf("%016llx %ld %ld\n", (unsigned long long)must(5000, 1), one(3000, 5, 2.5), other(2999, 7, 1e6));
    struct k last = {end, 0, 5}, b = {mul, &last, 13}, a = {add, &b, 100}, loop[20];
    for (int i = 0; i < 20; i++) loop[i] = (struct k){i & 1 ? add : mul, i < 19 ? &loop[i + 1] : &a, i + 2};
    printf("%ld %ld\n", a.f(&a, 1), loop->f(loop, 3));
    static const uint8_t code[] = {1, 5, 1, 7, 3, 1, 9, 2, 1, 2, 3, 0, 100};
    machine m = {{0}, 0, 0};
    ops[code[0]](&m, code + 1);
    printf("%ld %d %d\n", m.stack[0], m.top, m.steps);
    return 0;
}
