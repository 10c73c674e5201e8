/* How long points of the plane stay near 0 under z² + c, in REAL. */
#include <stdio.h>
#include <stdlib.h>

#ifndef REAL
#define REAL double
#endif

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 1400;
    long sum = 0;
    for (int row = 0; row < n; row++)
        for (int column = 0; column < n; column++) {
            REAL cx = 2 * (REAL)column / n - (REAL)1.5, cy = 2 * (REAL)row / n - 1, x = 0, y = 0;
            int i = 0;
            for (; i < 200 && x * x + y * y < 4; i++) {
                REAL next = x * x - y * y + cx;
                y = 2 * x * y + cy;
                x = next;
            }
            sum += i;
        }
    printf("%ld\n", sum);
    return 0;
}
