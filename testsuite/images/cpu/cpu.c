// What the processor can do, as GCC's run-time library finds out, and a function in two versions.
#include <immintrin.h>
#include <stdio.h>

static void plain(void) { puts("ifunc: default"); }

__attribute__((target("avx2"))) static void wide(void) {
    volatile int three = 3, five = 5;
    __m256i sum = _mm256_add_epi32(_mm256_set1_epi32(three), _mm256_set1_epi32(five));
    int lanes[8];
    _mm256_storeu_si256((__m256i *)lanes, sum);
    printf("ifunc: 256-bit");
    for (int i = 0; i < 8; i++) printf(" %d", lanes[i]);
    puts("");
}

static void (*resolve(void))(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") ? wide : plain;
}

void chosen(void) __attribute__((ifunc("resolve")));

#define SHOW(name) if (__builtin_cpu_supports(name)) printf(" " name + !any), any = 1

int main(void) {
    int any = 0;
    SHOW("sse4.2");
    SHOW("popcnt");
    SHOW("ssse3");
    SHOW("cmpxchg16b");
    SHOW("avx");
    SHOW("avx2");
    SHOW("fma");
    SHOW("bmi");
    SHOW("bmi2");
    SHOW("lzcnt");
    SHOW("movbe");
    SHOW("f16c");
    SHOW("aes");
    SHOW("avx512f");
    puts("");
    puts(__builtin_cpu_supports("x86-64-v3") ? "x86-64-v3" : __builtin_cpu_supports("x86-64-v2") ? "x86-64-v2" : "less");
    chosen();
    return 0;
}
