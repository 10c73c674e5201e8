// printf and scanf of 100,000 random numbers in each format. What is written and what is read back goes into a hash.
#include <float.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 88172645463325252u, hash = 0xcbf29ce484222325u;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void add(const void *bytes, size_t count) {
    for (const unsigned char *p = bytes; count--; p++) hash = (hash ^ *p) * 0x100000001b3u;
}

// An exponent near 0, now and then any; a random significand, or one with few bits.
static long double random_long_double(void) {
    union { long double value; struct { uint64_t significand; uint16_t sign_exponent; } parts; } number = {0};
    uint64_t significand = next();
    if (next() % 4 == 0) significand &= ~0ull << next() % 64;
    unsigned exponent = next() % 64 == 0 ? next() % 0x7fff : 0x3fff - 100 + next() % 200;
    number.parts.significand = exponent == 0 ? significand & INT64_MAX : significand | 1ull << 63;
    number.parts.sign_exponent = exponent | next() % 2 << 15;
    return number.value;
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 100000, same = 0, near = 0;
    static char text[12000];
    for (int i = 0; i < count; i++) {
        long double value = random_long_double(), back = 0, rounded = 0;
        add(text, sprintf(text, "%.21Lg", value));
        sscanf(text, "%Lf", &back);
        add(&back, 10);
        same += back == value;
        add(text, sprintf(text, "%La", value));
        sscanf(text, "%La", &back);
        add(&back, 10);
        near += back == value;
        add(text, sprintf(text, "%.*Le", (int)(next() % 40), value));
        rounded = strtold(text, NULL);
        add(&rounded, 10);
        if (i % 16 == 0) add(text, sprintf(text, "%.*Lf", (int)(next() % 20), value));
        double plain = (double)value, plain_back = 0;
        add(&plain, 8);
        add(text, sprintf(text, "%.17g %.*g", plain, (int)(next() % 17), plain));
        sscanf(text, "%lf", &plain_back);
        add(&plain_back, 8);
        float narrow = (float)value, narrow_back = strtof(text, NULL);
        add(&narrow, 4);
        add(&narrow_back, 4);
        if ((i + 1) % 10000 == 0) printf("%d %016llx\n", i + 1, (unsigned long long)hash);
    }
    printf("%d of %d and %d are read as they were written\n", same, count, near);
    return 0;
}
