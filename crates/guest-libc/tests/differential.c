//! The guest's C library beside this system's: equal results for random inputs.
//!
//! The library's names begin with `guest_` here, so that one process holds both. Each group prints `test NAME ... ok`, or
//! what differed first. Mathematics prints the largest distance in units in the last place; one is allowed.
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define G(name) guest_##name

// What the library asks of the guest interface.
void G(bf_console_write)(const char *text, size_t n) { fwrite(text, 1, n, stdout); }
ptrdiff_t G(bf_console_read)(char *to, size_t n) { return (void)to, (void)n, -1; }
void *G(bf_alloc)(size_t n, size_t align) { return aligned_alloc(align, (n + align - 1) / align * align); }
void G(bf_free)(void *p, size_t n, size_t align) { (void)n, (void)align, free(p); }
int64_t G(bf_file_open_with)(const char *p, size_t n, uint32_t f) { return (void)p, (void)n, (void)f, -2; }
int64_t G(bf_file_size)(int64_t f) { return (void)f, -9; }
int64_t G(bf_file_read)(int64_t f, uint64_t o, void *b, size_t n) { return (void)f, (void)o, (void)b, (void)n, -9; }
int64_t G(bf_file_write)(int64_t f, uint64_t o, const void *b, size_t n) { return (void)f, (void)o, (void)b, (void)n, -9; }
int64_t G(bf_file_close)(int64_t f) { return (void)f, -9; }
int64_t G(bf_file_remove)(const char *p, size_t n) { return (void)p, (void)n, -2; }
int64_t G(bf_file_rename)(const char *p, size_t n, const char *q, size_t m) { return (void)p, (void)n, (void)q, (void)m, -2; }
uint64_t G(bf_time_ns)(void) { return 0; }
uint64_t G(bf_unix_time_ns)(void) { return 0; }
void G(bf_sleep_ns)(uint64_t n) { (void)n; }
_Noreturn void G(bf_exit)(int code) { exit(code); }
_Noreturn void G(rust_eh_personality)(void) { abort(); }
int G(main)(void) { return 0; }
// What code generation asks of the runtime.
unsigned __int128 G(__umodti3)(unsigned __int128 a, unsigned __int128 b) { return a % b; }

int *G(__errno_location)(void);

static uint64_t state = 0x9e3779b97f4a7c15;
static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}
static unsigned below(unsigned n) { return (unsigned)(next() >> 33) % n; }

static int failed, group_failed;
static const char *group;

static void begin(const char *name) {
    group = name;
    group_failed = 0;
}
static void end(void) {
    if (!group_failed)
        printf("test %s ... ok\n", group);
}
#define FAIL(...)                                                                                                                          \
    do {                                                                                                                                   \
        if (!group_failed++) {                                                                                                             \
            printf("test %s ... FAILED\n  ", group);                                                                                       \
            printf(__VA_ARGS__);                                                                                                           \
            printf("\n");                                                                                                                  \
        }                                                                                                                                  \
        failed = 1;                                                                                                                        \
    } while (0)

// --- memory and strings

static char buffer_a[700], buffer_b[700], buffer_c[700];

/// Text of few letters, so that matches happen; at any alignment.
static char *text_in(char *buffer, unsigned longest) {
    char *at = buffer + below(64);
    unsigned n = below(longest + 1);
    for (unsigned i = 0; i < n; i++)
        at[i] = below(20) ? "abcABC"[below(6)] : (char)(1 + below(255));
    at[n] = 0;
    return at;
}
static int sign(int x) { return (x > 0) - (x < 0); }

