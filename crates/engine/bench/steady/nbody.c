// Planets around the sun: doubles in structs, square roots.
#include "../bench.h"
#include <math.h>

struct body {
    double x, y, z, vx, vy, vz, mass;
};
static struct body bodies[5];

static void setup(void) {
    for (int i = 0; i < 5; i++) {
        struct body *b = &bodies[i];
        b->x = 4.0 * i + 0.1;
        b->y = i & 1 ? 1.5 * i : -1.25 * i;
        b->z = 0.05 * i;
        b->vx = 0.3 * i;
        b->vy = i ? 2.0 / i : 0.0;
        b->vz = 0.01 * i;
        b->mass = i ? 0.002 * i : 39.47841760435743;
    }
}

static void advance(struct body *bodies, int n, double dt) {
    for (int i = 0; i < n; i++) {
        struct body *p = &bodies[i];
        for (int j = i + 1; j < n; j++) {
            struct body *q = &bodies[j];
            double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
            double d2 = dx * dx + dy * dy + dz * dz;
            double mag = dt / (d2 * sqrt(d2));
            p->vx -= dx * q->mass * mag;
            p->vy -= dy * q->mass * mag;
            p->vz -= dz * q->mass * mag;
            q->vx += dx * p->mass * mag;
            q->vy += dy * p->mass * mag;
            q->vz += dz * p->mass * mag;
        }
    }
    for (int i = 0; i < n; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

static NOINLINE uint64_t work(void) {
    for (int i = 0; i < 500; i++) advance(bodies, 5, i & 1 ? 0.001 : -0.001);
    return bits_of(bodies[1].x);
}
