// Symbols: weak definitions and references, aliases, constructors and destructors, sections, hidden, inline, used.
#include <stdio.h>
#include <stdlib.h>

int __attribute__((weak)) weak_value = 5;
int __attribute__((weak)) weak_function(int x) { return x + 1; }
extern int missing(int) __attribute__((weak));
extern int missing_value __attribute__((weak));
static int real(int x) { return x * 10; }
int also_real(int) __attribute__((alias("real_global")));
int real_global(int x) { return real(x) + 1; }
int base_value = 77;
extern int other_name __attribute__((alias("base_value")));
int __attribute__((visibility("hidden"))) hidden(int x) { return x ^ 0xff; }
static int __attribute__((used)) kept = 3;
static int order[8], n;
__attribute__((constructor(201))) static void early(void) { order[n++] = 1; }
__attribute__((constructor(202))) static void later(void) { order[n++] = 2; }
__attribute__((constructor)) static void last(void) { order[n++] = 3; }
__attribute__((destructor)) static void done(void) { printf("destructor %d\n", n); fflush(stdout); }
inline int __attribute__((always_inline)) inlined(int x) { return x - 1; }
static inline int quiet(int x) { return x * x; }
__attribute__((section("special"))) static int placed = 12;
__attribute__((section("special"))) static int placed_too = 30;
static void at_exit_one(void) { puts("exit one"); }
static void at_exit_two(void) { puts("exit two"); }
int main(void) {
    printf("%d %d %d %d\n", weak_value, weak_function(1), missing != 0, &missing_value != 0);
    if (missing) printf("%d\n", missing(1));
    int (*volatile p)(int) = also_real;
    printf("%d %d %d\n", also_real(2), p(3), p == real_global);
    other_name++;
    printf("%d %d %d\n", base_value, &other_name == &base_value, hidden(15));
    printf("%d %d %d %d\n", order[0], order[1], order[2], n);
    printf("%d %d %d %d\n", inlined(10), quiet(9), placed + placed_too, kept);
    atexit(at_exit_one);
    atexit(at_exit_two);
    n += 40;
    return 3;
}
