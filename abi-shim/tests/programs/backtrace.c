// Aborts deep within, in a handler or not, and prints before that who called whom, as libgcc's unwinder finds it: backtrace(3).
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile int depth;

__attribute__((noinline)) static void give_up(void) {
    void *pcs[64];
    int count = backtrace(pcs, 64);
    // The first is here, where abort(3) is called from elsewhere.
    for (int i = 1; i < count; i++) printf("%p\n", pcs[i]);
    fflush(stdout);
    abort();
}

static void handle(int signal) {
    give_up();
    depth++;
}

// A frame whose size is not known before.
__attribute__((noinline)) int go_down(int rounds, const char *how) {
    char space[rounds * 16 + 1];
    memset(space, rounds, sizeof space);
    if (rounds) return go_down(rounds - 1, how) + space[depth];
    if (!strcmp(how, "handler")) raise(SIGUSR1);
    else give_up();
    return space[depth];
}

int main(int argc, char **argv) {
    signal(SIGUSR1, handle);
    return go_down(5, argc > 1 ? argv[1] : "");
}
