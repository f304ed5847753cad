// Doubles in structs: planets around the sun. The argument is the number of repetitions of 100 steps.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct body {
    double x, y, z, vx, vy, vz, mass;
};
static struct body bodies[5] = {
    {0, 0, 0, 0, 0, 0, 39.47841760435743},
    {4.84143144246472090, -1.16032004402742839, -.103622044471123109, .606326392995832, 2.81198684491626, -.02521836165988763, .03769367487038949},
    {8.34336671824457987, 4.12479856412430479, -.403523417114321381, -1.01077434617879236, 1.82566237123041186, .008415761376584154, .011286326131968767},
    {12.8943695621391310, -15.1111514016986312, -.223307578892655734, 1.08279100644153536, .868713018169608219, -.010832637401363636, .0017237240570597112},
    {15.3796971148509165, -25.9193146099879641, .179258772950371181, .979090732243897976, .594698998647676070, -.034755955550407774, .0020336868699246304},
};

static void __attribute__((noinline)) advance(double dt) {
    for (int i = 0; i < 5; i++) {
        struct body *p = &bodies[i];
        for (int j = i + 1; j < 5; j++) {
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
    for (int i = 0; i < 5; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

int main(int argc, char **argv) {
    int times = argc > 1 ? atoi(argv[1]) : 1;
    for (int i = 0; i < times * 100; i++) advance(0.001);
    printf("%.9f %.9f\n", bodies[0].x, bodies[1].y);
    return 0;
}
