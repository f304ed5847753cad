// Dense linear algebra: LU with pivots, Cholesky, Gram-Schmidt, power iteration, Jacobi, conjugate gradients.
#include <math.h>
#include <stdio.h>

enum { N = 12 };
static double a[N][N], l[N][N], q[N][N];
static double dot(const double *x, const double *y) {
    double s = 0;
    for (int i = 0; i < N; i++) s += x[i] * y[i];
    return s;
}
static void times(double m[N][N], const double *x, double *y) {
    for (int i = 0; i < N; i++) y[i] = dot(m[i], x);
}
static int lu(double m[N][N], int *pivot) {
    int swaps = 0;
    for (int k = 0; k < N; k++) {
        int best = k;
        for (int i = k + 1; i < N; i++)
            if (fabs(m[i][k]) > fabs(m[best][k])) best = i;
        pivot[k] = best;
        if (best != k) {
            swaps++;
            for (int j = 0; j < N; j++) {
                double t = m[k][j];
                m[k][j] = m[best][j];
                m[best][j] = t;
            }
        }
        for (int i = k + 1; i < N; i++) {
            m[i][k] /= m[k][k];
            for (int j = k + 1; j < N; j++) m[i][j] -= m[i][k] * m[k][j];
        }
    }
    return swaps;
}
static void solve(double m[N][N], const int *pivot, double *b) {
    for (int k = 0; k < N; k++) {
        double t = b[k];
        b[k] = b[pivot[k]];
        b[pivot[k]] = t;
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++) b[i] -= m[i][j] * b[j];
    for (int i = N; i-- > 0;) {
        for (int j = i + 1; j < N; j++) b[i] -= m[i][j] * b[j];
        b[i] /= m[i][i];
    }
}
static int cholesky(void) {
    for (int j = 0; j < N; j++)
        for (int i = j; i < N; i++) {
            double s = a[i][j];
            for (int k = 0; k < j; k++) s -= l[i][k] * l[j][k];
            if (i == j && s <= 0) return j;
            l[i][j] = i == j ? sqrt(s) : s / l[j][j];
        }
    return N;
}
int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = (i == j ? 10 + i : 0) + 1.0 / (1 + (i > j ? i - j : j - i)), q[i][j] = (i * 7 + j * j * 3) % 11 - 5.0;
    double m[N][N], b[N], x[N];
    int pivot[N];
    for (int i = 0; i < N; i++) {
        b[i] = i - 4.5;
        for (int j = 0; j < N; j++) m[i][j] = a[(i * 5) % N][j];
    }
    int swaps = lu(m, pivot);
    for (int i = 0; i < N; i++) x[i] = b[(i * 5) % N];
    solve(m, pivot, x);
    printf("%d swaps:", swaps);
    for (int i = 0; i < N; i += 3) printf(" %.12g", x[i]);
    printf("\n%d %.12g %.12g\n", cholesky(), l[N - 1][N - 1], l[7][2]);
    double y[N] = {0}, r[N], p[N], ap[N];
    for (int i = 0; i < N; i++) r[i] = p[i] = b[i];
    double rr = dot(r, r);
    int turns = 0;
    for (; turns < 50 && rr > 1e-20; turns++) {
        times(a, p, ap);
        double alpha = rr / dot(p, ap);
        for (int i = 0; i < N; i++) y[i] += alpha * p[i], r[i] -= alpha * ap[i];
        double next = dot(r, r);
        for (int i = 0; i < N; i++) p[i] = r[i] + next / rr * p[i];
        rr = next;
    }
    printf("%d %.9f %.9f %.9f\n", turns < 20, y[0], y[5], y[11]);
    for (int k = 0; k < N; k++) {
        for (int j = 0; j < k; j++) {
            double s = dot(q[k], q[j]);
            for (int i = 0; i < N; i++) q[k][i] -= s * q[j][i];
        }
        double norm = sqrt(dot(q[k], q[k]));
        if (norm < 1e-9) {
            printf("rank %d\n", k);
            break;
        }
        for (int i = 0; i < N; i++) q[k][i] /= norm;
    }
    double v[N] = {1}, value = 0;
    for (int t = 0; t < 60; t++) {
        times(a, v, x);
        value = sqrt(dot(x, x));
        for (int i = 0; i < N; i++) v[i] = x[i] / value;
    }
    printf("%.12g %.9g\n", value, dot(q[0], q[1]) < 1e-9 ? 0.0 : 1.0);
    return 0;
}
