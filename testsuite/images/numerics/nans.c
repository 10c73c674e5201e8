// NaNs through arithmetic: which of two comes out, made quiet, or the default one. In loops and in straight lines, one at a time and several; the
// bits of all results. Wasm leaves them to its host, an x86 processor does not.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { N = 12 };

#define COUNT(a) (sizeof(a) / sizeof *(a))

static uint64_t hash = 0xcbf29ce484222325u;

static void add(const void *bytes, size_t count) {
    for (const unsigned char *p = bytes; count--; p++) hash = (hash ^ *p) * 0x100000001b3u;
}

static void show(const char *type, const char *what, const void *last, size_t size) {
    uint64_t bits = 0;
    memcpy(&bits, last, size);
    printf("%-6s %-22s %016llx %016llx\n", type, what, (unsigned long long)hash, (unsigned long long)bits);
}

static const uint64_t doubles[N] = {
    0x7ff8000000000001, 0xfff8000000000002, 0x7ff4000000000003, 0xfff0000000000004, 0x7ff0000000000000, 0xfff0000000000000,
    0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xc008000000000000, 0x7fefffffffffffff, 0x0000000000000001};
static const uint32_t floats[N] = {0x7fc00001, 0xffc00002, 0x7fa00003, 0xff800004, 0x7f800000, 0xff800000,
                                   0x00000000, 0x80000000, 0x3f800000, 0xc0400000, 0x7f7fffff, 0x00000001};

#define PAIRS(T, NAME, EXPRESSION)                                                                                                 \
    __attribute__((noinline)) static void NAME##_##T(T *to, const T *from, T b, int count) {                                       \
        for (int i = 0; i < count; i++) {                                                                                          \
            T a = from[i];                                                                                                         \
            to[i] = EXPRESSION;                                                                                                    \
        }                                                                                                                          \
    }                                                                                                                              \
    __attribute__((noinline)) static T NAME##_one_##T(T a, T b) { return EXPRESSION; }

#define TESTS(T, SQRT)                                                                                                             \
    PAIRS(T, sum, a + b)                                                                                                           \
    PAIRS(T, reversed_sum, b + a)                                                                                                  \
    PAIRS(T, difference, a - b)                                                                                                    \
    PAIRS(T, product, a * b)                                                                                                       \
    PAIRS(T, quotient, a / b)                                                                                                      \
    PAIRS(T, root, SQRT(a) + b)                                                                                                    \
    PAIRS(T, polynomial, ((a * b + a) * b - a) * a + b)                                                                            \
    PAIRS(T, negative, -(a * b) - b)                                                                                               \
    __attribute__((noinline)) static T dot_##T(const T *a, const T *b, int count) {                                                \
        T dot = 0;                                                                                                                 \
        for (int i = 0; i < count; i++) dot += a[i] * b[i];                                                                        \
        return dot;                                                                                                                \
    }                                                                                                                              \
    __attribute__((noinline)) static void matrix_##T(T (*c)[N], T (*a)[N], T (*b)[N]) {                                            \
        for (int i = 0; i < N; i++)                                                                                                \
            for (int j = 0; j < N; j++) {                                                                                          \
                T sum = 0;                                                                                                         \
                for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];                                                              \
                c[i][j] = sum;                                                                                                     \
            }                                                                                                                      \
    }                                                                                                                              \
    __attribute__((noinline)) static int larger_##T(const T *a, T b, int count) {                                                  \
        int larger = 0;                                                                                                            \
        for (int i = 0; i < count; i++) larger = 2 * larger + (a[i] - b > b);                                                      \
        return larger;                                                                                                             \
    }                                                                                                                              \
    static void all_##T(const T *values) {                                                                                         \
        T to[N], a[N][N], b[N][N], c[N][N];                                                                                        \
        static const struct {                                                                                                      \
            const char *name;                                                                                                      \
            void (*many)(T *, const T *, T, int);                                                                                  \
            T (*one)(T, T);                                                                                                        \
        } pairs[] = {                                                                                                              \
            {"sum", sum_##T, sum_one_##T},                                                                                         \
            {"reversed sum", reversed_sum_##T, reversed_sum_one_##T},                                                              \
            {"difference", difference_##T, difference_one_##T},                                                                    \
            {"product", product_##T, product_one_##T},                                                                             \
            {"quotient", quotient_##T, quotient_one_##T},                                                                          \
            {"root", root_##T, root_one_##T},                                                                                      \
            {"polynomial", polynomial_##T, polynomial_one_##T},                                                                    \
            {"negative", negative_##T, negative_one_##T},                                                                          \
        };                                                                                                                         \
        for (size_t p = 0; p < COUNT(pairs); p++)                                                                                  \
            for (int i = 0; i < N; i++) {                                                                                          \
                pairs[p].many(to, values, values[i], N);                                                                           \
                add(to, sizeof to);                                                                                                \
                T one = 0;                                                                                                         \
                for (int j = 0; j < N; j++) one = pairs[p].one(values[i], values[j]), add(&one, sizeof one);                       \
                show(#T, pairs[p].name, &one, sizeof one);                                                                         \
            }                                                                                                                      \
        for (int i = 0; i < N; i++)                                                                                                \
            for (int j = 0; j < N; j++) a[i][j] = i % 3 ? 1 : values[(i + j) % N], b[i][j] = j % 3 == i % 3 ? values[(i * j) % N] : -2; \
        matrix_##T(c, a, b);                                                                                                       \
        add(c, sizeof c);                                                                                                          \
        show(#T, "matrix product", &c[0][0], sizeof c[0][0]);                                                                      \
        for (int i = 1; i <= N; i++) {                                                                                             \
            T dot = dot_##T(values, a[i - 1], i);                                                                                  \
            add(&dot, sizeof dot);                                                                                                 \
            show(#T, "dot product", &dot, sizeof dot);                                                                             \
            int larger = larger_##T(values, values[i - 1], N);                                                                     \
            show(#T, "comparisons", &larger, sizeof larger);                                                                       \
        }                                                                                                                          \
    }

TESTS(double, sqrt)
TESTS(float, sqrtf)

__attribute__((noinline)) static void narrow(float *to, const double *from, int count) {
    for (int i = 0; i < count; i++) to[i] = (float)from[i];
}

__attribute__((noinline)) static void widen(double *to, const float *from, int count) {
    for (int i = 0; i < count; i++) to[i] = from[i];
}

int main(void) {
    double d[N];
    float f[N];
    memcpy(d, doubles, sizeof d);
    memcpy(f, floats, sizeof f);
    all_double(d);
    all_float(f);
    double wide[N];
    float small[N];
    narrow(small, d, N);
    widen(wide, f, N);
    for (int i = 0; i < N; i++) show("float", "narrowed", small + i, sizeof *small), show("double", "widened", wide + i, sizeof *wide);
    return 0;
}
