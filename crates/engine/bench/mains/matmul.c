// main is one loop: product of matrices of floats.
#include "../progress.h"

enum { N = 48 };
static float a[N][N], b[N][N], c[N][N];

int main(int argc, char **argv) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (float)(i * 7 + j) * 0.01f;
            b[i][j] = (float)(i - j) * 0.02f;
        }
    start(argc, argv);
    do {
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) c[i][j] = 0;
            for (int k = 0; k < N; k++)
                for (int j = 0; j < N; j++) c[i][j] += a[i][k] * b[k][j];
        }
        a[3][5] = c[7][9] * 1e-9f;
    } while (tick());
    return report((uint64_t)c[N / 2][N / 3]);
}
