/* Byte stores with a stride, and a data-dependent branch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    int n = 8000000, rounds = argc > 1 ? atoi(argv[1]) : 12, count = 0;
    char *composite = malloc(n);
    for (int r = 0; r < rounds; r++) {
        memset(composite, 0, n);
        count = 0;
        for (int i = 2; i < n; i++) {
            if (composite[i]) continue;
            count++;
            for (long j = (long)i * i; j < n; j += i) composite[j] = 1;
        }
    }
    printf("%d\n", count);
    return 0;
}
