// Computed goto: the inner loop of a bytecode interpreter, with labels' addresses in tables, on the stack and as differences.
#include <stdio.h>

enum { PUSH, ADD, MUL, SUB, DUP, SWAP, JNZ, PRINT, HALT };

static long run(const int *code) {
    static const void *const labels[] = {&&push, &&add, &&mul, &&sub, &&dup, &&swap, &&jnz, &&print, &&halt};
    long stack[64], *top = stack, steps = 0;
    const int *pc = code;
#define NEXT do { steps++; goto *labels[*pc++]; } while (0)
    NEXT;
push: *top++ = *pc++; NEXT;
add: top--; top[-1] += *top; NEXT;
mul: top--; top[-1] *= *top; NEXT;
sub: top--; top[-1] -= *top; NEXT;
dup: top[0] = top[-1]; top++; NEXT;
swap: { long old = top[-1]; top[-1] = top[-2]; top[-2] = old; } NEXT;
jnz: { int to = *pc++; if (top[-1]) pc = code + to; } NEXT;
print: printf("%ld\n", *--top); NEXT;
halt: return steps;
}

static int offsets(int n) {
    static const int table[] = {&&zero - &&zero, &&one - &&zero, &&two - &&zero};
    void *volatile target = &&zero + table[n];
    goto *target;
zero: return 100;
one: return 101;
two: return 102;
}

static int dense(unsigned n) {
    switch (n) {
        case 0: return 5;
        case 1: return n + 17;
        case 2: return n * 31;
        case 3: return puts("three");
        case 4: return n << 9;
        case 5: return n ^ 99;
        case 7: return -7;
        case 9: return 1 << n;
        case 100: return 1;
        case 101: return 2;
        default: return 0;
    }
}

int main(void) {
    // 1 * 3 + 1 ... : counts down from 200000.
    static const int code[] = {PUSH, 0, PUSH, 200000, SWAP, PUSH, 3, ADD, PUSH, 7, MUL, PUSH, 1, SUB, PUSH, 1000003, SWAP, SUB,
                               SWAP, PUSH, 1, SUB, JNZ, 4, HALT};
    static const int last[] = {PUSH, 6, DUP, MUL, DUP, PRINT, PUSH, 6, ADD, PRINT, HALT};
    printf("%ld steps\n", run(code));
    printf("%ld steps\n", run(last));
    for (int n = 0; n < 3; n++) printf("%d\n", offsets(n));
    for (unsigned n = 0; n < 12; n++) printf("%d\n", dense(n));
    printf("%d %d %d\n", dense(100), dense(101), dense(-1u));
    return 0;
}
