// Much of everything: what goes wrong only once in a while, or leaves something behind each time.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check(int good, const char *what) {
    if (good) return;
    printf("%s (errno %d)\n", what, errno);
    exit(1);
}

// ---- Processes that pass bytes around

enum { MEMBERS = 64, CHUNK = 60000 };

static void pass(int in, int out, uint64_t total) {
    static char buffer[CHUNK];
    uint64_t done = 0;
    while (done < total) {
        ssize_t count = read(in, buffer, sizeof buffer);
        check(count > 0, "read");
        for (ssize_t at = 0; at < count;) {
            ssize_t written = write(out, buffer + at, count - at);
            check(written > 0, "write");
            at += written;
        }
        done += count;
    }
    check(done == total, "too much");
}

// Bytes go once around; each is the low byte of its number's square.
static void ring(uint64_t total) {
    int first[2], in, next[2];
    check(!pipe(first), "pipe");
    in = first[0];
    for (int member = 1; member < MEMBERS; member++) {
        check(!pipe(next), "pipe");
        pid_t pid = fork();
        check(pid >= 0, "fork");
        if (pid == 0) {
            close(first[1]);
            close(next[0]);
            pass(in, next[1], total);
            _exit(0);
        }
        close(in);
        close(next[1]);
        in = next[0];
    }
    pid_t writer = fork();
    if (writer == 0) {
        char buffer[5000];
        for (uint64_t at = 0; at < total; at += sizeof buffer) {
            for (uint64_t i = 0; i < sizeof buffer; i++) buffer[i] = (at + i) * (at + i);
            for (size_t done = 0; done < sizeof buffer;) {
                ssize_t count = write(first[1], buffer + done, sizeof buffer - done);
                check(count > 0, "write");
                done += count;
            }
        }
        _exit(0);
    }
    close(first[1]);
    char buffer[CHUNK];
    uint64_t done = 0, wrong = 0;
    for (ssize_t count; (count = read(in, buffer, sizeof buffer)) > 0; done += count)
        for (ssize_t i = 0; i < count; i++) wrong += (char)((done + i) * (done + i)) != buffer[i];
    int status, bad = 0;
    while (wait(&status) > 0) bad += status != 0;
    printf("%llu bytes, %llu wrong, %d processes failed\n", (unsigned long long)done, (unsigned long long)wrong, bad);
}

// ---- Threads that hand over to each other

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t *turns;
static int threads;
static long turn, last, taken[1000];

static void *take_turns(void *number) {
    long own = (long)number;
    pthread_mutex_lock(&mutex);
    while (1) {
        while (turn < last && turn % threads != own) pthread_cond_wait(&turns[own], &mutex);
        if (turn >= last) break;
        taken[own]++;
        turn++;
        pthread_cond_signal(&turns[turn % threads]);
    }
    for (int i = 0; i < threads; i++) pthread_cond_signal(&turns[i]);
    pthread_mutex_unlock(&mutex);
    return (void *)taken[own];
}

static void hand_over(int count, long times) {
    pthread_t ids[count];
    threads = count;
    last = times;
    turns = calloc(count, sizeof *turns);
    for (long i = 0; i < count; i++) check(!pthread_create(&ids[i], 0, take_turns, (void *)i), "pthread_create");
    long sum = 0, least = times, most = 0;
    for (int i = 0; i < count; i++) {
        void *result;
        pthread_join(ids[i], &result);
        sum += (long)result;
        if ((long)result < least) least = (long)result;
        if ((long)result > most) most = (long)result;
    }
    printf("%ld turns, %ld to %ld each\n", sum, least, most);
}

// All wait for one condition: who gets it is anybody's guess, that all are served is not.
static long tokens, eaten;

static void *eat(void *unused) {
    pthread_mutex_lock(&mutex);
    while (1) {
        while (tokens == 0 && eaten < last) pthread_cond_wait(&turns[0], &mutex);
        if (tokens == 0) break;
        tokens--;
        if (++eaten == last) pthread_cond_broadcast(&turns[0]);
        if (eaten % 64 == 0) pthread_cond_signal(&turns[1]);
    }
    pthread_mutex_unlock(&mutex);
    return 0;
}

static void crowd(int count, long times) {
    pthread_t ids[count];
    last = times;
    turns = calloc(2, sizeof *turns);
    for (int i = 0; i < count; i++) check(!pthread_create(&ids[i], 0, eat, 0), "pthread_create");
    pthread_mutex_lock(&mutex);
    for (long given = 0; given < times; given++) {
        while (tokens >= 64) pthread_cond_wait(&turns[1], &mutex);
        tokens++;
        pthread_cond_signal(&turns[0]);
    }
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < count; i++) pthread_join(ids[i], 0);
    printf("%ld eaten, %ld left\n", eaten, tokens);
}

// ---- Processes that come and go

