// Locks whose holder ends, and locks that the kernel gives away: robust lists and priority inheritance of futex(2).
#include "say.h"
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif
#define FUTEX(addr, op, ...) syscall(SYS_futex, addr, op, ##__VA_ARGS__)

// What processes share.
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    sem_t ready, go;
    unsigned word;
    int value;
} *shared;

// pthread functions give their errors.
#define LOCK(call) ({ int error_ = (call); printf("%d: %s: %s\n", __LINE__, #call, error_ ? strerrorname_np(error_) : "0"); error_; })

static void make(int robust, int protocol, int type) {
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_settype(&attr, type);
    if (robust) pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    LOCK(pthread_mutexattr_setprotocol(&attr, protocol));
    memset(&shared->mutex, 0, sizeof shared->mutex);
    LOCK(pthread_mutex_init(&shared->mutex, &attr));
    sem_init(&shared->ready, 1, 0);
    sem_init(&shared->go, 1, 0);
}

static void *dies_with_it(void *unused) {
    pthread_mutex_lock(&shared->mutex);
    sem_post(&shared->ready);
    sem_wait(&shared->go);
    return NULL;
}

static void *waits_for_it(void *unused) {
    sem_post(&shared->ready);
    int error = pthread_mutex_lock(&shared->mutex);
    shared->value = error;
    if (error == EOWNERDEAD) pthread_mutex_consistent(&shared->mutex);
    pthread_mutex_unlock(&shared->mutex);
    return NULL;
}

// The holder, a thread or a process, ends before and while others wait.
static void dead_holders(int protocol) {
    pthread_t thread, other;
    make(1, protocol, PTHREAD_MUTEX_NORMAL);
    pthread_create(&thread, NULL, dies_with_it, NULL);
    sem_wait(&shared->ready);
    LOCK(pthread_mutex_trylock(&shared->mutex));
    sem_post(&shared->go);
    pthread_join(thread, NULL);
    LOCK(pthread_mutex_trylock(&shared->mutex));
    LOCK(pthread_mutex_consistent(&shared->mutex));
    LOCK(pthread_mutex_unlock(&shared->mutex));
    LOCK(pthread_mutex_lock(&shared->mutex));
    LOCK(pthread_mutex_unlock(&shared->mutex));

    make(1, protocol, PTHREAD_MUTEX_ERRORCHECK);
    pthread_create(&thread, NULL, dies_with_it, NULL);
    sem_wait(&shared->ready);
    pthread_create(&other, NULL, waits_for_it, NULL);
    sem_wait(&shared->ready);
    usleep(20000);
    sem_post(&shared->go);
    pthread_join(thread, NULL);
    pthread_join(other, NULL);
    printf("the other got %s\n", strerrorname_np(shared->value));
    LOCK(pthread_mutex_lock(&shared->mutex));
    LOCK(pthread_mutex_lock(&shared->mutex));
    LOCK(pthread_mutex_unlock(&shared->mutex));

    // Processes: one exits with it, one is killed, one executes a program.
    for (int how = 0; how < 3; how++) {
        make(1, protocol, PTHREAD_MUTEX_NORMAL);
        pid_t child = CHILD({
            pthread_mutex_lock(&shared->mutex);
            sem_post(&shared->ready);
            sem_wait(&shared->go);
            if (how == 1) raise(SIGKILL);
            if (how == 2) execl("/proc/self/exe", "program", "execed", NULL);
        });
        sem_wait(&shared->ready);
        pid_t waiter = CHILD({
            int error = pthread_mutex_lock(&shared->mutex);
            printf("%d: a process waited: %s\n", how, error ? strerrorname_np(error) : "0");
            if (error == EOWNERDEAD) pthread_mutex_consistent(&shared->mutex);
            pthread_mutex_unlock(&shared->mutex);
        });
        usleep(20000);
        sem_post(&shared->go);
        ended(waiter);
        ended(child);
        LOCK(pthread_mutex_lock(&shared->mutex));
        LOCK(pthread_mutex_unlock(&shared->mutex));
    }

    // Nobody made it consistent.
    make(1, protocol, PTHREAD_MUTEX_NORMAL);
    ended(CHILD(pthread_mutex_lock(&shared->mutex)));
    LOCK(pthread_mutex_lock(&shared->mutex));
    LOCK(pthread_mutex_unlock(&shared->mutex));
    LOCK(pthread_mutex_lock(&shared->mutex));
}

static long counter;

static void *count(void *unused) {
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&shared->mutex);
        long seen = counter;
        if (i % 50 == 0) sched_yield();
        counter = seen + 1;
        pthread_mutex_unlock(&shared->mutex);
    }
    return NULL;
}

