// Loops that carry floats and doubles: recurrences, signs of zero, series, conversions each turn.
#include <math.h>
#include <stdio.h>

static double harmonic(int n) {
    double s = 0;
    for (int i = 1; i <= n; i++) s += 1.0 / i;
    return s;
}
static float harmonic_back(int n) {
    float s = 0;
    for (; n > 0; n--) s += 1.0f / (float)n;
    return s;
}
static double series(double x) {
    double term = 1, sum = 1;
    int n = 0;
    do {
        term *= x / ++n;
        sum += term;
    } while (fabs(term) > 1e-15 * fabs(sum) && n < 200);
    return sum;
}
static double kahan(const double *v, int n, double *plain) {
    double sum = 0, lost = 0, simple = 0;
    for (int i = 0; i < n; i++) {
        double y = v[i] - lost, t = sum + y;
        lost = (t - sum) - y;
        sum = t;
        simple += v[i];
    }
    *plain = simple;
    return sum;
}
static int bits_of_precision(void) {
    int n = 0;
    for (float e = 1; 1 + e != 1; e /= 2) n++;
    for (double e = 1; 1 + e != 1; e /= 2) n += 100;
    return n;
}
static void logistic(double r, float rf) {
    double x = 0.5;
    float xf = 0.5f;
    for (int i = 0; i < 300; i++) {
        x = r * x * (1 - x);
        xf = rf * xf * (1 - xf);
        if (i % 75 == 74) printf("%.17g %.9g\n", x, (double)xf);
    }
}
int main(void) {
    double v[500], plain;
    for (int i = 0; i < 500; i++) v[i] = (i % 3 ? 1e-8 : 1e8) * (i % 7 - 3);
    double careful = kahan(v, 500, &plain);
    printf("%.17g %.9g %.17g %.17g\n", harmonic(1000), (double)harmonic_back(1000), careful, plain);
    for (int i = -4; i <= 4; i++) printf("%.15g ", series(i * 1.5));
    printf("\n%d\n", bits_of_precision());
    logistic(3.9, 3.9f);
    double a = 1, g = 1 / sqrt(2), t = 0.25, p = 1;
    for (int i = 0; i < 4; i++) {
        double next = (a + g) / 2;
        g = sqrt(a * g);
        t -= p * (a - next) * (a - next);
        a = next;
        p *= 2;
        printf("%.15f\n", (a + g) * (a + g) / (4 * t));
    }
    float down = 1e30f, up = 1e-30f;
    int steps = 0;
    while (down > 0) down *= 0.37f, steps++;
    while (!isinf(up)) up *= 3.1f, steps += 1000;
    double zero = 0;
    for (int i = 0; i < 5; i++) zero *= -1;
    printf("%d %d %.17g\n", steps, signbit(zero) != 0, zero);
    return 0;
}
