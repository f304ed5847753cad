// Recursion: deep, mutual, over trees and arrays on the stack, variable-length arrays.
#include <stdio.h>
#include <stdlib.h>

static int ackermann(int m, int n) { return m == 0 ? n + 1 : ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1)); }
static int odd(unsigned n);
static int even(unsigned n) { return n == 0 ? 1 : odd(n - 1); }
static int odd(unsigned n) { return n == 0 ? 0 : even(n - 1); }
static long deep(int n, long x) {
    volatile long local[4] = {n, x, n + x, 1};
    return n == 0 ? x : local[3] + deep(n - 1, local[2] % 1000003);
}

struct tree {
    struct tree *left, *right;
    int key;
};
static struct tree *insert(struct tree *t, int key) {
    if (!t) {
        t = malloc(sizeof *t);
        *t = (struct tree){0, 0, key};
    } else if (key < t->key)
        t->left = insert(t->left, key);
    else
        t->right = insert(t->right, key);
    return t;
}
static int height(const struct tree *t) {
    if (!t) return 0;
    int l = height(t->left), r = height(t->right);
    return 1 + (l > r ? l : r);
}
static long walk(const struct tree *t, long acc) { return t ? walk(t->right, walk(t->left, acc) * 31 % 1000000007 + t->key) : acc; }

static int queens(int n, int row, const int *above) {
    int here[row + 1], count = 0;
    for (int i = 0; i < row; i++) here[i] = above[i];
    if (row == n) return 1;
    for (int c = 0; c < n; c++) {
        int ok = 1;
        for (int r = 0; r < row; r++) ok &= here[r] != c && here[r] - c != row - r && c - here[r] != row - r;
        here[row] = c;
        if (ok) count += queens(n, row + 1, here);
    }
    return count;
}
static int sum_vla(int n) {
    int total = 0;
    for (int k = 1; k <= n; k++) {
        int v[k][k];
        for (int i = 0; i < k; i++)
            for (int j = 0; j < k; j++) v[i][j] = i * j;
        total += v[k - 1][k - 1] + (int)sizeof v;
    }
    return total;
}

int main(void) {
    printf("%d %d %d %ld\n", ackermann(2, 300), even(9001), odd(9001), deep(9000, 1));
    struct tree *t = 0;
    unsigned x = 7;
    for (int i = 0; i < 500; i++) t = insert(t, (int)((x = x * 1664525u + 1013904223u) >> 8));
    printf("%d %ld\n", height(t), walk(t, 0));
    printf("%d %d\n", queens(6, 0, 0), sum_vla(20));
    return 0;
}
