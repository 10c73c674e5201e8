/* Tasks that make no system calls while another has something to do, of which they wait to hear: in a loop, in a loop that calls, in the main
 * thread, in another process, and in a loop that a timer's handler ends. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int go, done;
static volatile int counted, ticks;

static __attribute__((noinline)) void leaf(volatile int *p) { (*p)++; }

static void *loops(void *unused) {
    while (!atomic_load(&go))
        ;
    atomic_fetch_add(&done, 1);
    return unused;
}

static void *calls(void *unused) {
    volatile int n = 0;
    while (!atomic_load(&go))
        leaf(&n);
    atomic_fetch_add(&done, 1);
    return unused;
}

static void *ends(void *unused) {
    usleep(20000);
    atomic_fetch_add(&done, 1);
    return unused;
}

static void ticked(int signal) {
    (void)signal;
    ticks++;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    pthread_t threads[2];
    if (!strcmp(what, "threads")) {
        pthread_create(&threads[0], NULL, loops, NULL);
        pthread_create(&threads[1], NULL, calls, NULL);
        usleep(20000);
        atomic_store(&go, 1);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        printf("%d threads saw it\n", done);
    } else if (!strcmp(what, "main")) {
        pthread_create(&threads[0], NULL, ends, NULL);
        while (!atomic_load(&done))
            ;
        pthread_join(threads[0], NULL);
        puts("the main thread saw it");
    } else if (!strcmp(what, "timer")) {
        const struct itimerval every = {{0, 20000}, {0, 20000}};
        signal(SIGALRM, ticked);
        setitimer(ITIMER_REAL, &every, NULL);
        while (ticks < 3)
            ;
        while (ticks < 6)
            leaf(&counted);
        puts("six ticks");
    } else if (!strcmp(what, "kill")) {
        const pid_t child = fork();
        if (!child)
            for (;;)
                ;
        usleep(30000);
        kill(child, SIGTERM);
        int status;
        wait(&status);
        printf("ended by signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    } else if (!strcmp(what, "processes")) {
        int status, sum = 0;
        for (int i = 0; i < 4; i++)
            if (!fork()) {
                for (volatile long j = 0; j < 3000000; j++)
                    ;
                _exit(i);
            }
        while (wait(&status) > 0)
            sum += WEXITSTATUS(status);
        printf("statuses: %d in all\n", sum);
    }
    return 0;
}
