// Signals at random into a process whose threads check what they rely on, for some rounds: chaos ROUNDS SIGNALS
//
// What is counted: real-time signals to the process, which any thread may get; such that one thread waits for, in order; such that are for one
// thread alone. What must hold: no handler runs where its signal is blocked or while it runs already, a read that SA_RESTART makes again
// never fails and misses no byte, handlers run on their own stack, registers are as they were. At the end memory is what it was after the first round.
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TO_ANY = 1, TO_WAITER, TO_THREAD };
enum { STACK = 65536, PLAIN = 3 };
static const int plain[PLAIN] = {SIGUSR1, SIGUSR2, SIGWINCH};

static atomic_long any, waited, own, plains, broken, disordered, sent_own, total;
static atomic_int stop;
static _Thread_local atomic_int depth, is_critical;
static _Thread_local char *stack;
static int bytes[2];

static void check(int good, const char *what) {
    if (good) return;
    printf("%s (errno %d)\n", what, errno);
    fflush(stdout);
    _exit(1);
}

static void on_signal(int number, siginfo_t *info, void *context) {
    int before = errno;
    char here;
    // The sender's signals are blocked in handlers and where a thread is critical.
    if (depth++ || is_critical) broken++;
    if (&here < stack || &here >= stack + STACK) broken++;
    double x = number;
    for (int i = 0; i < 20; i++) x = x * 1.5 + 0.25;
    volatile double keep = x;
    (void)keep;
    if (number == SIGRTMIN + TO_ANY) any++;
    else if (number == SIGRTMIN + TO_THREAD) own++;
    else plains++;
    // A call of the handler's own, now and then.
    if (number == SIGUSR1) getppid(), write(-1, "", 1);
    depth--;
    errno = before;
}

static void mine(sigset_t *set) {
    sigemptyset(set);
    for (int i = 0; i < PLAIN; i++) sigaddset(set, plain[i]);
    sigaddset(set, SIGRTMIN + TO_ANY);
    sigaddset(set, SIGRTMIN + TO_THREAD);
}

static void own_stack(void) {
    stack = mmap(0, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(stack != MAP_FAILED, "mmap");
    stack_t alternate = {.ss_sp = stack, .ss_size = STACK};
    check(!sigaltstack(&alternate, 0), "sigaltstack");
}

static void no_stack(void) {
    sigset_t set;
    mine(&set);
    pthread_sigmask(SIG_BLOCK, &set, 0);
    stack_t none = {.ss_flags = SS_DISABLE};
    check(!sigaltstack(&none, 0), "sigaltstack, at the end");
    check(!munmap(stack, STACK), "munmap");
}

static void unblock(void) {
    sigset_t set;
    mine(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, 0);
}

// Reads what the writer writes: SA_RESTART must hide all signals.
static void *reads(void *unused) {
    own_stack();
    unblock();
    unsigned char buffer[100], next = 0;
    for (ssize_t count; (count = read(bytes[0], buffer, sizeof buffer)) != 0;) {
        if (count < 0) broken++;
        for (ssize_t i = 0; i < count; i++) broken += buffer[i] != next++;
    }
    no_stack();
    return 0;
}

static void *writes(void *unused) {
    own_stack();
    unblock();
    unsigned char next = 0;
    while (!stop) {
        if (write(bytes[1], &next, 1) != 1) broken++;
        next++;
        if (next % 16 == 0) sched_yield();
    }
    no_stack();
    close(bytes[1]);
    return 0;
}

// Blocks and unblocks, and keeps sums in registers, memory and vectors.
static void *computes(void *unused) {
    own_stack();
    unblock();
    sigset_t set, before, now;
    mine(&set);
    uint64_t a = 1;
    double x = 1, y = 2;
    while (!stop) {
        pthread_sigmask(SIG_BLOCK, &set, &before);
        is_critical = 1;
        for (int i = 0; i < 50; i++) {
            a = a * 6364136223846793005u + 1;
            x += 0.5;
            y -= 0.5;
        }
        pthread_sigmask(SIG_BLOCK, 0, &now);
        if (sigismember(&before, SIGUSR1) || !sigismember(&now, SIGRTMIN + TO_ANY)) broken++;
        is_critical = 0;
        pthread_sigmask(SIG_SETMASK, &before, 0);
        for (int i = 0; i < 200; i++) {
            x += 0.5;
            y -= 0.5;
            if (x + y != 3) broken++;
        }
    }
    no_stack();
    return (void *)(uintptr_t)(a == 0);
}

// Takes its signals one by one; they come in their order.
static void *waits(void *unused) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + TO_WAITER);
    siginfo_t info;
    while (1) {
        if (sigwaitinfo(&set, &info) != SIGRTMIN + TO_WAITER) {
            if (errno != EINTR) broken++;
            continue;
        }
        if (info.si_value.sival_int < 0) return 0;
        if (info.si_value.sival_int != waited) disordered++;
        waited++;
    }
}

// Sends to one thread of its own process, which sleeps with another mask.
static pthread_t suspended;

