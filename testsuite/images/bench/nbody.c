/* Five bodies under gravitation (the benchmarks game's problem), in REAL. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef REAL
#define REAL double
#endif
enum { BODIES = 5 };

typedef struct { REAL x, y, z, vx, vy, vz, mass; } Body;

static Body bodies[BODIES] = {
    {0, 0, 0, 0, 0, 0, 39.47841760435743},
    {4.84143144246472090, -1.16032004402742839, -0.103622044471123109, 0.606326392995832, 2.81198684491626, -0.02521836165988763, 0.03769367487038949},
    {8.34336671824457987, 4.12479856412430479, -0.403523417114321381, -1.01077434617879, 1.82566237123041, 0.00841576137658415, 0.011286326131968767},
    {12.8943695621391310, -15.1111514016986312, -0.223307578892655734, 1.08279100644154, 0.868713018169608, -0.0108326374013636, 0.0017237240570597112},
    {15.3796971148509165, -25.9193146099879641, 0.179258772950371181, 0.979090732243898, 0.594698998647676, -0.0347559555078104, 0.0020336868699246304},
};

static void advance(REAL dt) {
    for (int i = 0; i < BODIES; i++) {
        Body *a = bodies + i;
        for (int j = i + 1; j < BODIES; j++) {
            Body *b = bodies + j;
            REAL dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z, d2 = dx * dx + dy * dy + dz * dz;
            REAL mag = dt / (d2 * (sizeof(REAL) == 4 ? (REAL)sqrtf(d2) : (REAL)sqrt(d2)));
            a->vx -= dx * b->mass * mag, a->vy -= dy * b->mass * mag, a->vz -= dz * b->mass * mag;
            b->vx += dx * a->mass * mag, b->vy += dy * a->mass * mag, b->vz += dz * a->mass * mag;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        Body *a = bodies + i;
        a->x += dt * a->vx, a->y += dt * a->vy, a->z += dt * a->vz;
    }
}

int main(int argc, char **argv) {
    int steps = argc > 1 ? atoi(argv[1]) : 4000000;
    for (int i = 0; i < steps; i++) advance((REAL)0.001);
    for (int i = 0; i < BODIES; i++) printf("%a %a %a\n", (double)bodies[i].x, (double)bodies[i].y, (double)bodies[i].z);
    return 0;
}
