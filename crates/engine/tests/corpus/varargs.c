// Variadic functions: own ones, va_list passed on, to and from the C library, structs and wide values.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct small {
    int a, b;
};
struct mixed {
    double d;
    long l;
};
struct large {
    long v[5];
};

static double sum(const char *types, ...) {
    va_list ap;
    va_start(ap, types);
    double total = 0;
    for (; *types; types++) switch (*types) {
        case 'i': total += va_arg(ap, int); break;
        case 'l': total += (double)va_arg(ap, long); break;
        case 'd': total += va_arg(ap, double); break;
        case 's': total += (double)strlen(va_arg(ap, char *)); break;
        case 'p': {
            struct small s = va_arg(ap, struct small);
            total += s.a * 10 + s.b;
            break;
        }
        case 'm': {
            struct mixed m = va_arg(ap, struct mixed);
            total += m.d + (double)m.l;
            break;
        }
        case 'L': {
            struct large g = va_arg(ap, struct large);
            for (int i = 0; i < 5; i++) total += (double)g.v[i];
            break;
        }
        case 'w': total += (double)va_arg(ap, __int128); break;
        }
    va_end(ap);
    return total;
}

static int forward(char *out, size_t n, const char *format, ...) {
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int first = vsnprintf(out, n, format, ap);
    int second = vsnprintf(out, n, format, again);
    va_end(again);
    va_end(ap);
    return first * 1000 + second;
}

static long through(int n, va_list ap) {
    long r = 0;
    while (n--) r = r * 7 + va_arg(ap, int);
    return r;
}

static long deep(int n, ...) {
    va_list ap;
    va_start(ap, n);
    long r = through(n, ap);
    va_end(ap);
    return r;
}

int main(void) {
    struct small p = {3, 4};
    struct mixed m = {1.5, 20};
    struct large g = {{1, 2, 3, 4, 5}};
    printf("%g\n", sum("iidds", 1, 2, 3.5, 4.25, "hello"));
    printf("%g\n", sum("iiiiiiiiiidddddddddd", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, .5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5));
    printf("%g\n", sum("pmLwpi", p, m, g, (__int128)1 << 70, p, 9));
    printf("%g\n", sum("iLiwdm", 1, g, 2, (__int128)-5, 2.5, m));
    char text[200];
    int r = forward(text, sizeof text, "%d %s %g %c %ld %5.2f %x|%d %d %d", 42, "str", 2.5, 'x', 1L << 40, 3.14159, 255u, 1, 2, 3);
    printf("%d %s\n", r, text);
    printf("%ld %ld\n", deep(3, 1, 2, 3), deep(9, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    double (*f)(const char *, ...) = sum;
    printf("%g\n", f("id", 5, 0.5));
    int a, b;
    float c;
    printf("%d", sscanf("12 34 5.5", "%d %d %f", &a, &b, &c));
    printf(" %d %d %g\n", a, b, (double)c);
    return 0;
}
