// Spectral norm of an infinite matrix's corner by the power method, and roots by Newton and bisection.
#include <math.h>
#include <stdio.h>

#define N 30
static double a(int i, int j) { return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1); }
static void times(const double *v, double *out, int transposed) {
    for (int i = 0; i < N; i++) {
        double s = 0;
        for (int j = 0; j < N; j++) s += (transposed ? a(j, i) : a(i, j)) * v[j];
        out[i] = s;
    }
}
static double cubic(double x) { return x * x * x - 2 * x - 5; }
static double wave(double x) { return cos(x) - x; }
static double bisect(double (*f)(double), double low, double high) {
    for (int i = 0; i < 60; i++) {
        double mid = (low + high) / 2;
        if ((f(mid) < 0) == (f(low) < 0))
            low = mid;
        else
            high = mid;
    }
    return low;
}
static double newton(double (*f)(double), double x) {
    for (int i = 0; i < 30; i++) {
        double h = 1e-7, slope = (f(x + h) - f(x - h)) / (2 * h);
        double next = x - f(x) / slope;
        if (fabs(next - x) < 1e-12) break;
        x = next;
    }
    return x;
}
static double simpson(double (*f)(double), double from, double to, int n) {
    double h = (to - from) / n, s = f(from) + f(to);
    for (int i = 1; i < n; i++) s += f(from + i * h) * (i % 2 ? 4 : 2);
    return s * h / 3;
}
int main(void) {
    double u[N], v[N], t[N];
    for (int i = 0; i < N; i++) u[i] = 1;
    for (int i = 0; i < 6; i++) {
        times(u, t, 0);
        times(t, v, 1);
        times(v, t, 0);
        times(t, u, 1);
    }
    double uv = 0, vv = 0;
    for (int i = 0; i < N; i++) uv += u[i] * v[i], vv += v[i] * v[i];
    printf("%.12f\n", sqrt(uv / vv));
    printf("%.12f %.12f\n", bisect(cubic, 0, 5), bisect(wave, 0, 2));
    printf("%.10f %.10f\n", newton(cubic, 3), newton(wave, 0.5));
    printf("%.12f %.12f\n", simpson(sin, 0, 3, 40), simpson(cubic, -1, 2, 10));
    return 0;
}
