// Numerical kernels whose results are printed bit by bit, in float, double and long double; and properties of the arithmetic, after
// W. Kahan's PARANOIA: radix, precision, guard digits, how operations round, where they under- and overflow.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash;

static void add(const void *bytes, size_t count) {
    for (const unsigned char *p = bytes; count--; p++) hash = (hash ^ *p) * 0x100000001b3u;
}

static void show(const char *type, const char *what) {
    printf("%-12s %-24s %016llx\n", type, what, (unsigned long long)hash);
    hash = 0xcbf29ce484222325u;
}

static uint64_t state = 88172645463325252u;

static double uniform(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

enum { N = 1024, M = 48 };

#define KERNELS(T, SIZE, S, SQRT, SIN, COS, EXP, LOG)                                                                  \
    static void fft_##S(T *re, T *im) {                                                                                \
        for (int i = 1, j = 0; i < N; i++) {                                                                           \
            int bit = N >> 1;                                                                                          \
            for (; j & bit; bit >>= 1) j ^= bit;                                                                       \
            j ^= bit;                                                                                                  \
            if (i < j) {                                                                                               \
                T t = re[i]; re[i] = re[j]; re[j] = t;                                                                 \
                t = im[i]; im[i] = im[j]; im[j] = t;                                                                   \
            }                                                                                                          \
        }                                                                                                              \
        for (int len = 2; len <= N; len <<= 1) {                                                                       \
            T angle = (T)-6.283185307179586476925L / len, wr = COS(angle), wi = SIN(angle);                            \
            for (int i = 0; i < N; i += len) {                                                                         \
                T cr = 1, ci = 0;                                                                                      \
                for (int k = 0; k < len / 2; k++) {                                                                    \
                    T *ar = re + i + k, *ai = im + i + k, *br = ar + len / 2, *bi = ai + len / 2;                      \
                    T xr = *br * cr - *bi * ci, xi = *br * ci + *bi * cr;                                              \
                    *br = *ar - xr; *bi = *ai - xi; *ar += xr; *ai += xi;                                              \
                    T t = cr * wr - ci * wi; ci = cr * wi + ci * wr; cr = t;                                           \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void kernels_##S(const char *type) {                                                                        \
        static T re[N], im[N], a[M][M], b[M][M], c[M][M];                                                              \
        for (int i = 0; i < N; i++) re[i] = (T)(uniform() - 0.5), im[i] = (T)(uniform() - 0.5);                        \
        fft_##S(re, im);                                                                                               \
        for (int i = 0; i < N; i++) add(re + i, SIZE), add(im + i, SIZE);                                              \
        show(type, "FFT");                                                                                             \
        for (int i = 0; i < M; i++)                                                                                    \
            for (int j = 0; j < M; j++) a[i][j] = (T)(uniform() - 0.5), b[i][j] = (T)(uniform() * 1e-3);               \
        for (int i = 0; i < M; i++)                                                                                    \
            for (int j = 0; j < M; j++) {                                                                              \
                c[i][j] = 0;                                                                                           \
                for (int k = 0; k < M; k++) c[i][j] += a[i][k] * b[k][j];                                              \
                add(&c[i][j], SIZE);                                                                                   \
            }                                                                                                          \
        show(type, "matrix product");                                                                                  \
        for (int k = 0; k < M; k++)                                                                                    \
            for (int i = k + 1; i < M; i++) {                                                                          \
                T factor = a[i][k] /= a[k][k];                                                                         \
                for (int j = k + 1; j < M; j++) a[i][j] -= factor * a[k][j];                                           \
            }                                                                                                          \
        for (int i = 0; i < M; i++)                                                                                    \
            for (int j = 0; j < M; j++) add(&a[i][j], SIZE);                                                           \
        show(type, "LU decomposition");                                                                                \
        T x[3] = {1, 0, 0}, v[3] = {0, (T)0.8, (T)0.3};                                                                \
        for (int step = 0; step < 20000; step++) {                                                                     \
            T r2 = x[0] * x[0] + x[1] * x[1] + x[2] * x[2], f = (T)0.001 / (r2 * SQRT(r2));                            \
            for (int i = 0; i < 3; i++) v[i] -= f * x[i], x[i] += v[i] * (T)0.001;                                     \
            if (step % 100 == 0) for (int i = 0; i < 3; i++) add(x + i, SIZE);                                         \
        }                                                                                                              \
        show(type, "orbit");                                                                                           \
        T sum = 0;                                                                                                     \
        for (int i = 1; i < 20000; i++) {                                                                              \
            T y = (T)i * (T)0.37;                                                                                      \
            sum += SIN(y) * EXP(-y / 1000) + LOG(y) / (T)i;                                                            \
            add(&sum, SIZE);                                                                                           \
        }                                                                                                              \
        show(type, "sin, exp, log");                                                                                   \
    }                                                                                                                  \
    static void properties_##S(const char *type) {                                                                     \
        volatile T one = 1, w = 1, y, z, radix, ulp, x;                                                                \
        do { w += w; y = w + one; z = y - w; } while (z - one == 0);                                                   \
        radix = 0;                                                                                                     \
        for (y = 1; radix == 0; y += y) { radix = w + y; radix -= w; }                                                 \
        int digits = 0;                                                                                                \
        w = 1;                                                                                                         \
        do { digits++; w *= radix; y = w + one; y -= w; } while (y == one);                                            \
        ulp = radix / w;                                                                                                 \
        volatile T below = one - ulp / 2, half = one / 2, nine = 9, two = 2, three = 3;                                    \
        int guard = (one - below) * radix == ulp && (below - half) + (half - one) == -ulp / 2;                     \
        x = one + ulp;                                                                                                 \
        int even = one + ulp / 2 == one && x + ulp / 2 != x;                                                           \
        int sticky = (one + ulp * (half + ulp)) != one;                                                                \
        volatile T third = one / three, root = SQRT(nine), tiny = one, huge = one, last;                               \
        while (tiny / 2 != 0) tiny /= 2;                                                                               \
        do { last = huge; huge *= 2; } while (huge / 2 == last);                                                       \
        printf("%-12s radix %g, %d digits, guard %d, even %d, sticky %d, 1/3*3 %d, sqrt %d, gradual %d\n", type, (double)radix, \
               digits, guard, even, sticky, third * three == one, root == three && SQRT(two) * SQRT(two) != two,       \
               tiny + tiny != tiny && (tiny * 3 - tiny * 2) == tiny);                                                  \
        add((void *)&tiny, SIZE), add((void *)&last, SIZE), add((void *)&huge, SIZE), add((void *)&ulp, SIZE);         \
        volatile T infinity = huge - 0, nan = infinity - infinity, zero = 0, minus = -zero;                            \
        T results[] = {nan, infinity * zero, zero / zero, one / minus, SQRT(minus), -nan, infinity + one, fmax(nan, one), minus + zero}; \
        for (int i = 0; i < 9; i++) add(results + i, SIZE);                                                            \
        show(type, "limits, special cases");                                                                           \
        for (int i = 0; i < 20000; i++) {                                                                              \
            volatile T p = (T)(uniform() * 4 - 2), q = (T)(uniform() * 1e-4 + 1e-5);                                   \
            T all[] = {p + q, p - q, p * q, p / q, SQRT(q), (T)(int)(p * 1000), (T)(long long)(p / q), p < q ? p : q, (T)(float)p, (T)(double)q}; \
            for (int k = 0; k < 10; k++) add(all + k, SIZE);                                                           \
        }                                                                                                              \
        show(type, "operations");                                                                                      \
    }

KERNELS(float, 4, f, sqrtf, sinf, cosf, expf, logf)
KERNELS(double, 8, d, sqrt, sin, cos, exp, log)
KERNELS(long double, 10, l, sqrtl, sinl, cosl, expl, logl)

int main(void) {
    hash = 0xcbf29ce484222325u;
    kernels_f("float");
    kernels_d("double");
    kernels_l("long double");
    properties_f("float");
    properties_d("double");
    properties_l("long double");
    return 0;
}
