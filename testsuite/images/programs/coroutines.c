// swapcontext: two generators and a consumer, 100,000 switches.
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#define SWITCHES 100000
#define STACK (64 << 10)

static ucontext_t consumer, producers[2];
static unsigned long passed;

static void produce(int which, int unused) {
    (void)unused;
    unsigned long state = which + 1;
    double fraction = which;
    for (;;) {
        state = state * 6364136223846793005ul + 1442695040888963407ul;
        fraction = fraction / 2 + 1;
        passed = (state >> 33) + (unsigned long)(fraction * 16);
        swapcontext(&producers[which], &consumer);
    }
}

static void finish(void) { puts("a context that ends goes on at its link"); }

int main(void) {
    for (int i = 0; i < 2; i++) {
        getcontext(&producers[i]);
        producers[i].uc_stack.ss_sp = malloc(STACK);
        producers[i].uc_stack.ss_size = STACK;
        producers[i].uc_link = NULL;
        makecontext(&producers[i], (void (*)(void))produce, 2, i, 0);
    }
    unsigned long hash = 0;
    for (int i = 0; i < SWITCHES / 2; i++) {
        swapcontext(&consumer, &producers[i * 7 % 3 % 2]);
        hash = hash * 31 + passed;
    }
    printf("%d switches, hash %lx\n", SWITCHES, hash);
    ucontext_t last;
    getcontext(&last);
    last.uc_stack.ss_sp = malloc(STACK);
    last.uc_stack.ss_size = STACK;
    last.uc_link = &consumer;
    makecontext(&last, finish, 0);
    swapcontext(&consumer, &last);
    puts("end");
    return 0;
}
