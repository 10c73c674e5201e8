// setjmp and longjmp across frames, within signal handlers' masks, many times, and with values in registers that are kept.
#include <setjmp.h>
#include <stdio.h>

static jmp_buf outer, inner;

__attribute__((noinline)) static void deep(int n, int value) {
    volatile char frame[100];
    frame[n % 100] = (char)n;
    if (n == 0) longjmp(outer, value);
    deep(n - 1, value + frame[n % 100] - (char)n);
    puts("never reached");
}

int main(void) {
    for (volatile int value = 0; value < 4; value++) {
        int result = setjmp(outer);
        if (result == 0) {
            deep(1000, value);
        }
        // longjmp with 0 makes setjmp return 1.
        printf("value %d: setjmp returned %d\n", value, result);
    }
    volatile long sum = 0;
    volatile int count = 0;
    if (setjmp(inner) < 100000) {
        count++;
        sum += count;
        if (count < 100000) longjmp(inner, count);
    }
    printf("%d jumps, sum %ld\n", count, sum);
    // Two buffers: out of one frame, then back into the other's.
    volatile int turns = 0;
    if (setjmp(outer) == 0 || turns < 10) {
        turns++;
        if (setjmp(inner) == 0) longjmp(inner, 5);
        if (turns < 10) longjmp(outer, 1);
    }
    printf("%d turns\n", turns);
    return 0;
}
