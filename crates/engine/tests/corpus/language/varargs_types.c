// Variadic functions that read every type: more than the registers hold, structs in all classes, pointers, 128 bits.
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct one { char c; };
struct seven { char c[7]; };
struct twelve { float x, y, z; };
struct sixteen { double a; int64_t b; };
struct pair { double a, b; };
struct twenty_four { int64_t a, b, c; };
struct forty { int32_t v[10]; };
typedef float v4 __attribute__((vector_size(16)));

static uint64_t h;
static void in(const void *p, size_t n) {
    const uint8_t *b = p;
    while (n--) h = (h ^ *b++) * 1099511628211u;
}
#define TAKE(type)                 \
    {                              \
        type v = va_arg(ap, type); \
        in(&v, sizeof v);          \
        break;                     \
    }
static void eat(const char *kinds, ...) {
    va_list ap;
    h = 14695981039346656037u;
    va_start(ap, kinds);
    for (; *kinds; kinds++) switch (*kinds) {
        case 'i': TAKE(int)
        case 'l': TAKE(long)
        case 'd': TAKE(double)
        case 's': {
            const char *s = va_arg(ap, const char *);
            in(s, strlen(s));
            break;
        }
        case '1': TAKE(struct one)
        case '7': TAKE(struct seven)
        case 'f': TAKE(struct twelve)
        case 'S': TAKE(struct sixteen)
        case 'P': TAKE(struct pair)
        case 'T': TAKE(struct twenty_four)
        case 'F': TAKE(struct forty)
        case 'w': TAKE(__int128)
        case 'v': TAKE(v4)
        case 'c': {
            int (*f)(int) = va_arg(ap, int (*)(int));
            int r = f(20);
            in(&r, sizeof r);
            break;
        }
        }
    va_end(ap);
    printf("%016llx\n", (unsigned long long)h);
}
static int triple(int x) { return 3 * x; }
static double average(int n, ...) {
    va_list ap;
    double s = 0;
    va_start(ap, n);
    for (int i = 0; i < n; i++) s += i % 2 ? va_arg(ap, double) : va_arg(ap, int);
    va_end(ap);
    return s / n;
}
static long pass(int n, va_list *ap) {
    long s = 0;
    while (n--) s = s * 10 + va_arg(*ap, int);
    return s;
}
static void split(int n, ...) {
    va_list ap, copy;
    va_start(ap, n);
    va_copy(copy, ap);
    long a = pass(n / 2, &ap), b = pass(n - n / 2, &ap), c = pass(n, &copy);
    va_end(copy);
    va_end(ap);
    printf("%ld %ld %ld\n", a, b, c);
}
int main(void) {
    struct one o = {'o'};
    struct seven s = {"sevens"};
    struct twelve t = {1, 2, 3};
    struct sixteen x = {1.5, -6};
    struct pair p = {0.25, -0.75};
    struct twenty_four w = {1, 2, 3};
    struct forty f = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}};
    v4 v = {1, 2, 3, 4};
    __int128 wide = -7 * ((__int128)1 << 64) + 99;
    eat("");
    eat("idsl", 1, 2.5, "three", 4L);
    eat("iiiiiiiiii", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    eat("dddddddddddd", 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.);
    eat("1i7iSiPi", o, 1, s, 2, x, 3, p, 4);
    eat("TiFidwid", w, 1, f, 2, 0.5, wide, 3, 1e300);
    eat("SSSSSSS", x, x, x, x, x, x, x);
    eat("PPPPPP", p, p, p, p, p, p);
    eat("iiiiwiw", 1, 2, 3, 4, wide, 5, wide);
    eat("fff11vdv", t, t, t, o, o, v, 1.0, v);
    eat("csc", triple, "between", triple);
    printf("%.10g\n", average(9, 1, 2.5, 3, 4.5, 5, 6.5, 7, 8.5, 9));
    split(7, 1, 2, 3, 4, 5, 6, 7);
    split(9, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    void (*volatile pointer)(int, ...) = split;
    pointer(4, 4, 3, 2, 1);
    return 0;
}