static void *suspends(void *unused) {
    own_stack();
    sigset_t none;
    pthread_sigmask(SIG_BLOCK, 0, &none);
    for (int signal = 1; signal < SIGRTMIN + TO_WAITER; signal++) sigdelset(&none, signal);
    sigdelset(&none, SIGRTMIN + TO_THREAD);
    // The last one comes when all threads stop.
    while (!stop || own <= sent_own)
        if (sigsuspend(&none) != -1 || errno != EINTR) broken++;
    no_stack();
    return 0;
}

static void *nudges(void *times) {
    for (long i = 0; i < (long)times / 8; i++) {
        while (pthread_sigqueue(suspended, SIGRTMIN + TO_THREAD, (union sigval){.sival_int = 0})) usleep(100);
        sent_own++;
        if (i % 32 == 0) usleep(100);
    }
    return 0;
}

static void send(pid_t target, int number, int value) {
    while (sigqueue(target, number, (union sigval){.sival_int = value})) {
        check(errno == EAGAIN, "sigqueue");
        usleep(100);
    }
}

static void sender(pid_t target, long times, unsigned seed, int report) {
    long counts[2] = {0, 0};
    for (long i = 0; i < times; i++) {
        seed = seed * 1103515245 + 12345;
        unsigned draw = seed >> 16 & 15;
        if (draw < 6) kill(target, plain[draw % PLAIN]);
        else if (draw < 11) send(target, SIGRTMIN + TO_ANY, 0), counts[0]++;
        else send(target, SIGRTMIN + TO_WAITER, counts[1]++);
        if ((seed >> 20 & 63) == 0) usleep(seed >> 26);
    }
    check(write(report, counts, sizeof counts) == sizeof counts, "report");
    _exit(0);
}

static void start(pthread_t *thread, void *(*function)(void *), long argument) {
    check(!pthread_create(thread, 0, function, (void *)argument), "pthread_create");
}

static void play(long times, unsigned seed) {
    int report[2];
    any = waited = own = sent_own = 0;
    stop = 0;
    check(!pipe(bytes) && !pipe(report), "pipe");
    pthread_t threads[7];
    start(&threads[0], reads, 0);
    start(&threads[1], writes, 0);
    start(&threads[2], computes, 0);
    start(&threads[3], computes, 0);
    start(&threads[4], waits, 0);
    start(&suspended, suspends, 0);
    threads[5] = suspended;
    start(&threads[6], nudges, times);
    pid_t pid = getpid(), child = fork();
    check(child >= 0, "fork");
    if (child == 0) sender(pid, times, seed, report[1]);
    long counts[2];
    check(read(report[0], counts, sizeof counts) == sizeof counts, "read");
    int status;
    check(waitpid(child, &status, 0) == child && status == 0, "waitpid");
    pthread_join(threads[6], 0);
    for (long pauses = 0; any < counts[0] || waited < counts[1] || own < sent_own; pauses++) {
        usleep(1000);
        if (pauses < 20000) continue;
        printf("lost: %ld of %ld, %ld of %ld, %ld of %ld\n", counts[0] - any, counts[0], counts[1] - waited, counts[1], sent_own - own, (long)sent_own);
        fflush(stdout);
        _exit(1);
    }
    stop = 1;
    pthread_sigqueue(threads[5], SIGRTMIN + TO_THREAD, (union sigval){.sival_int = 0});
    send(pid, SIGRTMIN + TO_WAITER, -1);
    for (int i = 0; i < 6; i++) pthread_join(threads[i], 0);
    if (any != counts[0] || waited != counts[1] || own != sent_own + 1) broken++;
    total += any + waited + own;
    close(bytes[0]);
    close(report[0]);
    close(report[1]);
}

// Pages that are mapped: the first number of statm.
static long size(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    check(file && fscanf(file, "%ld", &pages) == 1, "statm");
    fclose(file);
    return pages;
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 2, times = argc > 2 ? atol(argv[2]) : 1000;
    // Threads take turns with one arena: how many there are is the scheduler's affair.
    mallopt(M_ARENA_MAX, 1);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    mine(&action.sa_mask);
    for (int i = 0; i < PLAIN; i++) sigaction(plain[i], &action, 0);
    sigaction(SIGRTMIN + TO_ANY, &action, 0);
    sigaction(SIGRTMIN + TO_THREAD, &action, 0);
    // Threads begin with all of them blocked.
    sigset_t set;
    mine(&set);
    sigaddset(&set, SIGRTMIN + TO_WAITER);
    pthread_sigmask(SIG_BLOCK, &set, 0);
    long after_first = 0, at_end = 0;
    for (long round = 0; round < rounds; round++) {
        play(times, 1 + round);
        at_end = size();
        if (round == 0) after_first = at_end;
    }
    printf("%ld rounds, %ld signals that count, %ld broken, %ld out of order, plain ones came: %d, memory is %s\n", rounds, (long)total,
           (long)broken, (long)disordered, plains > 0, at_end == after_first ? "what it was" : "more");
    return broken || disordered;
}
