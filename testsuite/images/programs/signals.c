// Exceptions and signals in one process: handlers, alternative stacks, siglongjmp out of a handler, masks, the default action.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf again;
static volatile int seen;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    printf("signal %d code %d\n", number, info->si_code);
    siglongjmp(again, number);
}

static void on_user(int number) { seen += number == SIGUSR1 ? 1 : 100; }

static char *volatile frame;

static void on_alternative(int number) {
    char here = (char)number;
    frame = &here;
    siglongjmp(again, 1);
}

int main(int argc, char **argv) {
    (void)argv;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    const int faults[] = {SIGFPE, SIGILL, SIGTRAP};
    for (int i = 0; i < 3; i++) sigaction(faults[i], &action, NULL);
    volatile int zero = 0;
    if (!sigsetjmp(again, 1)) {
        int quotient = 1;
        // The compiler must not see what is divided.
        __asm__ volatile("cltd; idivl %1" : "+a"(quotient) : "m"(zero) : "edx");
        printf("%d\n", quotient);
    }
    if (!sigsetjmp(again, 1)) __asm__ volatile("ud2");
    if (!sigsetjmp(again, 1)) __asm__ volatile("int3");
    signal(SIGUSR1, on_user);
    signal(SIGUSR2, on_user);
    raise(SIGUSR1);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR2);
    printf("blocked: %d\n", seen);
    sigset_t pending;
    sigpending(&pending);
    printf("pending: %d\n", sigismember(&pending, SIGUSR2));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("unblocked: %d\n", seen);
    stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    sigaltstack(&stack, NULL);
    struct sigaction on_stack = {.sa_handler = on_alternative, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &on_stack, NULL);
    if (!sigsetjmp(again, 1)) raise(SIGUSR1);
    printf("alternative stack: %d\n", frame >= (char *)stack.ss_sp && frame < (char *)stack.ss_sp + stack.ss_size);
    fflush(stdout);
    if (argc > 1) abort();
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return 0;
}
