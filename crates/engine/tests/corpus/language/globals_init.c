// Globals of all kinds: initialisers, pointers into each other, tables of functions, unions, strings, zero, alignment.
#include <stdint.h>
#include <stdio.h>

extern struct node second;
struct node {
    int value;
    struct node *next;
    const char *name;
};
struct node first = {1, &second, "first"};
struct node second = {2, &first, "second"};
static int numbers[10] = {[3] = 33, 44, [8] = 88};
static int *inside[] = {&numbers[3], numbers + 8, &numbers[10] - 1, 0};
static const char letters[] = "letters", *const words[] = {"alpha", "beta", letters, letters + 3, &letters[6]};
static char mutable_[8] = "abc";
static double floats[] = {1.5, -0.0, 1e300, 0x1p-1074};
static float single = 0.1f;
static const __int128 wide = ((__int128)0x0123456789ABCDEF << 64) | 42;
static union { int i; float f; char c[8]; } u = {.f = 1.0f};
static struct { char a; _Alignas(64) int b; short c[3]; } aligned = {'a', 5, {1, 2, 3}};
static int zero[100];
static uintptr_t as_number = (uintptr_t)&numbers[2];
static int matrix[2][3][2] = {{{1, 2}, {3}}, {{5}, {6, 7}, {8, 9}}};
static int twice(int x) { return 2 * x; }
static int thrice(int x) { return 3 * x; }
static struct { const char *name; int (*f)(int); int *where; } table[] = {{"twice", twice, &numbers[0]}, {"thrice", thrice, &numbers[9]}};
static struct { int n; int v[]; } flexible = {3, {7, 8, 9}};
static void *self = &self;
static struct { unsigned a : 5, b : 10; int c : 7; } bits = {17, 1000, -50};
static _Bool flags[4] = {1, 0, 1};
static const struct { struct { int x, y; } p; const int *q; } nest[] = {{{1, 2}, &numbers[4]}, {{3, 4}, 0}};
int tentative;
int tentative;
static int counter(void) {
    static int n = 100, *p = &n;
    static char history[5];
    history[n % 5]++;
    return ++*p + history[n % 5];
}
int main(void) {
    const struct node *n = &first;
    for (int i = 0; i < 3; i++, n = n->next) printf("%s %d ", n->name, n->value);
    printf("%d %d %d %d\n", *inside[0], *inside[1], *inside[2], inside[3] == 0);
    for (int i = 0; i < 5; i++) printf("%s ", words[i]);
    mutable_[1] = 'X';
    printf("%s %d %g %g %a %a %a\n", mutable_, mutable_[7], floats[0], 1 / floats[1], floats[2], floats[3], (double)single);
    printf("%llx %llx %d %x\n", (unsigned long long)(wide >> 64), (unsigned long long)wide, u.i, u.c[3]);
    printf("%c %d %d %zu %d\n", aligned.a, aligned.b, aligned.c[2], sizeof aligned, (int)((uintptr_t)&aligned.b % 64));
    int sum = 0;
    for (int i = 0; i < 100; i++) sum += zero[i] += i;
    for (int i = 0; i < 12; i++) sum = sum * 3 % 100003 + ((int *)matrix)[i];
    *(int *)as_number = 7;
    printf("%d %d %d\n", sum, numbers[2], (int)sizeof matrix);
    for (int i = 0; i < 2; i++) *table[i].where = table[i].f(21), printf("%s %d ", table[i].name, *table[i].where);
    printf("%d %d %d\n", numbers[0], numbers[9], flexible.v[flexible.n - 1]);
    printf("%d %u %u %d %d%d%d%d %d %d\n", self == &self, bits.a, bits.b, bits.c, flags[0], flags[1], flags[2], flags[3], nest[1].p.y, *nest[0].q);
    for (int i = 0; i < 7; i++) printf("%d ", counter() + tentative++);
    putchar('\n');
    return 0;
}
