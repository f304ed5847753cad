// Function pointers: tables, callbacks with context, functions that return functions, comparison, casts, methods.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int op(int, int);
static int add(int a, int b) { return a + b; }
static int sub(int a, int b) { return a - b; }
static int mul(int a, int b) { return a * b; }
static int quo(int a, int b) { return b ? a / b : 0; }
static op *const table[4] = {add, sub, mul, quo};
static op *choose(char c) { return table[c == '+' ? 0 : c == '-' ? 1 : c == '*' ? 2 : 3]; }
static op *(*chooser)(char) = choose;

struct shape;
struct methods {
    double (*area)(const struct shape *);
    void (*scale)(struct shape *, double);
    const char *name;
};
struct shape {
    const struct methods *m;
    double a, b;
};
static double rect_area(const struct shape *s) { return s->a * s->b; }
static double disc_area(const struct shape *s) { return 3 * s->a * s->a; }
static void rect_scale(struct shape *s, double k) { s->a *= k, s->b *= k; }
static void disc_scale(struct shape *s, double k) { s->a *= k; }
static const struct methods rect = {rect_area, rect_scale, "rect"}, disc = {disc_area, disc_scale, "disc"};

static int fold(const int *v, int n, int start, op *f) {
    while (n--) start = f(start, *v++);
    return start;
}
static void map(int *v, int n, int (*f)(int, void *), void *context) {
    for (int i = 0; i < n; i++) v[i] = f(v[i], context);
}
static int scaled(int x, void *k) { return x * *(int *)k; }
static int counted(int x, void *n) { return x + (*(int *)n)++; }
static int up(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static int down(const void *a, const void *b) { return up(b, a); }
static int (*order(int descending))(const void *, const void *) { return descending ? down : up; }
static float narrow(float x, char c, short s, _Bool b) { return x + c * s - b; }
static double many(double a, float b, int c, long d, char e, double f, float g, int h, long i, char j) { return a + (double)b + c + (double)d + e + f + (double)g + h + (double)i + j; }
static void nothing(void) { putchar('.'); }
static struct { int x; double y; } pair(int x) { return (__typeof__(pair(0))){x, x / 2.0}; }
int main(void) {
    int v[] = {5, 3, 9, 1, 7};
    for (const char *s = "+-*/"; *s; s++) printf("%d %d ", chooser(*s)(17, 5), fold(v, 5, 100, choose(*s)));
    printf("\n%d %d\n", choose('+') == add, choose('-') == add);
    struct shape shapes[] = {{&rect, 2, 3}, {&disc, 2, 0}, {&rect, 1, 1}};
    for (int i = 0; i < 6; i++) {
        struct shape *s = &shapes[i % 3];
        s->m->scale(s, 1.5);
        printf("%s %g ", s->m->name, s->m->area(s));
    }
    int k = 3, n = 0;
    map(v, 5, scaled, &k);
    map(v, 5, counted, &n);
    for (int d = 0; d < 2; d++) {
        qsort(v, 5, sizeof *v, order(d));
        printf("\n%d %d %d %d %d", v[0], v[1], v[2], v[3], v[4]);
    }
    float (*volatile pn)(float, char, short, _Bool) = narrow;
    double (*volatile pm)(double, float, int, long, char, double, float, int, long, char) = many;
    printf("\n%g %.10g\n", (double)pn(1.5f, 'a', -3, 1), pm(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    void (*list[3])(void) = {nothing, 0, nothing};
    for (int i = 0; i < 3; i++)
        if (list[i]) (*list[i])();
    int (*compare)(const char *, const char *) = strcmp;
    size_t (*length)(const char *) = strlen;
    printf("%d %zu %g\n", compare("a", "b") < 0, length("seven"), pair(5).y);
    void *raw = (void *)mul;
    printf("%d\n", ((op *)raw)(6, 7));
    return 0;
}
