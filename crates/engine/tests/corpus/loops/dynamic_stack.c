// Loops with variable-length arrays and alloca: stack that grows inside, is released per turn or at return.
#include <alloca.h>
#include <stdio.h>
#include <string.h>

static long per_turn(int n) {
    long h = 0;
    for (int i = 1; i <= n; i++) {
        int v[i];
        for (int j = 0; j < i; j++) v[j] = j * i;
        for (int j = i; j-- > 0;) h = (h * 7 + v[j]) % 1000003;
    }
    return h;
}
struct cell {
    struct cell *next;
    int value;
};
static int chain(int n) {
    struct cell *head = 0;
    for (int i = 0; i < n; i++) {
        struct cell *c = alloca(sizeof *c);
        c->next = head;
        c->value = i * 3 % 11;
        head = c;
    }
    int h = 0;
    for (; head; head = head->next) h = h * 3 % 10007 + head->value;
    return h;
}
static double table(int rows, int columns) {
    double m[rows][columns], sum = 0;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) m[i][j] = i * 0.5 + j * j;
    for (int j = 0; j < columns; j++)
        for (int i = rows - 1; i >= 0; i--) sum = sum * 0.75 + m[i][j];
    return sum + (double)sizeof m;
}
static void sum_rows(int n, int m, int v[n][m], int out[n]) {
    for (int i = 0; i < n; i++) {
        out[i] = 0;
        for (int j = 0; j < m; j++) out[i] += v[i][j];
    }
}
static const char *repeat(char *out, int n) {
    int total = 0;
again:;
    char piece[n + 1];
    memset(piece, 'a' + n % 26, (size_t)n);
    piece[n] = 0;
    strcat(out, piece);
    total += n;
    if (--n > 0 && total < 60) goto again;
    return out;
}
int main(void) {
    for (int n = 0; n < 60; n += 13) printf("%ld %d\n", per_turn(n), chain(n));
    for (int n = 1; n < 12; n += 3) printf("%.12g ", table(n, 12 - n));
    int v[4][5], sums[4];
    for (int i = 0; i < 20; i++) v[i / 5][i % 5] = i * i;
    sum_rows(4, 5, v, sums);
    printf("%d %d %d %d\n", sums[0], sums[1], sums[2], sums[3]);
    char out[128] = "";
    printf("%s\n", repeat(out, 12));
    return 0;
}
