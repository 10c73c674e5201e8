// The program of the example image: shows what it was given, from inside.
//
//   hello                    greets, and says where it runs
//   hello args A B...        prints its arguments
//   hello env                prints its environment
//   hello cat FILE...        prints files
//   hello sha256 < FILE      prints the SHA-256 of standard input (FIPS 180-4)
//   hello exit STATUS        exits with this status
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

// The first 32 bits of the fractional part of a root of a prime: the constants of SHA-256, by integer search.
static uint32_t root_bits(unsigned prime, int degree) {
    // The largest r with r^degree <= prime * 2^(32 * degree).
    unsigned __int128 goal = (unsigned __int128)prime << (degree == 2 ? 64 : 96);
    uint64_t root = 0;
    for (int bit = 36; bit >= 0; bit--) {
        unsigned __int128 trial = root | 1ull << bit;
        // At most 37 bits each: the product of three has 111.
        if ((degree == 2 ? trial * trial : trial * trial * trial) <= goal) root = trial;
    }
    return (uint32_t)root;
}

static void constants(uint32_t start[8], uint32_t round[64]) {
    int count = 0;
    for (unsigned n = 2; count < 64; n++) {
        int is_prime = 1;
        for (unsigned d = 2; d * d <= n; d++) is_prime &= n % d != 0;
        if (!is_prime) continue;
        if (count < 8) start[count] = root_bits(n, 2);
        round[count++] = root_bits(n, 3);
    }
}

static void block(uint32_t state[8], const uint32_t round[64], const unsigned char *bytes) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)bytes[4 * i] << 24 | bytes[4 * i + 1] << 16 | bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t sum1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t sum0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t first = v[7] + sum1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + round[i] + w[i];
        uint32_t second = sum0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += first;
        v[0] = first + second;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

static int sha256(void) {
    static unsigned char buffer[1 << 16];
    uint32_t state[8], round[64];
    uint64_t length = 0;
    size_t count;
    constants(state, round);
    do {
        count = fread(buffer, 1, sizeof buffer - 128, stdin);
        length += count;
        size_t whole = count / 64 * 64;
        for (size_t i = 0; i < whole; i += 64) block(state, round, buffer + i);
        memmove(buffer, buffer + whole, count - whole);
        count -= whole;
    } while (!feof(stdin) && !ferror(stdin));
    buffer[count++] = 0x80;
    while (count % 64 != 56) buffer[count++] = 0;
    for (int i = 7; i >= 0; i--) buffer[count++] = (unsigned char)(length * 8 >> (8 * i));
    for (size_t i = 0; i < count; i += 64) block(state, round, buffer + i);
    for (int i = 0; i < 8; i++) printf("%08x", state[i]);
    puts("");
    return ferror(stdin) ? 1 : 0;
}

static int cat(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        return 1;
    }
    for (int c; (c = getc(file)) != EOF;) putchar(c);
    fclose(file);
    return 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "args")) {
        for (int i = 0; i < argc; i++) printf("%d: %s\n", i, argv[i]);
    } else if (!strcmp(what, "env")) {
        for (char **variable = environ; *variable; variable++) puts(*variable);
    } else if (!strcmp(what, "cat")) {
        int status = 0;
        for (int i = 2; i < argc; i++) status |= cat(argv[i]);
        return status;
    } else if (!strcmp(what, "sha256")) {
        return sha256();
    } else if (!strcmp(what, "exit")) {
        return argc > 2 ? atoi(argv[2]) : 0;
    } else if (argc > 1) {
        fprintf(stderr, "usage: hello [args ARG... | env | cat FILE... | sha256 | exit STATUS]\n");
        return 2;
    } else {
        struct utsname machine;
        char directory[256];
        uname(&machine);
        cat("/etc/greeting");
        printf("a %s program for %s, in %s, process %d\n", machine.sysname, machine.machine,
               getcwd(directory, sizeof directory) ? directory : "?", getpid());
    }
    return 0;
}
