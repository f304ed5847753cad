// f64 matrix product, rows by columns, through pointers to rows.
#include "../bench.h"

static int n;
static double **a, **b, **c;

static double **matrix(int size) {
    double **rows = malloc((size_t)size * sizeof *rows);
    for (int i = 0; i < size; i++) {
        rows[i] = malloc((size_t)size * sizeof **rows);
        for (int j = 0; j < size; j++) rows[i][j] = (double)(random_bits() % 31) * 0.125;
    }
    return rows;
}

static void setup(void) {
    n = opaque(40);
    a = matrix(n);
    b = matrix(n);
    c = matrix(n);
}

static NOINLINE uint64_t work(void) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++) sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
    return bits_of(c[n / 2][n / 3]);
}
