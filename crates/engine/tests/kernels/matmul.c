// Doubles and two-dimensional addresses: a matrix product. The argument is the number of repetitions.
#include <stdio.h>
#include <stdlib.h>

enum { N = 32 };
static double a[N][N], b[N][N], c[N][N];

static void __attribute__((noinline)) product(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

int main(int argc, char **argv) {
    int times = argc > 1 ? atoi(argv[1]) : 1;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = i - j;
            b[i][j] = i + j * 0.5;
        }
    for (int i = 0; i < times; i++) {
        a[0][0] = i;
        product();
    }
    printf("%g\n", c[0][0] + c[7][9] + c[31][31]);
    return 0;
}
