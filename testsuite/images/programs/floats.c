// What MXCSR asks of SSE arithmetic: rounding modes, denormals as zeros, flushing to zero, sticky flags, exceptions that are not masked; and
// that all of it survives calls, handlers and threads.
#define _GNU_SOURCE
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <xmmintrin.h>

static volatile double zero = 0, one = 1, three = 3, ten = 10, huge = 1e308, tiny = 1e-308, least = 4.9e-324;
static volatile float three_f = 3, tiny_f = 1e-38f;

static const char *flags(void) {
    static char text[32];
    int raised = fetestexcept(FE_ALL_EXCEPT);
    sprintf(text, "%s%s%s%s%s", raised & FE_INVALID ? "I" : "-", raised & FE_DIVBYZERO ? "Z" : "-", raised & FE_OVERFLOW ? "O" : "-",
        raised & FE_UNDERFLOW ? "U" : "-", raised & FE_INEXACT ? "P" : "-");
    return text;
}

__attribute__((noinline)) static double sum(int n) {
    double total = 0;
    for (int i = 1; i <= n; i++) total += 1 / (double)i;
    return total;
}

static void *in_thread(void *argument) {
    (void)argument;
    printf("thread: mode %d %a %s\n", fegetround(), sum(100), flags());
    return NULL;
}

static sigjmp_buf again;
static void on_fault(int number, siginfo_t *info, void *context) {
    ucontext_t *where = context;
    unsigned at = where->uc_mcontext.fpregs->mxcsr;
    printf("signal %d code %d mxcsr %x, in the handler %x\n", number, info->si_code, at, _mm_getcsr());
    siglongjmp(again, 1);
}

int main(void) {
    volatile double start = one / three;
    printf("before anything is cleared: %s\n", flags());
    feclearexcept(FE_ALL_EXCEPT);
    printf("cleared: %s\n", flags());
    start = one + one;
    printf("exact: %s\n", flags());
    start = one / three;
    printf("%a %s\n", start, flags());
    start = one / zero;
    printf("%a %s\n", start, flags());
    start = huge * ten;
    printf("%a %s\n", start, flags());
    start = tiny / ten;
    printf("%a %s\n", start, flags());
    start = zero / zero;
    printf("%a %s\n", start, flags());
    feclearexcept(FE_ALL_EXCEPT);
    printf("%d %s\n", (int)(start = 3e10), flags());

    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (int i = 0; i < 4; i++) {
        fesetround(modes[i]);
        volatile float third = one / three_f;
        printf("mode %d: %a %a %a %a %a\n", i, one / three, -one / three, third, sum(1000), sqrt(three));
        printf("  %ld %ld %g %g %.3f %a\n", lrint(2.5), lrint(-2.5), rint(0.3), nearbyint(-0.7), 0.0005, strtod("0.1", NULL));
        // What else libm has depends on the processor: it chooses between variants with and without FMA.
        printf("  %a %a\n", fma(one / three, three, -one), fma(huge, three, -huge));
    }
    pthread_t thread;
    fesetround(FE_UPWARD);
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    fesetround(FE_TONEAREST);

    fenv_t kept;
    feclearexcept(FE_ALL_EXCEPT);
    start = one / three;
    feholdexcept(&kept);
    start = one / zero;
    printf("held: %s\n", flags());
    fesetenv(&kept);
    printf("as before: %s\n", flags());

    _mm_setcsr(_mm_getcsr() | 0x8040);
    printf("flushed: %a %a %a %a\n", tiny / ten, least * ten, (double)(tiny_f / three_f), least + zero);
    _mm_setcsr(0x1f80);
    printf("not flushed: %a %a %a\n", tiny / ten, least * ten, (double)(tiny_f / three_f));

    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGFPE, &action, NULL);
    const int unmasked[] = {FE_INVALID, FE_DIVBYZERO, FE_OVERFLOW, FE_UNDERFLOW, FE_INEXACT};
    for (int i = 0; i < 5; i++) {
        if (!sigsetjmp(again, 1)) {
            fesetenv(FE_DFL_ENV);
            feenableexcept(unmasked[i]);
            start = one / three;
            start = tiny / three;
            start = huge * huge;
            start = one / zero;
            start = zero / zero;
            printf("no signal\n");
        }
    }
    // The x87 raises what is pending before its next instruction.
    volatile long double extended = 1, nothing = 0;
    if (!sigsetjmp(again, 1)) {
        fesetenv(FE_DFL_ENV);
        feenableexcept(FE_DIVBYZERO);
        extended = extended / nothing;
        extended = extended + 1;
        printf("no signal\n");
    }
    fesetenv(FE_DFL_ENV);
    printf("the end: %a %s\n", sum(100), flags());
    return 0;
}
