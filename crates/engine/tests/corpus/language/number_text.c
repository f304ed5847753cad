// Numbers to text and back: strtol, strtod, atoi, sscanf, own conversions in all bases, errors and ends.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void to_long(const char *s, int base) {
    char *end;
    errno = 0;
    long v = strtol(s, &end, base);
    printf("%ld %d%s ", v, (int)(end - s), errno ? "!" : "");
    errno = 0;
    unsigned long long u = strtoull(s, &end, base);
    printf("%llu %d%s\n", u, (int)(end - s), errno ? "!" : "");
}
static void to_double(const char *s) {
    char *end;
    errno = 0;
    double d = strtod(s, &end);
    printf("%.17g %d%s ", d, (int)(end - s), errno ? "!" : "");
    float f = strtof(s, 0);
    printf("%.9g\n", (double)f);
}
static char *format(long long v, unsigned base, char *out) {
    char *p = out, *q;
    unsigned long long u = v < 0 ? -(unsigned long long)v : (unsigned long long)v;
    do *p++ = "0123456789abcdefghijklmnopqrstuvwxyz"[u % base];
    while (u /= base);
    if (v < 0) *p++ = '-';
    *p = 0;
    for (q = out, p--; q < p; q++, p--) {
        char t = *p;
        *p = *q;
        *q = t;
    }
    return out;
}
static double parse(const char *s) {
    double v = 0, scale = 1;
    int negative = *s == '-';
    for (s += negative; *s >= '0' && *s <= '9'; s++) v = v * 10 + (*s - '0');
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9'; s++) v += (*s - '0') * (scale /= 10);
    return negative ? -v : v;
}
static void roman(int n) {
    static const struct { int v; const char *s; } t[] = {{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}};
    for (int i = 0; i < 13; i++)
        while (n >= t[i].v) fputs(t[i].s, stdout), n -= t[i].v;
    putchar(' ');
}
int main(void) {
    static const struct { const char *s; int base; } longs[] = {{"42", 10}, {"  -17x", 10}, {"0x1fz", 0}, {"0755", 0}, {"zz", 36}, {"101102", 2}, {"9223372036854775808", 10}, {"-9223372036854775809", 10}, {"", 10}, {"+ 5", 10}};
    for (int i = 0; i < 10; i++) to_long(longs[i].s, longs[i].base);
    static const char *const doubles[] = {"3.14159", "-1e-5xyz", "1e400", "1e-400", ".5.", "0x1.8p3", "inf", "123456789012345678901234567890", "4.9406564584124654e-324", "e5"};
    for (int i = 0; i < 10; i++) to_double(doubles[i]);
    char b[80];
    static const long long values[] = {0, 7, -255, 1000000007, INT64_MAX, INT64_MIN};
    for (int i = 0; i < 6; i++) printf("%s %s %s %s\n", format(values[i], 2 + (unsigned)i, b), format(values[i], 10, b + 70 - 66), "", format(values[i], 36, b));
    printf("%.10g %.10g %d %ld %g\n", parse("-12.375"), parse("1000000.5"), atoi(" 99 bottles"), atol("-123456789012"), atof("2.5e3"));
    int i, n;
    unsigned x;
    char word[20], c;
    double d;
    float f;
    n = sscanf("12 abc 0x7f 2.5 3.25e2 q", "%d %19s %x %lf %f %c", &i, word, &x, &d, &f, &c);
    printf("%d: %d %s %x %g %g %c\n", n, i, word, x, d, (double)f, c);
    n = sscanf("key=value;rest", "%[^=]=%[a-z]%n", word, b, &i);
    printf("%d: %s %s %d\n", n, word, b, i);
    n = sscanf("10-20", "%2d-%hhd", &i, (signed char *)word);
    printf("%d: %d %d\n", n, i, word[0]);
    for (int k = 1; k < 4000; k = k * 3 + 1) roman(k);
    putchar('\n');
    return 0;
}
