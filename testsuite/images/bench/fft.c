/* A fast Fourier transform there and back, in REAL. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef REAL
#define REAL double
#endif
enum { N = 1 << 14 };

static REAL re[N], im[N];
static double cosine[N / 2 + 1], sine[N / 2 + 1];
static REAL cosines[N / 2], sines[N / 2];

/* Halves angles: libm's results depend on the processor. */
static void make_table(void) {
    cosine[0] = 1, cosine[N / 4] = 0, cosine[N / 2] = -1;
    sine[0] = 0, sine[N / 4] = 1, sine[N / 2] = 0;
    double c = 0;
    for (int step = N / 8; step; step /= 2) {
        c = sqrt((1 + c) / 2);
        for (int i = step; i < N / 2; i += 2 * step) {
            cosine[i] = (cosine[i - step] + cosine[i + step]) / (2 * c);
            sine[i] = (sine[i - step] + sine[i + step]) / (2 * c);
        }
    }
    for (int i = 0; i < N / 2; i++) cosines[i] = cosine[i], sines[i] = sine[i];
}

static void transform(REAL sign) {
    for (int i = 1, j = 0; i < N; i++) {
        int bit = N >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) {
            REAL t = re[i]; re[i] = re[j]; re[j] = t;
            t = im[i]; im[i] = im[j]; im[j] = t;
        }
    }
    for (int len = 2; len <= N; len <<= 1)
        for (int i = 0; i < N; i += len)
            for (int k = 0; k < len / 2; k++) {
                REAL c = cosines[k * (N / len)], s = sign * sines[k * (N / len)];
                int a = i + k, b = a + len / 2;
                REAL x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
                re[b] = re[a] - x, im[b] = im[a] - y, re[a] += x, im[a] += y;
            }
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 500;
    make_table();
    for (int i = 0; i < N; i++) re[i] = (REAL)(i % 37) / 37, im[i] = (REAL)(i % 11) / 11;
    for (int round = 0; round < rounds; round++) {
        transform(-1);
        transform(1);
        for (int i = 0; i < N; i++) re[i] /= N, im[i] /= N;
    }
    REAL sum = 0;
    for (int i = 0; i < N; i++) sum += re[i] * i - im[i];
    printf("%a\n", (double)sum);
    return 0;
}
