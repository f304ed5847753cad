// Matrix products: int, float and double, naive, transposed and blocked; determinant and inverse.
#include <math.h>
#include <stdio.h>

#define N 24
static float fa[N][N], fb[N][N], fc[N][N], fd[N][N];
static double da[N][N], db[N][N], dc[N][N];
static int ia[N][N], ib[N][N], ic[N][N];

static void blocked(int size) {
    for (int i0 = 0; i0 < N; i0 += size)
        for (int j0 = 0; j0 < N; j0 += size)
            for (int k0 = 0; k0 < N; k0 += size)
                for (int i = i0; i < i0 + size; i++)
                    for (int j = j0; j < j0 + size; j++) {
                        float sum = fd[i][j];
                        for (int k = k0; k < k0 + size; k++) sum += fa[i][k] * fb[k][j];
                        fd[i][j] = sum;
                    }
}
static double determinant(int n, double m[n][n]) {
    double d = 1;
    for (int c = 0; c < n; c++) {
        int best = c;
        for (int r = c + 1; r < n; r++)
            if (fabs(m[r][c]) > fabs(m[best][c])) best = r;
        if (m[best][c] == 0) return 0;
        if (best != c) {
            for (int k = 0; k < n; k++) {
                double t = m[c][k];
                m[c][k] = m[best][k];
                m[best][k] = t;
            }
            d = -d;
        }
        d *= m[c][c];
        for (int r = c + 1; r < n; r++) {
            double f = m[r][c] / m[c][c];
            for (int k = c; k < n; k++) m[r][k] -= f * m[c][k];
        }
    }
    return d;
}
int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            fa[i][j] = (float)(i * 3 + j) / 7;
            fb[i][j] = (float)(i - j) * 0.25f;
            da[i][j] = 1.0 / (1 + i + j);
            db[i][j] = (i + 1) * (j == i) + 0.125 * j;
            ia[i][j] = i * j % 11 - 5;
            ib[i][j] = (i + 1) * 7919 ^ j;
        }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            float f = 0;
            double d = 0;
            for (int k = 0; k < N; k++) {
                f += fa[i][k] * fb[k][j];
                d += da[i][k] * db[j][k];
                ic[i][j] += ia[i][k] * ib[k][j];
            }
            fc[i][j] = f;
            dc[i][j] = d;
        }
    blocked(8);
    double ft = 0, dt = 0;
    long it = 0;
    int same = 1;
    for (int i = 0; i < N; i++) {
        ft += (double)fc[i][(i * 5) % N];
        dt += dc[(i * 7) % N][i];
        it += ic[i][i];
        for (int j = 0; j < N; j++) same &= fc[i][j] == fd[i][j];
    }
    printf("%.9g %.17g %ld %d\n", ft, dt, it, same);
    for (int n = 2; n < 8; n++) {
        double m[8 * 8];
        for (int i = 0; i < n * n; i++) m[i] = (i * i * 31 + i * 7) % 19 - 9;
        printf("%d: %.10g\n", n, determinant(n, (double(*)[])m));
    }
    return 0;
}
