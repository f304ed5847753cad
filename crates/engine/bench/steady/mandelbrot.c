// Points of the Mandelbrot set: a loop of doubles whose length depends on data.
#include "../bench.h"

static void setup(void) {}

static int iterations(double cx, double cy, int most) {
    double x = 0, y = 0;
    int n = 0;
    while (n < most && x * x + y * y <= 4.0) {
        double t = x * x - y * y + cx;
        y = 2 * x * y + cy;
        x = t;
        n++;
    }
    return n;
}

static NOINLINE uint64_t work(void) {
    uint64_t sum = 0;
    int most = opaque(100);
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 48; x++) sum = sum * 3 + (uint64_t)iterations(x / 20.0 - 1.7, y / 16.0 - 1.0, most);
    return sum;
}
