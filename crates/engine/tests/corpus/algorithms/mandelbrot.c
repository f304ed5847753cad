// Mandelbrot and Julia sets as text: double, float and fixed-point arithmetic.
#include <stdint.h>
#include <stdio.h>

static int by_double(double cx, double cy) {
    double x = 0, y = 0;
    int n = 0;
    while (n < 60 && x * x + y * y <= 4) {
        double t = x * x - y * y + cx;
        y = 2 * x * y + cy;
        x = t;
        n++;
    }
    return n;
}
static int by_float(float x, float y, float cx, float cy) {
    int n;
    for (n = 0; n < 40; n++) {
        float xx = x * x, yy = y * y;
        if (xx + yy > 4.0f) break;
        y = 2 * x * y + cy;
        x = xx - yy + cx;
    }
    return n;
}
static int by_fixed(int32_t cx, int32_t cy) {
    int32_t x = 0, y = 0, n = 0;
    for (; n < 50; n++) {
        int32_t xx = (int32_t)((int64_t)x * x >> 24), yy = (int32_t)((int64_t)y * y >> 24);
        if ((int64_t)xx + yy > 4LL << 24) return n;
        y = (int32_t)((int64_t)x * y >> 23) + cy;
        x = xx - yy + cx;
    }
    return n;
}
int main(void) {
    static const char shades[] = " .:-=+*#%@";
    long sum = 0;
    for (int r = 0; r < 14; r++) {
        for (int c = 0; c < 44; c++) {
            int n = by_double(-2.2 + c * 0.07, -1.2 + r * 0.18);
            sum = sum * 3 % 1000003 + n;
            putchar(shades[n * 9 / 60]);
        }
        putchar('|');
        for (int c = 0; c < 20; c++) putchar(shades[by_float(-1.5f + (float)c * 0.15f, -1.2f + (float)r * 0.18f, -0.8f, 0.156f) * 9 / 40]);
        putchar('|');
        for (int c = 0; c < 20; c++) {
            int n = by_fixed((int32_t)((-2.0 + c * 0.14) * 16777216), (int32_t)((-1.2 + r * 0.18) * 16777216));
            sum = (sum ^ n) + r;
            putchar(shades[n * 9 / 50]);
        }
        puts("|");
    }
    printf("%ld\n", sum);
    return 0;
}