static void forks(int count) {
    const size_t size = 1 << 20;
    char *before = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(before, size);
    long sum = 0;
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        check(pid >= 0, "fork");
        if (pid == 0) _exit(i & 0x7f);
        int status;
        check(waitpid(pid, &status, 0) == pid, "waitpid");
        check(WIFEXITED(status) && WEXITSTATUS(status) == (i & 0x7f), "another status");
        sum += WEXITSTATUS(status);
    }
    char *after = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("%ld, memory is %s, no child is left: %d\n", sum, before == after ? "where it was" : "elsewhere", wait(0) == -1 && errno == ECHILD);
}

// ---- Timers

static volatile sig_atomic_t rung[1000];
static volatile long rings;

static void ring_bell(int signal, siginfo_t *info, void *context) {
    rung[info->si_value.sival_int]++;
    rings++;
}

static void timers(int count) {
    struct sigaction action = {.sa_sigaction = ring_bell, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN, &action, 0);
    timer_t ids[count];
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < count; i++) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value = {.sival_int = i}};
        check(!timer_create(CLOCK_MONOTONIC, &event, &ids[i]), "timer_create");
        // In any order, all within half a second.
        struct itimerspec time = {.it_value = {0, 1 + (i * 7919L % count) * (500000000L / count)}};
        check(!timer_settime(ids[i], 0, &time, 0), "timer_settime");
    }
    while (rings < count) usleep(1000);
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        wrong += rung[i] != 1;
        check(!timer_delete(ids[i]), "timer_delete");
    }
    printf("%ld rings, %d wrong\n", rings, wrong);
}

// ---- Signals at any moment

enum { PLAIN = 4 };
static const int plain[PLAIN] = {SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH};
static volatile long got[PLAIN], queued, disordered, broken;
static volatile int depth;

static void on_plain(int signal, siginfo_t *info, void *context) {
    double x = signal;
    for (int i = 0; i < 10; i++) x = x * 1.5 + 0.25;
    volatile double keep = x;
    char *name = strdup("more than a register");
    (void)keep;
    if (!name) broken++;
    free(name);
    for (int i = 0; i < PLAIN; i++) got[i] += plain[i] == signal;
}

static void on_queued(int signal, siginfo_t *info, void *context) {
    if (depth++) broken++;
    if (info->si_value.sival_int != queued) disordered++;
    queued++;
    depth--;
}

// Keeps sums in registers, memory and vectors while signals come.
static void work(int out) {
    uint64_t a = 1, b = 2, c = 3, d = 4;
    double x = 1, y = 2;
    for (long i = 0; queued < 20000; i++) {
        a = a * 6364136223846793005u + 1;
        b ^= a >> 33;
        c += b;
        d = d << 1 | c >> 63;
        x += 0.5;
        y -= 0.5;
        char byte = i;
        if (i % 16 == 0 && write(out, &byte, 1) != 1) broken++;
        if (x + y != 3 || d == 0 && a == 0) broken++;
    }
}

static void random_signals(void) {
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, 0);
    struct sigaction action = {.sa_sigaction = on_plain, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    // One at a time. work() allocates nothing, so they may.
    sigfillset(&action.sa_mask);
    for (int i = 0; i < PLAIN; i++) sigaction(plain[i], &action, 0);
    action.sa_sigaction = on_queued;
    sigaction(SIGRTMIN + 1, &action, 0);
    int sink[2];
    check(!pipe(sink), "pipe");
    pid_t worker = getpid(), drain = fork();
    if (drain == 0) {
        char buffer[4096];
        for (int i = 0; i < PLAIN; i++) signal(plain[i], SIG_IGN);
        close(sink[1]);
        while (read(sink[0], buffer, sizeof buffer) > 0);
        _exit(0);
    }
    pid_t sender = fork();
    if (sender == 0) {
        close(sink[0]);
        close(sink[1]);
        unsigned seed = 12345;
        for (int i = 0; i < 20000;) {
            seed = seed * 1103515245 + 12345;
            if (seed >> 16 & 3) kill(worker, plain[seed >> 18 & 3]);
            else if (!sigqueue(worker, SIGRTMIN + 1, (union sigval){.sival_int = i})) i++;
            else check(errno == EAGAIN, "sigqueue");
        }
        _exit(0);
    }
    work(sink[1]);
    close(sink[1]);
    int status, bad = 0;
    for (pid_t pid; (pid = wait(&status)) > 0 || errno == EINTR;) bad += pid > 0 && status != 0;
    int all = 1;
    for (int i = 0; i < PLAIN; i++) all &= got[i] > 0;
    printf("%ld queued, %ld out of order, all kinds came: %d, %ld broken, %d processes failed\n", queued, disordered, all, broken, bad);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    long n = argc > 2 ? atol(argv[2]) : 0, m = argc > 3 ? atol(argv[3]) : 0;
    if (!strcmp(what, "ring")) ring(n);
    else if (!strcmp(what, "hand-over")) hand_over(n, m);
    else if (!strcmp(what, "crowd")) crowd(n, m);
    else if (!strcmp(what, "forks")) forks(n);
    else if (!strcmp(what, "timers")) timers(n);
    else if (!strcmp(what, "signals")) random_signals();
    else return 2;
}