#define DECLARE(result, name, ...) result G(name)(__VA_ARGS__)
DECLARE(int, memcmp, const void *, const void *, size_t);
DECLARE(int, bcmp, const void *, const void *, size_t);
DECLARE(void *, memcpy, void *, const void *, size_t);
DECLARE(void *, memmove, void *, const void *, size_t);
DECLARE(void *, memset, void *, int, size_t);
DECLARE(void *, mempcpy, void *, const void *, size_t);
DECLARE(void *, memccpy, void *, const void *, int, size_t);
DECLARE(void *, memchr, const void *, int, size_t);
DECLARE(void *, memrchr, const void *, int, size_t);
DECLARE(void *, memmem, const void *, size_t, const void *, size_t);
DECLARE(size_t, strlen, const char *);
DECLARE(size_t, strnlen, const char *, size_t);
DECLARE(int, strcmp, const char *, const char *);
DECLARE(int, strncmp, const char *, const char *, size_t);
DECLARE(int, strcasecmp, const char *, const char *);
DECLARE(int, strncasecmp, const char *, const char *, size_t);
DECLARE(int, strcoll, const char *, const char *);
DECLARE(char *, strchr, const char *, int);
DECLARE(char *, strrchr, const char *, int);
DECLARE(char *, strchrnul, const char *, int);
DECLARE(char *, strstr, const char *, const char *);
DECLARE(char *, strcasestr, const char *, const char *);
DECLARE(char *, strpbrk, const char *, const char *);
DECLARE(size_t, strspn, const char *, const char *);
DECLARE(size_t, strcspn, const char *, const char *);
DECLARE(char *, strcpy, char *, const char *);
DECLARE(char *, stpcpy, char *, const char *);
DECLARE(char *, strncpy, char *, const char *, size_t);
DECLARE(char *, stpncpy, char *, const char *, size_t);
DECLARE(char *, strcat, char *, const char *);
DECLARE(char *, strncat, char *, const char *, size_t);
DECLARE(char *, strtok_r, char *, const char *, char **);
DECLARE(char *, strsep, char **, const char *);
DECLARE(size_t, strxfrm, char *, const char *, size_t);

static void memory(void) {
    begin("memory");
    static unsigned char one[4200], two[4200];
    for (int round = 0; round < 60000 && !group_failed; round++) {
        unsigned span = round % 50 ? 600 : 4000;
        for (unsigned i = 0; i < sizeof one; i++)
            one[i] = two[i] = (unsigned char)next();
        size_t n = below(span), to = below(sizeof one - span), from = below(sizeof one - span);
        int c = (int)next();
        switch (round % 4) {
        case 0:
            if (to + n > from && from + n > to)
                continue;
            memcpy(one + to, one + from, n);
            if (G(memcpy)(two + to, two + from, n) != two + to)
                FAIL("memcpy gives another pointer");
            break;
        case 1:
            memmove(one + to, one + from, n);
            G(memmove)(two + to, two + from, n);
            break;
        case 2:
            memset(one + to, c, n);
            G(memset)(two + to, c, n);
            break;
        default:
            if (to + n > from && from + n > to)
                continue;
            size_t a = (size_t)((unsigned char *)mempcpy(one + to, one + from, n) - one);
            size_t b = (size_t)((unsigned char *)G(mempcpy)(two + to, two + from, n) - two);
            void *x = memccpy(one + to, one + from, c, n), *y = G(memccpy)(two + to, two + from, c & 255, n);
            if (a != b || !x != !y || (x && (unsigned char *)x - one != (unsigned char *)y - two))
                FAIL("mempcpy or memccpy of %zu bytes", n);
        }
        if (memcmp(one, two, sizeof one))
            FAIL("operation %d of %zu bytes from %zu to %zu", round % 4, n, from, to);
    }
    end();
}

