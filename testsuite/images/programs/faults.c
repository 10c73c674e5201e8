// Accesses to bad addresses: what handlers get, and what is left of a process that has none.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int signals;
static void *volatile address;
static volatile int code;

static void catch(int signal, siginfo_t *info, void *context) {
    signals++;
    address = info->si_addr;
    code = info->si_code;
    siglongjmp(back, signal);
}

struct list {
    struct list *next;
    long value;
};

// The names are in the messages.
__attribute__((noinline)) long sum(struct list *list) {
    long sum = 0;
    for (int i = 0; i < 3; i++, list = list->next) sum += list->value;
    return sum;
}

__attribute__((noinline)) void fill(char *at, size_t len) {
    memset(at, 7, len);
}

__attribute__((noinline)) double add(volatile double *a, volatile long double *b) {
    return *a + (double)*b;
}

static struct list two = {NULL, 2}, one = {&two, 1};

static void bad(int which) {
    switch (which) {
        case 0: printf("%ld\n", sum(NULL)); break;
        case 1: printf("%ld\n", sum(&one)); break;
        case 2: fill((char *)8, 1); break;
        case 3: fill((char *)16, 1000); break;
        case 4: printf("%f\n", add((double *)24, NULL)); break;
        case 5: ((void (*)(void))0)(); break;
    }
}

static void handlers(void) {
    struct sigaction action = {.sa_sigaction = catch, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    for (int round = 0; round < 3; round++)
        for (volatile int which = 0; which <= 5; which++) {
            int signal = sigsetjmp(back, 1);
            if (signal == 0)
                bad(which);
            else
                printf("%d: signal %d code %d at %s\n", which, signal, code, address < (void *)4096 ? "the null page" : "?");
        }
    printf("%d signals\n", signals);
}

// A handler on a stack of its own.
static void alternate(void) {
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_sigaction = catch, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    for (volatile int round = 0; round < 100; round++)
        if (sigsetjmp(back, 1) == 0) bad(round % 2);
    printf("%d signals\n", signals);
}

// Each in a process of its own; the others go on.
static void children(void) {
    for (int which = 0; which <= 5; which++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            bad(which);
            _exit(0);
        }
        int status;
        waitpid(pid, &status, 0);
        printf("%d: signal %d\n", which, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }
}

static void give_up(int signal) {
    (void)signal;
    static const char text[] = "a handler that does not come back\n";
    write(1, text, sizeof text - 1);
    _exit(3);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "handlers";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(mode, "handlers")) handlers();
    if (!strcmp(mode, "alternate")) alternate();
    if (!strcmp(mode, "children")) children();
    if (!strcmp(mode, "handler")) {
        signal(SIGSEGV, give_up);
        bad(1);
    }
    if (!strcmp(mode, "null")) bad(1);
    if (!strcmp(mode, "call")) bad(5);
    return 0;
}
