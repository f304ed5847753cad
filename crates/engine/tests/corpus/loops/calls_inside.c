// Loops whose body calls: direct, through pointers, the C library, callbacks that change the loop's variables.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int square(int x) { return x * x; }
static int cube(int x) { return x * x * x; }
static int halve(int x) { return x / 2; }
static void each(int *v, int n, void (*f)(int *, void *), void *context) {
    for (int i = 0; i < n; i++) f(&v[i], context);
}
struct total {
    long sum;
    int calls;
};
static void add(int *x, void *context) {
    struct total *t = context;
    t->sum += *x;
    t->calls++;
    *x = -*x;
}
static void stop(int *x, void *context) {
    int **limit = context;
    if (*x > 10) **limit = 0;
}
static int compare(const void *a, const void *b) { return *(const int *)a % 10 - *(const int *)b % 10 ? *(const int *)a % 10 - *(const int *)b % 10 : *(const int *)a - *(const int *)b; }
static int bump(int *n) { return ++*n % 4; }
int main(void) {
    int (*const table[])(int) = {square, cube, halve, abs};
    int x = 3, v[20];
    for (int i = 0; i < 60; i++) {
        x = table[i & 3](x) % 1009 - 300;
        if (i % 10 == 9) printf("%d ", x);
    }
    for (int i = 0; i < 20; i++) v[i] = i * 31 % 47;
    struct total t = {0, 0};
    for (int round = 0; round < 3; round++) {
        each(v, 20, add, &t);
        printf("%ld/%d ", t.sum, t.calls);
    }
    int limit = 100, *pointer = &limit, turns = 0;
    while (turns < limit) {
        each(&turns, 1, stop, &pointer);
        turns++;
    }
    printf("%d\n", turns);
    for (int i = 0; i < 20; i += 5) {
        qsort(v, (size_t)(i + 5), sizeof *v, compare);
        printf("%d %d %d\n", v[0], v[i / 2], v[i + 4]);
    }
    char line[64] = "";
    for (int i = 0; i < 12 && strlen(line) < 40; i++) {
        char piece[12];
        int n = snprintf(piece, sizeof piece, "%x,", i * i * 7);
        if (n & 1) strcat(line, piece);
        else memmove(line + n, line, strlen(line) + 1), memcpy(line, piece, (size_t)n);
    }
    printf("%s\n", line);
    int n = 0, sum = 0;
    for (int i = 0; bump(&n) || i < 20; i++) sum += n * i;
    printf("%d %d\n", n, sum);
    return 0;
}