static void strings(void) {
    begin("strings");
    for (int round = 0; round < 300000 && !group_failed; round++) {
        unsigned longest = round % 8 ? 40 : 500;
        char *a = text_in(buffer_a, longest), *b = text_in(buffer_b, round % 3 ? longest : 3);
        if (below(3) == 0)
            strcpy(b, a), b[below((unsigned)strlen(b) + 1)] ^= (char)below(2);
        size_t n = below(longest), la = strlen(a), lb = strlen(b), both = la < lb ? la : lb;
        int c = below(4) ? "abcABC"[below(6)] : 1 + (int)below(127);
#define SAME(call_a, call_b)                                                                                                               \
    if ((call_a) != (call_b))                                                                                                              \
    FAIL("%s: \"%s\", \"%s\", %zu, %d", #call_a, a, b, n, c)
#define SIGN(name, ...)                                                                                                                    \
    if (sign(name(__VA_ARGS__)) != sign(G(name)(__VA_ARGS__)))                                                                             \
    FAIL("%s: \"%s\", \"%s\", %zu", #name, a, b, n)
        SIGN(memcmp, a, b, both);
        SIGN(strcmp, a, b);
        SIGN(strncmp, a, b, n);
        SIGN(strcoll, a, b);
        if (!bcmp(a, b, both) != !G(bcmp)(a, b, both))
            FAIL("bcmp");
        // Case is folded in the C locale by both; bytes above 127 stay.
        SIGN(strcasecmp, a, b);
        SIGN(strncasecmp, a, b, n);
        SAME(strlen(a), G(strlen)(a));
        SAME(strnlen(a, n), G(strnlen)(a, n));
        SAME(memchr(a, c, la), G(memchr)(a, c, la));
        SAME(memrchr(a, c, la), G(memrchr)(a, c, la));
        SAME(memmem(a, la, b, lb), G(memmem)(a, la, b, lb));
        SAME(strchr(a, c), G(strchr)(a, c));
        SAME(strrchr(a, c), G(strrchr)(a, c));
        SAME(strchrnul(a, c), G(strchrnul)(a, c));
        SAME(strstr(a, b), G(strstr)(a, b));
        SAME(strcasestr(a, b), G(strcasestr)(a, b));
        SAME(strpbrk(a, b), G(strpbrk)(a, b));
        SAME(strspn(a, b), G(strspn)(a, b));
        SAME(strcspn(a, b), G(strcspn)(a, b));
#define WRITES(name, prepare, ...)                                                                                                         \
    {                                                                                                                                      \
        char x[1300], y[1300], *to = x;                                                                                                    \
        memset(x, 'x', sizeof x), memset(y, 'x', sizeof y);                                                                                \
        prepare;                                                                                                                           \
        ptrdiff_t r = (char *)name(__VA_ARGS__) - x;                                                                                       \
        to = y;                                                                                                                            \
        prepare;                                                                                                                           \
        ptrdiff_t s = (char *)G(name)(__VA_ARGS__) - y;                                                                                    \
        if (r != s || memcmp(x, y, sizeof x))                                                                                              \
            FAIL("%s: \"%s\", \"%s\", %zu", #name, a, b, n);                                                                               \
    }
        WRITES(strcpy, , to, a)
        WRITES(stpcpy, , to, a)
        WRITES(strncpy, , to, a, n)
        WRITES(stpncpy, , to, a, n)
        WRITES(strcat, strcpy(to, b), to, a)
        WRITES(strncat, strcpy(to, b), to, a, n)
        if (strxfrm(buffer_c, a, sizeof buffer_c) != G(strxfrm)(buffer_c, a, sizeof buffer_c) || strcmp(buffer_c, a))
            FAIL("strxfrm");
        char x[600], y[600], *in_x = x, *in_y = y, *rest_x, *rest_y;
        strcpy(x, a), strcpy(y, a);
        for (int i = 0;; i++) {
            char *p = round % 2 ? strtok_r(i ? 0 : x, "ab", &rest_x) : strsep(&in_x, "ab");
            char *q = round % 2 ? G(strtok_r)(i ? 0 : y, "ab", &rest_y) : G(strsep)(&in_y, "ab");
            if (!p != !q || (p && (p - x != q - y || strcmp(p, q)))) {
                FAIL("strtok_r or strsep: \"%s\"", a);
                break;
            }
            if (!p)
                break;
        }
    }
    end();
}

#define CLASSES(X)                                                                                                                         \
    X(isalnum) X(isalpha) X(isblank) X(iscntrl) X(isdigit) X(isgraph) X(islower) X(isprint) X(ispunct) X(isspace) X(isupper) X(isxdigit)
#define X(name) int G(name)(int);
CLASSES(X)
#undef X
int G(tolower)(int), G(toupper)(int);
static void classes(void) {
    begin("ctype");
    for (int c = -1; c < 256; c++) {
#define X(name)                                                                                                                            \
    if (!name(c) != !G(name)(c))                                                                                                           \
        FAIL("%s(%d)", #name, c);
        CLASSES(X)
        if (tolower(c) != G(tolower)(c) || toupper(c) != G(toupper)(c))
            FAIL("tolower or toupper of %d", c);
    }
    end();
}

// --- numbers from text

DECLARE(long, strtol, const char *, char **, int);
DECLARE(unsigned long, strtoul, const char *, char **, int);
DECLARE(double, strtod, const char *, char **);
DECLARE(float, strtof, const char *, char **);
DECLARE(long double, strtold, const char *, char **);
DECLARE(int, atoi, const char *);

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return bits;
}
static double of_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, 8);
    return x;
}
static int same(double x, double y) { return (x != x && y != y) || bits_of(x) == bits_of(y); }

static void integers(void) {
    begin("strtol");
    for (int round = 0; round < 400000 && !group_failed; round++) {
        char text[80];
        int base = below(3) ? 10 : (int)below(37);
        if (base == 1)
            base = 0;
        unsigned n = 0;
        while (below(4) == 0 && n < 3)
            text[n++] = " \t\n"[below(3)];
        if (below(3) == 0)
            text[n++] = "+-"[below(2)];
        if (below(4) == 0)
            text[n++] = '0', text[n++] = "xX07"[below(4)];
        for (unsigned i = below(24); i; i--)
            text[n++] = "0123456789abcdefXYZ9 "[below(below(3) ? 10 : 21)];
        text[n] = 0;
        char *x, *y;
        errno = *G(__errno_location)() = 0;
        long a = strtol(text, &x, base), b = G(strtol)(text, &y, base);
        if (a != b || x != y || (errno == ERANGE) != (*G(__errno_location)() == ERANGE))
            FAIL("strtol(\"%s\", %d): %ld and %ld, %td and %td characters", text, base, a, b, x - text, y - text);
        unsigned long c = strtoul(text, &x, base), d = G(strtoul)(text, &y, base);
        if (c != d || x != y)
            FAIL("strtoul(\"%s\", %d): %lu and %lu", text, base, c, d);
    }
    end();
}

static void number_text(char *text, size_t size) {
    double x = of_bits(next());
    switch (below(8)) {
    case 0: snprintf(text, size, "%.17g", x); return;
    case 1: snprintf(text, size, "%a", x); return;
    case 2: snprintf(text, size, "%.*e", (int)below(40), x); return;
    case 3: snprintf(text, size, "%.*f", (int)below(30), (double)(int64_t)next() / 65536.0); return;
    case 4: snprintf(text, size, "%s", (const char *[]){"inf", "-Infinity", "nan", "NAN(12)", "infx", ".", "e5", "0x", "0x.p1", "1e", "1e+", "+.5", "-0"}[below(13)]); return;
    case 5: snprintf(text, size, "%llue%d", (unsigned long long)next(), (int)below(700) - 350); return;
    // Half way between two doubles, or next to it: what wrong rounding shows in.
    case 6: {
        double y = of_bits((next() & 0x000fffffffffffff) | ((uint64_t)(900 + below(200)) << 52));
        snprintf(text, size, "%.*Lf", (int)below(200), ((long double)y + (long double)nextafter(y, INFINITY)) / 2);
        return;
    }
    default: {
        unsigned n = 0;
        for (unsigned i = below(30); i; i--)
            text[n++] = "0123456789.eE+-x"[below(16)];
        text[n] = 0;
    }
    }
}

static void floats(void) {
    begin("strtod");
    for (int round = 0; round < 300000 && !group_failed; round++) {
        char text[1200], *x, *y;
        number_text(text, sizeof text);
        errno = *G(__errno_location)() = 0;
        double a = strtod(text, &x), b = G(strtod)(text, &y);
        if (!same(a, b) || x != y)
            FAIL("strtod(\"%s\"): %a and %a, %td and %td characters", text, a, b, x - text, y - text);
        float c = strtof(text, &x), d = G(strtof)(text, &y);
        if (!same(c, d) || x != y)
            FAIL("strtof(\"%s\"): %a and %a", text, c, d);
        long double e = strtold(text, &x), f = G(strtold)(text, &y);
        if ((e != f && !(e != e && f != f)) || x != y)
            FAIL("strtold(\"%s\"): %La and %La", text, e, f);
    }
    end();
}

// --- sorting

DECLARE(void, qsort, void *, size_t, size_t, int (*)(const void *, const void *));
DECLARE(void *, bsearch, const void *, const void *, size_t, size_t, int (*)(const void *, const void *));
static int by_value(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}
static void sorting(void) {
    begin("qsort");
    for (int round = 0; round < 20000 && !group_failed; round++) {
        int x[300], y[300], n = (int)below(round % 10 ? 40 : 300), range = 1 + (int)below(200);
        for (int i = 0; i < n; i++)
            x[i] = y[i] = (int)below((unsigned)range);
        qsort(x, (size_t)n, sizeof *x, by_value);
        G(qsort)(y, (size_t)n, sizeof *y, by_value);
        if (memcmp(x, y, (size_t)n * sizeof *x))
            FAIL("qsort of %d numbers below %d", n, range);
        int key = (int)below((unsigned)range);
        int *p = bsearch(&key, x, (size_t)n, sizeof *x, by_value), *q = G(bsearch)(&key, y, (size_t)n, sizeof *y, by_value);
        if (!p != !q || (q && *q != key))
            FAIL("bsearch of %d in %d numbers", key, n);
    }
    end();
}

// --- formatted text

DECLARE(int, snprintf, char *, size_t, const char *, ...);
DECLARE(int, sscanf, const char *, const char *, ...);

#pragma clang diagnostic ignored "-Wformat-nonliteral"
#pragma clang diagnostic ignored "-Wformat-security"
static char expected[20000], got[20000];

#define BOTH(...)                                                                                                                          \
    {                                                                                                                                      \
        int r = snprintf(expected, size, __VA_ARGS__), s = G(snprintf)(got, size, __VA_ARGS__);                                            \
        if (r != s || (size && strcmp(expected, got)))                                                                                     \
            FAIL("\"%s\" in %zu bytes: \"%.200s\" (%d) and \"%.200s\" (%d)", format, size, expected, r, got, s);                           \
    }

static void formats(void) {
    begin("snprintf");
    for (int round = 0; round < 400000 && !group_failed; round++) {
        char format[64];
        size_t n = 0, size = below(5) ? sizeof got : below(30);
        format[n++] = '<';
        format[n++] = '%';
        for (unsigned i = below(4); i; i--)
            format[n++] = "-+ #0"[below(5)];
        format[n] = 0;
        int width = below(2) ? (int)below(30) : -1, precision = below(2) ? (int)below(25) : -1;
        if (width >= 0)
            n += (size_t)sprintf(format + n, "%d", width ? width : 1);
        if (precision >= 0)
            n += (size_t)sprintf(format + n, ".%d", precision);
        uint64_t bits = next() >> below(64);
        char kind = "diuoxXcsfFeEgGaA%"[below(17)];
        // LLVM-libc 19 forgets digits of %#g.
        if ((kind == 'g' || kind == 'G') && strchr(format, '#'))
            continue;
        switch (kind) {
        case 'd': case 'i': case 'u': case 'o': case 'x': case 'X': {
            static const char *const lengths[] = {"", "hh", "h", "l", "ll", "z", "j", "t"};
            unsigned length = below(8);
            sprintf(format + n, "%s%c>", lengths[length], kind);
            // What does not fit its type LLVM-libc 19 prints as if it had no sign.
            if (length == 1)
                BOTH(format, strchr("di", kind) ? (signed char)bits : (unsigned char)bits)
            else if (length == 2)
                BOTH(format, strchr("di", kind) ? (short)bits : (unsigned short)bits)
            else if (length == 0)
                BOTH(format, (int)bits)
            else
                BOTH(format, (long)bits)
            break;
        }
        case 'c':
            sprintf(format + n, "c>");
            int c = 1 + (int)below(255);
            BOTH(format, c)
            break;
        case 's':
            sprintf(format + n, "s>");
            const char *text = text_in(buffer_a, 40);
            BOTH(format, text)
            break;
        case '%':
            sprintf(format, "100%%%%>");
            BOTH(format, 0)
            break;
        default: {
            double x = below(3) ? of_bits(next()) : below(2) ? (double)(int64_t)bits / 1000 : (double)below(100000) / (1 << below(20));
            if (below(30) == 0)
                x = (double[]){0.0, -0.0, INFINITY, -INFINITY, NAN, 0.5, 1.5, 9.5, 99.95}[below(9)];
            sprintf(format + n, "%c>", kind);
            BOTH(format, x)
        }
        }
    }
    end();
    begin("snprintf-many");
    for (int round = 0; round < 50000 && !group_failed; round++) {
        size_t size = sizeof got;
        const char *format = "%s|%5d|%-8.3f|%*x|%.*s|%lu%%";
        const char *a = text_in(buffer_a, 20), *b = text_in(buffer_b, 20);
        int number = (int)next(), width = (int)below(20), precision = (int)below(9);
        double x = (double)(int)next() / 256;
        unsigned long y = next();
        BOTH(format, a, number, x, width, (unsigned)y, precision, b, y)
    }
    end();
    begin("sscanf");
    for (int round = 0; round < 100000 && !group_failed; round++) {
        char text[400], word_a[400] = "", word_b[400] = "";
        int a = 0, b = 0, used_a = -1, used_b = -1;
        unsigned x = 0, y = 0;
        double f = 0, g = 0;
        sprintf(text, "%d %x %.*g %s end", (int)next(), (unsigned)next(), (int)below(17) + 1, (double)(int64_t)next() / 1e6, text_in(buffer_a, 30));
        text[below((unsigned)strlen(text) + 1)] = 0;
        // LLVM-libc 19 answers 0 where the text ends before the first field, not EOF.
        // And glibc takes a number whose exponent has no digits.
        if (!*text || strchr("e+-.", text[strlen(text) - 1]))
            continue;
        int r = sscanf(text, "%d %x %lf %300[a-zA-Z]%n", &a, &x, &f, word_a, &used_a);
        int s = G(sscanf)(text, "%d %x %lf %300[a-zA-Z]%n", &b, &y, &g, word_b, &used_b);
        if (r != s || a != b || x != y || !same(f, g) || strcmp(word_a, word_b) || used_a != used_b)
            FAIL("sscanf of \"%s\": %d and %d fields; %d %x %a %s and %d %x %a %s", text, r, s, a, x, f, word_a, b, y, g, word_b);
    }
    end();
}

// --- time

DECLARE(struct tm *, gmtime_r, const time_t *, struct tm *);
DECLARE(time_t, mktime, struct tm *);
DECLARE(size_t, strftime, char *, size_t, const char *, const struct tm *);
DECLARE(char *, asctime_r, const struct tm *, char *);
static void dates(void) {
    begin("time");
    for (int round = 0; round < 50000 && !group_failed; round++) {
        time_t t = (time_t)(next() % 8000000000) - 2000000000;
        struct tm a, b;
        memset(&b, 0, sizeof b);
        gmtime_r(&t, &a);
        G(gmtime_r)(&t, &b);
        if (a.tm_sec != b.tm_sec || a.tm_min != b.tm_min || a.tm_hour != b.tm_hour || a.tm_mday != b.tm_mday || a.tm_mon != b.tm_mon ||
            a.tm_year != b.tm_year || a.tm_wday != b.tm_wday || a.tm_yday != b.tm_yday)
            FAIL("gmtime of %ld", (long)t);
        const char *format = "%a %A %b %B %c %C %d %D %e %F %g %G %h %H %I %j %m %M %n %p %r %R %S %t %T %u %U %V %w %W %x %X %y %Y %%";
        size_t x = strftime(expected, 400, format, &a), y = G(strftime)(got, 400, format, &a);
        if (x != y || strcmp(expected, got))
            FAIL("strftime: %s and %s", expected, got);
        if (strcmp(asctime_r(&a, expected), G(asctime_r)(&a, got)))
            FAIL("asctime: %s and %s", expected, got);
        struct tm c = a;
        if (t >= 0 && timegm(&a) != G(mktime)(&c))
            FAIL("mktime of %ld", (long)t);
    }
    end();
}

// --- mathematics

static int64_t order(double x) {
    int64_t bits = (int64_t)bits_of(x);
    return bits < 0 ? INT64_MIN - bits : bits;
}
static int32_t order_f(float x) {
    int32_t bits;
    memcpy(&bits, &x, 4);
    return bits < 0 ? INT32_MIN - bits : bits;
}
static double distance(double x, double y) {
    if (x != x || y != y)
        return x != x && y != y ? 0 : INFINITY;
    if (isinf(x) || isinf(y))
        return x == y ? 0 : fabs((double)order(x) - (double)order(y));
    return fabs((double)(order(x) - order(y)));
}
static double distance_f(float x, float y) {
    if (x != x || y != y)
        return x != x && y != y ? 0 : INFINITY;
    return fabs((double)order_f(x) - (double)order_f(y));
}

/// Numbers of all magnitudes, numbers of daily life, and those where functions are special.
static double sample(void) {
    static const double special[] = {0.0, -0.0, 1, -1, 0.5, -0.5, 2, INFINITY, -INFINITY, NAN, 1e-300, 1e300, 5e-324, 0x1p-1022, M_PI, M_PI_2};
    switch (below(8)) {
    case 0: return of_bits(next());
    case 1: return special[below(16)];
    case 2: return (double)(int64_t)next() / 0x1p60;
    case 3: return (double)(int64_t)next() / 0x1p55;
    case 4: return (double)(int)below(2000) - 1000;
    case 5: return 1 + (double)(int64_t)next() / 0x1p75;
    default: return (double)(int64_t)next() / 0x1p63;
    }
}

#define ONE(X)                                                                                                                             \
    X(acos) X(asin) X(atan) X(cos) X(sin) X(tan) X(acosh) X(asinh) X(atanh) X(cosh) X(sinh) X(tanh) X(exp) X(exp2) X(exp10) X(expm1)       \
    X(log) X(log10) X(log1p) X(log2) X(logb) X(cbrt) X(fabs) X(sqrt) X(erf) X(erfc) X(lgamma) X(tgamma) X(ceil) X(floor) X(nearbyint)      \
    X(rint) X(round) X(roundeven) X(trunc)
#define TWO(X) X(atan2) X(pow) X(hypot) X(fmod) X(remainder) X(copysign) X(fdim) X(fmax) X(fmin)
#define X(name) double G(name)(double); float G(name##f)(float);
ONE(X)
#undef X
#define X(name) double G(name)(double, double); float G(name##f)(float, float);
TWO(X)
#undef X
DECLARE(double, nextafter, double, double);
DECLARE(float, nextafterf, float, float);
DECLARE(double, ldexp, double, int);
DECLARE(double, frexp, double, int *);
DECLARE(double, modf, double, double *);
DECLARE(double, fma, double, double, double);
DECLARE(long, lrint, double);
DECLARE(long, lround, double);

/// Farthest from this system's library, in units in the last place.
struct worst {
    double distance, x, y, expected, got;
};
static void note(struct worst *worst, double distance, double x, double y, double expected_, double got_) {
    if (distance > worst->distance)
        *worst = (struct worst){distance, x, y, expected_, got_};
}
static void judge(const char *name, struct worst worst) {
    char line[64];
    snprintf(line, sizeof line, "math/%s", name);
    begin(line);
    if (worst.distance > 1)
        FAIL("%.0f units in the last place at %a, %a: %a and %a", worst.distance, worst.x, worst.y, worst.expected, worst.got);
    end();
}

static double quiet(double x) { return x != x ? NAN : x; }

static void mathematics(int rounds) {
// Expected is what this system's function of the next wider type gives, rounded: its own of the same type are up to
// several units off themselves.
#define EACH(name, result, two, wide, call, dist)                                                                                          \
    {                                                                                                                                      \
        struct worst worst = {0};                                                                                                          \
        for (int i = 0; i < rounds; i++) {                                                                                                 \
            result x = (result)quiet(sample()), y = two ? (result)quiet(sample()) : 0, e, g;                                               \
            (void)y;                                                                                                                       \
            e = (result)wide, g = G(name) call;                                                                                            \
            note(&worst, dist(e, g), x, y, e, g);                                                                                          \
        }                                                                                                                                  \
        judge(#name, worst);                                                                                                               \
    }
#define X(name) EACH(name, double, 0, name##l(x), (x), distance) EACH(name##f, float, 0, name(x), (x), distance_f)
    ONE(X)
#undef X
#define X(name) EACH(name, double, 1, name##l(x, y), (x, y), distance) EACH(name##f, float, 1, name(x, y), (x, y), distance_f)
    TWO(X)
#undef X
    // Between its poles, near its zeros: below 20 there are 40 of them.
    struct worst near = {0};
    for (int i = 0; i < rounds; i++) {
        double x = i % 2 ? ldexp((double)below(1 << 30), -26) : -(double)below(1 << 30) * 0x1.4p-26;
        double e = (double)lgammal(x), g = G(lgamma)(x);
        note(&near, distance(e, g), x, 0, e, g);
    }
    judge("lgamma near its zeros", near);
    begin("math/exact");
    for (int i = 0; i < rounds && !group_failed; i++) {
        double x = sample(), y = sample(), z = sample(), whole_a, whole_b;
        int n = (int)below(4400) - 2200, a = 0, b = 0;
        if (!same(ldexp(x, n), G(ldexp)(x, n)))
            FAIL("ldexp(%a, %d)", x, n);
        if (!same(frexp(x, &a), G(frexp)(x, &b)) || (isfinite(x) && a != b))
            FAIL("frexp(%a)", x);
        if (!same(modf(x, &whole_a), G(modf)(x, &whole_b)) || !same(whole_a, whole_b))
            FAIL("modf(%a)", x);
        if (!same(nextafter(x, y), G(nextafter)(x, y)) ||
            distance_f(nextafterf((float)x, (float)y), G(nextafterf)((float)x, (float)y)))
            FAIL("nextafter(%a, %a)", x, y);
        if (!same(fma(x, y, z), G(fma)(x, y, z)))
            FAIL("fma(%a, %a, %a)", x, y, z);
        if (fabs(x) < 9e18 && (lrint(x) != G(lrint)(x) || lround(x) != G(lround)(x)))
            FAIL("lrint or lround of %a", x);
    }
    end();
}

int main(void) {
    memory();
    strings();
    classes();
    integers();
    floats();
    sorting();
    formats();
    dates();
    mathematics(200000);
    return failed;
}
