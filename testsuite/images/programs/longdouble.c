// printf, scanf and arithmetic of long double: x87's 80 bits.
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void show(const char *what, long double value) { printf("%-12s %.20Lg %La\n", what, value, value); }

int main(void) {
    volatile long double one = 1, three = 3, ten = 10;
    show("1/3", one / three);
    show("pi", acosl(-1));
    show("sqrt 2", sqrtl(2));
    show("max", LDBL_MAX);
    show("min", LDBL_MIN);
    show("denormal", LDBL_MIN / 1024);
    show("epsilon", LDBL_EPSILON);
    show("inf", one / 0);
    show("nan", -(one - one) / 0);
    show("1e4000", powl(ten, 4000));
    show("exp 1", expl(1));
    show("log 10", logl(ten));
    show("sin 1", sinl(1));
    show("atan2", atan2l(1, -2));
    show("fmod", fmodl(1e30L, three));
    show("rint", rintl(2.5L));
    show("cbrt", cbrtl(ten));
    show("strtold", strtold("0x1.23456789abcdefp-100", NULL));
    long double read;
    double plain;
    float narrow;
    const char *texts[] = {"3.14159265358979323846264338327950288 2.5 1e-40", "-1e-4950 1e308 3.4e38", "inf nan -0"};
    for (int i = 0; i < 3; i++) {
        int count = sscanf(texts[i], "%Lf %lf %f", &read, &plain, &narrow);
        printf("%d: %.25Lg %.17g %.9g\n", count, read, plain, narrow);
    }
    volatile long double big = 1e18L;
    printf("%lld %llu %d\n", (long long)(big * 9), (unsigned long long)(big * 18), (int)-1.9L);
    printf("%d %d %d\n", isnan(one / three), signbit(-0.0L), fpclassify(LDBL_MIN / 2) == FP_SUBNORMAL);
    long double sum = 0;
    for (int i = 1; i <= 100000; i++) sum += one / i;
    show("harmonic", sum);
    return 0;
}
