// main is one loop: planets around the sun, arrays of doubles on the stack.
#include "../progress.h"
#include <math.h>

enum { N = 5 };

int main(int argc, char **argv) {
    double p[N][3], v[N][3], mass[N];
    for (int i = 0; i < N; i++) {
        p[i][0] = 4.0 * i + 0.1;
        p[i][1] = i & 1 ? 1.5 * i : -1.25 * i;
        p[i][2] = 0.05 * i;
        v[i][0] = 0.3 * i;
        v[i][1] = i ? 2.0 / i : 0.0;
        v[i][2] = 0.01 * i;
        mass[i] = i ? 0.002 * i : 39.47841760435743;
    }
    double dt = 0.001;
    start(argc, argv);
    do {
        for (int step = 0; step < 200; step++) {
            for (int i = 0; i < N; i++)
                for (int j = i + 1; j < N; j++) {
                    double d[3], d2 = 0;
                    for (int k = 0; k < 3; k++) {
                        d[k] = p[i][k] - p[j][k];
                        d2 += d[k] * d[k];
                    }
                    double mag = dt / (d2 * sqrt(d2));
                    for (int k = 0; k < 3; k++) {
                        v[i][k] -= d[k] * mass[j] * mag;
                        v[j][k] += d[k] * mass[i] * mag;
                    }
                }
            for (int i = 0; i < N; i++)
                for (int k = 0; k < 3; k++) p[i][k] += dt * v[i][k];
        }
        dt = -dt;
    } while (tick());
    return report((uint64_t)(p[1][0] * 1e6));
}
