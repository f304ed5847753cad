// Bodies under gravity: structs of doubles, square roots, energy before and after.
#include <math.h>
#include <stdio.h>

struct body {
    double x[3], v[3], mass;
};
static struct body sky[] = {
    {{0, 0, 0}, {0, 0, 0}, 39.478},
    {{4.84, -1.16, -0.10}, {0.606, 2.811, -0.025}, 0.0377},
    {{8.34, 4.12, -0.40}, {-1.010, 1.825, 0.008}, 0.0113},
    {{12.89, -15.11, -0.22}, {1.082, 0.868, -0.010}, 0.0017},
    {{15.37, -25.91, 0.17}, {0.979, 0.594, -0.034}, 0.0020},
};
enum { N = sizeof sky / sizeof *sky };
static double energy(void) {
    double e = 0;
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 3; k++) e += 0.5 * sky[i].mass * sky[i].v[k] * sky[i].v[k];
        for (int j = i + 1; j < N; j++) {
            double d2 = 0;
            for (int k = 0; k < 3; k++) d2 += (sky[i].x[k] - sky[j].x[k]) * (sky[i].x[k] - sky[j].x[k]);
            e -= sky[i].mass * sky[j].mass / sqrt(d2);
        }
    }
    return e;
}
static void step(double dt) {
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++) {
            double d[3], d2 = 0;
            for (int k = 0; k < 3; k++) d[k] = sky[i].x[k] - sky[j].x[k], d2 += d[k] * d[k];
            double m = dt / (d2 * sqrt(d2));
            for (int k = 0; k < 3; k++) {
                sky[i].v[k] -= d[k] * sky[j].mass * m;
                sky[j].v[k] += d[k] * sky[i].mass * m;
            }
        }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 3; k++) sky[i].x[k] += dt * sky[i].v[k];
}
int main(void) {
    double p[3] = {0, 0, 0};
    for (int i = 0; i < N; i++)
        for (int k = 0; k < 3; k++) p[k] += sky[i].v[k] * sky[i].mass;
    for (int k = 0; k < 3; k++) sky[0].v[k] = -p[k] / sky[0].mass;
    printf("%.15g\n", energy());
    for (int i = 0; i < 600; i++) {
        step(0.01);
        if (i % 150 == 149) printf("%.15g %.15g\n", energy(), sky[1].x[0]);
    }
    return 0;
}
