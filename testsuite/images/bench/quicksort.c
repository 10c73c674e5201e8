/* qsort(3) of the C library with a comparison callback: indirect calls. */
#include <stdio.h>
#include <stdlib.h>

static int compare(const void *a, const void *b) {
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? -1 : x > y;
}

static void sort(unsigned *v, long low, long high, int (*order)(const void *, const void *)) {
    while (low < high) {
        unsigned pivot = v[(low + high) / 2];
        long i = low, j = high;
        while (i <= j) {
            while (order(&v[i], &pivot) < 0) i++;
            while (order(&v[j], &pivot) > 0) j--;
            if (i <= j) {
                unsigned t = v[i];
                v[i++] = v[j];
                v[j--] = t;
            }
        }
        sort(v, low, j, order);
        low = i;
    }
}

int main(int argc, char **argv) {
    long n = argc > 1 ? atol(argv[1]) : 6000000;
    unsigned *v = malloc(n * sizeof *v), seed = 1;
    for (long i = 0; i < n; i++) v[i] = seed = seed * 1664525u + 1013904223u;
    /* The pointer comes from a volatile, so that it stays an indirect call. */
    int (*volatile order)(const void *, const void *) = compare;
    sort(v, 0, n - 1, order);
    printf("%u %u %u\n", v[0], v[n / 2], v[n - 1]);
    return 0;
}
