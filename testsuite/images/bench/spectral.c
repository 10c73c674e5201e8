/* The spectral norm of an infinite matrix (the benchmarks game's problem), in REAL. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef REAL
#define REAL double
#endif

static REAL element(int i, int j) { return 1 / (REAL)((i + j) * (i + j + 1) / 2 + i + 1); }

static void times(int n, const REAL *u, REAL *v, int transposed) {
    for (int i = 0; i < n; i++) {
        REAL sum = 0;
        for (int j = 0; j < n; j++) sum += (transposed ? element(j, i) : element(i, j)) * u[j];
        v[i] = sum;
    }
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 3000;
    REAL *u = malloc(sizeof(REAL) * n), *v = malloc(sizeof(REAL) * n), *t = malloc(sizeof(REAL) * n), uv = 0, vv = 0;
    for (int i = 0; i < n; i++) u[i] = 1;
    for (int i = 0; i < 10; i++) {
        times(n, u, t, 0), times(n, t, v, 1);
        times(n, v, t, 0), times(n, t, u, 1);
    }
    for (int i = 0; i < n; i++) uv += u[i] * v[i], vv += v[i] * v[i];
    printf("%a\n", (double)sqrt(uv / vv));
    return 0;
}
