// Other library calls: qsort, bsearch, div, labs, rand with a seed, getenv, malloc family, string to tokens.
#define _GNU_SOURCE
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct city { const char *name; int people; double area; };
static int by_name(const void *a, const void *b) { return strcmp(((const struct city *)a)->name, ((const struct city *)b)->name); }
static int by_density(const void *a, const void *b) {
    const struct city *x = a, *y = b;
    double d = x->people / x->area - y->people / y->area;
    return (d > 0) - (d < 0);
}
static int by_key(const void *key, const void *item) { return strcmp(key, ((const struct city *)item)->name); }
static int by_context(const void *a, const void *b, void *mod) { return *(const int *)a % *(int *)mod - *(const int *)b % *(int *)mod; }
int main(void) {
    struct city c[] = {{"Oslo", 700000, 454}, {"Bern", 134000, 51.6}, {"Rome", 2800000, 1285}, {"Kyiv", 2900000, 839}, {"Lima", 10000000, 2672}};
    qsort(c, 5, sizeof *c, by_density);
    for (int i = 0; i < 5; i++) printf("%s ", c[i].name);
    qsort(c, 5, sizeof *c, by_name);
    for (int i = 0; i < 5; i++) printf("%s ", c[i].name);
    struct city *found = bsearch("Lima", c, 5, sizeof *c, by_key), *none = bsearch("Paris", c, 5, sizeof *c, by_key);
    printf("%d %d\n", found->people, none == 0);
    div_t d = div(-17, 5);
    ldiv_t l = ldiv(1000000007L, 97);
    printf("%d %d %ld %ld %d %ld\n", d.quot, d.rem, l.quot, l.rem, abs(-8), labs(-9L));
    unsigned short seed[3] = {1, 2, 3};
    for (int i = 0; i < 4; i++) printf("%ld %.10f ", nrand48(seed), erand48(seed));
    unsigned s = 42;
    printf("%d %d\n", rand_r(&s), rand_r(&s));
    srand(7);
    int a = rand(), b = rand();
    srand(7);
    printf("%d %d\n", a == rand(), b == rand());
    printf("%d\n", getenv("SURELY_NOT_SET_ANYWHERE") == 0);
    int *v = malloc(10 * sizeof *v);
    for (int i = 0; i < 10; i++) v[i] = i * 7 % 10;
    v = realloc(v, 1000 * sizeof *v);
    int mod = 4, sum = 0;
    qsort_r(v, 10, sizeof *v, by_context, &mod);
    for (int i = 0; i < 10; i++) sum = sum * 2 + v[i] % 4;
    int *zero = calloc(50, sizeof *zero);
    for (int i = 0; i < 50; i++) sum += zero[i];
    void *aligned = 0;
    int failed = posix_memalign(&aligned, 256, 100);
    printf("%d %d %d\n", sum, failed, (int)((uintptr_t)aligned % 256));
    free(aligned);
    free(zero);
    free(v);
    assert(sum > 0);
    struct tm t = {.tm_year = 124, .tm_mon = 1, .tm_mday = 29, .tm_hour = 12};
    char text[64];
    time_t at = timegm(&t);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %j %a", gmtime(&at));
    printf("%lld %s\n", (long long)at, text);
    printf("%d\n", time(0) > 1600000000 && clock() >= 0);
    return 0;
}
