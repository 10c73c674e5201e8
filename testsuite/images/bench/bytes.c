/* memcpy, strlen and memchr with SSE2, as a library writes them. */
#include <emmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static void copy(char *to, const char *from, size_t count) {
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        __m128i a = _mm_loadu_si128((const __m128i *)(from + i)), b = _mm_loadu_si128((const __m128i *)(from + i + 16));
        __m128i c = _mm_loadu_si128((const __m128i *)(from + i + 32)), d = _mm_loadu_si128((const __m128i *)(from + i + 48));
        _mm_storeu_si128((__m128i *)(to + i), a), _mm_storeu_si128((__m128i *)(to + i + 16), b);
        _mm_storeu_si128((__m128i *)(to + i + 32), c), _mm_storeu_si128((__m128i *)(to + i + 48), d);
    }
    for (; i < count; i++) to[i] = from[i];
}

/* The block that holds the first byte, then whole blocks. */
__attribute__((noinline)) static const char *find(const char *text, char byte) {
    const __m128i wanted = _mm_set1_epi8(byte);
    const char *block = (const char *)((uintptr_t)text & -16);
    unsigned found = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128((const __m128i *)block), wanted));
    found &= ~0u << ((uintptr_t)text & 15);
    while (!found) found = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128((const __m128i *)(block += 16)), wanted));
    return block + __builtin_ctz(found);
}

static size_t length(const char *text) { return find(text, 0) - text; }

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 12000;
    size_t size = 1 << 18, sum = 0;
    char *a = malloc(size + 64), *b = malloc(size + 64);
    memset(a, 'a', size);
    a[size - 100] = 'z', a[size - 1] = 0;
    for (int i = 0; i < rounds; i++) {
        copy(b + i % 16, a, size);
        sum += length(b + i % 16) + (find(b + i % 16 + i % 1000, 'z') - b);
        for (int k = 0; k < 2000; k++) sum += find(a + size - 100 - k % 40, 'z') - a, sum += length(a + size - 1 - k % 90);
    }
    printf("%zu\n", sum);
    return 0;
}
