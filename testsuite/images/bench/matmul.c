/* A product of matrices in REAL: scalar arithmetic on rows and columns. */
#include <stdio.h>
#include <stdlib.h>

#ifndef REAL
#define REAL double
#endif

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 900;
    REAL *a = malloc(sizeof(REAL) * n * n), *b = malloc(sizeof(REAL) * n * n), *c = malloc(sizeof(REAL) * n * n);
    for (int i = 0; i < n * n; i++) {
        a[i] = i % 7 + 0.5;
        b[i] = i % 11 - 3.25;
        c[i] = 0;
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            for (int j = 0; j < n; j++) c[i * n + j] += a[i * n + k] * b[k * n + j];
    REAL sum = 0;
    for (int i = 0; i < n * n; i++) sum += c[i];
    printf("%a\n", (double)sum);
    return 0;
}
