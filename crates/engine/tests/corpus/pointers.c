// Function pointers: tables, callbacks from the C library, comparison, members, recursion through a pointer.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*binary)(int, int);
static int add(int a, int b) { return a + b; }
static int sub(int a, int b) { return a - b; }
static int mul(int a, int b) { return a * b; }
static const binary table[] = {add, sub, mul};
static binary pick(int i) { return table[i % 3]; }

struct shape {
    const char *name;
    double (*area)(const struct shape *);
    double x, y;
};
static double square(const struct shape *s) { return s->x * s->x; }
static double box(const struct shape *s) { return s->x * s->y; }

static int by_value(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}
static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static double apply(double (*f)(double), double x) { return f(x); }
static double twice(double x) { return 2 * x; }
static float narrow(float a, signed char b, unsigned short c, _Bool d) { return a * b + c + d; }

static int down(int n, int (*self)(int, void *)) { return n ? n + self(n - 1, (void *)self) : 0; }
static int loop(int n, void *self) { return down(n, (int (*)(int, void *))self); }

static void at_end(void) { puts("at end"); }

int main(void) {
    for (int i = 0; i < 6; i++) printf("%d ", pick(i)(i, 3));
    printf("%d %d\n", pick(0) == add, pick(1) == add);
    struct shape shapes[] = {{"square", square, 2, 0}, {"box", box, 2, 3}};
    for (int i = 0; i < 2; i++) printf("%s %g\n", shapes[i].name, shapes[i].area(&shapes[i]));
    int v[50];
    unsigned x = 1;
    for (int i = 0; i < 50; i++) v[i] = (int)((x = x * 1103515245u + 12345u) >> 16) - 20000;
    qsort(v, 50, sizeof *v, by_value);
    for (int i = 0; i < 50; i += 7) printf("%d ", v[i]);
    int key = v[21];
    int *found = bsearch(&key, v, 50, sizeof *v, by_value);
    printf("%td\n", found - v);
    const char *words[] = {"pear", "apple", "fig", "kiwi", "banana"};
    qsort(words, 5, sizeof *words, by_text);
    for (int i = 0; i < 5; i++) printf("%s ", words[i]);
    printf("%g %d\n", apply(twice, 21), loop(10, (void *)loop));
    float (*volatile n)(float, signed char, unsigned short, _Bool) = narrow;
    printf("%g\n", (double)n(1.5f, -3, 60000, 1));
    int (*volatile out)(const char *) = puts;
    out("through a pointer");
    atexit(at_end);
    return 0;
}
