// Tasks that make no system calls while they wait for each other, and for a timer.
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int rang;

static void handler(int signal) { rang++; }

int main(void) {
    volatile int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        for (int turn = 1; turn < 20; turn += 2) {
            while (*shared != turn);
            *shared = turn + 1;
        }
        _exit(5);
    }
    for (int turn = 0; turn < 20; turn += 2) {
        while (*shared != turn);
        *shared = turn + 1;
    }
    int status;
    waitpid(child, &status, 0);
    printf("%d %d\n", *shared, WEXITSTATUS(status));
    signal(SIGALRM, handler);
    alarm(1);
    while (!rang);
    printf("rang %d\n", rang);
    return 0;
}