static void inheritance(void) {
    make(0, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_NORMAL);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, count, NULL);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    printf("%ld\n", counter);
    make(0, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_RECURSIVE);
    LOCK(pthread_mutex_lock(&shared->mutex));
    LOCK(pthread_mutex_lock(&shared->mutex));
    pid_t child = CHILD({
        LOCK(pthread_mutex_trylock(&shared->mutex));
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        LOCK(pthread_mutex_timedlock(&shared->mutex, &until));
        LOCK(pthread_mutex_unlock(&shared->mutex));
    });
    ended(child);
    LOCK(pthread_mutex_unlock(&shared->mutex));
    LOCK(pthread_mutex_unlock(&shared->mutex));
    LOCK(pthread_mutex_lock(&shared->mutex));
    LOCK(pthread_mutex_unlock(&shared->mutex));
}

static volatile int handled;

static void handler(int signal) { handled++; }

// The operations themselves.
static void words(void) {
    unsigned *word = &shared->word, tid = syscall(SYS_gettid);
#define WORD() printf("%x %s\n", *word & ~FUTEX_TID_MASK, (*word & FUTEX_TID_MASK) == tid ? "mine" : *word & FUTEX_TID_MASK ? "other" : "free")
    *word = 0;
    SAY(FUTEX(word, FUTEX_UNLOCK_PI));
    SAY(FUTEX(word, FUTEX_LOCK_PI, 0, NULL)), WORD();
    SAY(FUTEX(word, FUTEX_LOCK_PI, 0, NULL)), WORD();
    SAY(FUTEX(word, FUTEX_TRYLOCK_PI)), WORD();
    SAY(FUTEX(word, FUTEX_UNLOCK_PI)), WORD();
    SAY(FUTEX(word, FUTEX_TRYLOCK_PI)), WORD();
    SAY(FUTEX(word, FUTEX_UNLOCK_PI)), WORD();
    SAY(FUTEX(word, FUTEX_LOCK_PI2, 0, NULL)), WORD();
    pid_t child = CHILD({
        SAY(FUTEX(word, FUTEX_UNLOCK_PI));
        SAY(FUTEX(word, FUTEX_TRYLOCK_PI));
        struct timespec past = {1, 0};
        SAY(FUTEX(word, FUTEX_LOCK_PI, 0, &past));
    });
    ended(child);
    SAY(FUTEX(word, FUTEX_UNLOCK_PI)), WORD();
    *word = 999999;
    SAY(FUTEX(word, FUTEX_LOCK_PI, 0, NULL));
    *word = 999999 | FUTEX_OWNER_DIED;
    SAY(FUTEX(word, FUTEX_LOCK_PI, 0, NULL));
    *word = FUTEX_OWNER_DIED;
    SAY(FUTEX(word, FUTEX_LOCK_PI, 0, NULL)), WORD();
    SAY(FUTEX(word, FUTEX_UNLOCK_PI)), WORD();
    SAY(FUTEX((char *)word + 1, FUTEX_LOCK_PI, 0, NULL));
    SAY(FUTEX(8, FUTEX_LOCK_PI, 0, NULL));
    SAY(FUTEX(8, FUTEX_UNLOCK_PI));
    // A handler does not end the wait.
    SAY(FUTEX(word, FUTEX_LOCK_PI, 0, NULL));
    child = CHILD({
        struct sigaction action = {.sa_handler = handler};
        sigaction(SIGALRM, &action, NULL);
        ualarm(10000, 0);
        long result = FUTEX(word, FUTEX_LOCK_PI, 0, NULL);
        printf("%ld after %d handlers\n", result, handled);
        SAY(FUTEX(word, FUTEX_UNLOCK_PI));
    });
    usleep(60000);
    printf("%x\n", *word & ~FUTEX_TID_MASK);
    SAY(FUTEX(word, FUTEX_UNLOCK_PI));
    ended(child);
    WORD();
    // Each of two holds what the other wants.
    unsigned *second = word + 1;
    *word = *second = 0;
    SAY(FUTEX(word, FUTEX_LOCK_PI, 0, NULL));
    child = CHILD({
        FUTEX(second, FUTEX_LOCK_PI, 0, NULL);
        long result = FUTEX(word, FUTEX_LOCK_PI, 0, NULL);
        printf("%ld\n", result);
        FUTEX(word, FUTEX_UNLOCK_PI);
        FUTEX(second, FUTEX_UNLOCK_PI);
    });
    usleep(50000);
    SAY(FUTEX(second, FUTEX_LOCK_PI, 0, NULL));
    SAY(FUTEX(word, FUTEX_UNLOCK_PI));
    ended(child);
    // The holder ends, without a list: the next one is told.
    child = CHILD(FUTEX(word, FUTEX_LOCK_PI, 0, NULL); usleep(50000));
    while (!*(volatile unsigned *)word) usleep(1000);
    SAY(FUTEX(word, FUTEX_LOCK_PI, 0, NULL)), WORD();
    SAY(FUTEX(word, FUTEX_UNLOCK_PI)), WORD();
    ended(child);
}

int main(int argc, char **argv) {
    if (argc > 1) return 7;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    puts("robust"), dead_holders(PTHREAD_PRIO_NONE);
    puts("robust, with inheritance"), dead_holders(PTHREAD_PRIO_INHERIT);
    puts("inheritance"), inheritance();
    puts("words"), words();
}
