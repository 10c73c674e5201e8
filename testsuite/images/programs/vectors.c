// SSE2 to SSE4.2, by intrinsics: integer and floating-point lanes, shuffles, strings, rounding modes.
#include <fenv.h>
#include <math.h>
#include <nmmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void show(const char *what, __m128i v) {
    uint64_t halves[2];
    memcpy(halves, &v, 16);
    printf("%-10s %016lx%016lx\n", what, (unsigned long)halves[1], (unsigned long)halves[0]);
}
#define PS(v) _mm_castps_si128(v)
#define PD(v) _mm_castpd_si128(v)

int main(void) {
    volatile uint64_t seed[4] = {0x0123456789abcdef, 0xfedcba9876543210, 0x7f80008001ff00aa, 0x55aa33cc0ff0f00f};
    __m128i a = _mm_set_epi64x(seed[0], seed[1]), b = _mm_set_epi64x(seed[2], seed[3]);
    show("paddb", _mm_add_epi8(a, b));
    show("paddsw", _mm_adds_epi16(a, b));
    show("psubusb", _mm_subs_epu8(a, b));
    show("pmullw", _mm_mullo_epi16(a, b));
    show("pmulhuw", _mm_mulhi_epu16(a, b));
    show("pmaddwd", _mm_madd_epi16(a, b));
    show("pmuludq", _mm_mul_epu32(a, b));
    show("pmulld", _mm_mullo_epi32(a, b));
    show("psadbw", _mm_sad_epu8(a, b));
    show("pavgb", _mm_avg_epu8(a, b));
    show("psrad", _mm_srai_epi32(a, 5));
    show("psllq", _mm_sll_epi64(a, _mm_cvtsi32_si128(13)));
    show("pslldq", _mm_slli_si128(a, 3));
    show("pcmpgtb", _mm_cmpgt_epi8(a, b));
    show("pcmpgtq", _mm_cmpgt_epi64(a, b));
    show("packsswb", _mm_packs_epi16(a, b));
    show("packusdw", _mm_packus_epi32(a, b));
    show("punpckhbw", _mm_unpackhi_epi8(a, b));
    show("pshufb", _mm_shuffle_epi8(a, b));
    show("pshufd", _mm_shuffle_epi32(a, 0x1b));
    show("palignr", _mm_alignr_epi8(a, b, 5));
    show("pblendvb", _mm_blendv_epi8(a, b, _mm_cmpgt_epi8(a, b)));
    show("pmovsxbw", _mm_cvtepi8_epi16(a));
    show("phaddw", _mm_hadd_epi16(a, b));
    show("pabsd", _mm_abs_epi32(b));
    show("psignw", _mm_sign_epi16(a, b));
    show("pminsd", _mm_min_epi32(a, b));
    show("phminpos", _mm_minpos_epu16(a));
    show("mpsadbw", _mm_mpsadbw_epu8(a, b, 5));
    show("insertps", PS(_mm_insert_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b), 0x98)));
    printf("movmskb %x ptest %d %d\n", _mm_movemask_epi8(a), _mm_testz_si128(a, b), _mm_testc_si128(a, a));
    printf("crc32 %x popcnt %d\n", (unsigned)_mm_crc32_u64(17, seed[0]), (int)_mm_popcnt_u64(seed[2]));
    __m128i text = _mm_loadu_si128((const __m128i *)"hello, wide worl"), set = _mm_loadu_si128((const __m128i *)"aeiou\0\0\0\0\0\0\0\0\0\0");
    printf("pcmpistri %d %d\n", _mm_cmpistri(set, text, 0), _mm_cmpistri(set, text, _SIDD_CMP_EQUAL_ORDERED));
    show("pcmpistrm", _mm_cmpistrm(set, text, _SIDD_CMP_EQUAL_ANY | _SIDD_UNIT_MASK));
    volatile float f[4] = {1.5f, -2.25f, 3e38f, 1e-40f};
    volatile double d[2] = {0.1, -1e308};
    __m128 x = _mm_set_ps(f[3], f[2], f[1], f[0]), y = _mm_set_ps(f[0], f[2], -f[1], 7);
    __m128d p = _mm_set_pd(d[1], d[0]), q = _mm_set_pd(d[1], 3);
    show("addps", PS(_mm_add_ps(x, y)));
    show("mulps", PS(_mm_mul_ps(x, y)));
    show("divps", PS(_mm_div_ps(x, y)));
    show("sqrtps", PS(_mm_sqrt_ps(x)));
    show("minps", PS(_mm_min_ps(x, _mm_set1_ps(NAN))));
    show("maxps", PS(_mm_max_ps(_mm_set1_ps(NAN), x)));
    show("cmpltps", PS(_mm_cmplt_ps(x, y)));
    show("addpd", PD(_mm_add_pd(p, q)));
    show("addsubpd", PD(_mm_addsub_pd(p, q)));
    show("dpps", PS(_mm_dp_ps(x, y, 0xf1)));
    show("haddpd", PD(_mm_hadd_pd(p, q)));
    show("cvtps2dq", _mm_cvtps_epi32(x));
    show("cvttpd2dq", _mm_cvttpd_epi32(q));
    show("cvtdq2pd", PD(_mm_cvtepi32_pd(a)));
    show("cvtpd2ps", PS(_mm_cvtpd_ps(p)));
    show("roundps", PS(_mm_floor_ps(y)));
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (int i = 0; i < 4; i++) {
        fesetround(modes[i]);
        volatile double third = d[0] / 3, sum = d[0] + 1e-17;
        printf("mode %d: %a %a %ld %ld %.3f\n", i, third, sum, lrint(2.5), lrint(-2.5), 0.0005);
    }
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
    volatile double zero = 0, result = 1 / zero;
    printf("%a flags %d %d\n", result, !!fetestexcept(FE_DIVBYZERO), !!fetestexcept(FE_INVALID));
    printf("%d %ld %d\n", (int)(float)f[2], (long)NAN, (unsigned char)300.7f);
    return 0;
}
