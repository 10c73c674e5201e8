// Timers: those that send signals, those that are files, sleeping.
#include "say.h"

static volatile int count;
static void handler(int sig) { count++; }
static siginfo_t seen;
static void details(int sig, siginfo_t *info, void *context) {
    count++;
    seen = *info;
}

int main(void) {
    signal(SIGALRM, handler);
    struct itimerval old, timer = {.it_value = {0, 10000}};
    SAY(alarm(100));
    SAY(alarm(0));
    SAY(alarm(0));
    SAY(setitimer(9, &timer, 0));
    SAY(getitimer(9, &old));
    SAY(setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, 1000000}}, 0));
    SAY(setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {-1, 0}}, 0));
    SAY(setitimer(ITIMER_REAL, &timer, &old));
    printf("%ld %ld\n", old.it_value.tv_sec, old.it_value.tv_usec);
    SAY(pause());
    printf("%d\n", count);
    timer.it_interval.tv_usec = 5000;
    setitimer(ITIMER_REAL, &timer, 0);
    for (count = 0; count < 4;) pause();
    SAY(setitimer(ITIMER_REAL, &(struct itimerval){0}, &old));
    printf("%d %ld\n", count, old.it_interval.tv_usec);
    // Not inherited.
    alarm(100);
    CHILD(SAY(alarm(0)));
    wait(0);
    SAY(alarm(0));
    timer_t id, other;
    struct itimerspec left, spec = {.it_value = {0, 10000000}};
    SAY(timer_create(CLOCK_MONOTONIC, 0, &id));
    SAY(timer_create(77, 0, &other));
    SAY(timer_create(CLOCK_REALTIME, &(struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99}, &other));
    SAY(timer_create(CLOCK_REALTIME, &(struct sigevent){.sigev_notify = 77}, &other));
    SAY(timer_gettime(id, &left));
    printf("%ld %ld\n", left.it_value.tv_sec, left.it_value.tv_nsec);
    count = 0;
    SAY(timer_settime(id, 0, &spec, 0));
    SAY(pause());
    printf("%d\n", count);
    SAY(timer_settime(id, 0, &(struct itimerspec){.it_value = {0, 1000000000}}, 0));
    SAY(timer_settime((timer_t)77, 0, &spec, 0));
    SAY(timer_delete(id));
    SAY(timer_delete(id));
    SAY(timer_gettime(id, &left));
    struct sigaction action = {.sa_sigaction = details, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN + 3, &action, 0);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value = {.sival_int = 1234}};
    SAY(timer_create(CLOCK_REALTIME, &event, &id));
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    spec.it_value = now;
    spec.it_value.tv_nsec += 10000000;
    if (spec.it_value.tv_nsec >= 1000000000) spec.it_value.tv_sec++, spec.it_value.tv_nsec -= 1000000000;
    SAY(timer_settime(id, TIMER_ABSTIME, &spec, 0));
    SAY(pause());
    printf("%d %d\n", seen.si_code, seen.si_value.sival_int);
    SAY(timer_getoverrun(id));
    event = (struct sigevent){.sigev_notify = SIGEV_NONE};
    SAY(timer_create(CLOCK_MONOTONIC, &event, &other));
    SAY(timer_settime(other, 0, &(struct itimerspec){.it_value = {100, 0}}, 0));
    SAY(timer_gettime(other, &left));
    printf("%d\n", left.it_value.tv_sec >= 99);
    ended(CHILD(SAY(timer_gettime(id, &left))));
    // Sleeping.
    SAY(nanosleep(&(struct timespec){0, 1000000000}, 0));
    SAY(nanosleep(&(struct timespec){-1, 0}, 0));
    SAY(nanosleep(&(struct timespec){0, 1000}, 0));
    SAY(-clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 1000}, 0));
    printf("%s\n", strerrorname_np(clock_nanosleep(77, 0, &(struct timespec){0, 1000}, 0)));
    clock_gettime(CLOCK_MONOTONIC, &now);
    SAY(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, 0));
    alarm(0);
    timer.it_interval.tv_usec = 0;
    setitimer(ITIMER_REAL, &timer, 0);
    struct timespec rest = {0};
    SAY(nanosleep(&(struct timespec){5, 0}, &rest));
    printf("%d\n", rest.tv_sec >= 4);
    // Timers of CPU time: they stand still while the process sleeps.
    signal(SIGVTALRM, handler);
    signal(SIGPROF, handler);
    for (int which = ITIMER_VIRTUAL; which <= ITIMER_PROF; which++) {
        SAY(getitimer(which, &old));
        SAY(setitimer(which, &(struct itimerval){{0, 2000}, {0, 1000}}, &old));
        printf("%ld %ld\n", old.it_value.tv_usec, old.it_interval.tv_usec);
        for (count = 0; count < 3;) getppid();
        SAY(setitimer(which, &(struct itimerval){0}, &old));
        printf("%d %ld\n", count >= 3, old.it_interval.tv_usec);
    }
    count = 0;
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {0, 500000}}, 0);
    usleep(600000);
    getitimer(ITIMER_PROF, &old);
    printf("%d %d\n", count, old.it_value.tv_usec > 300000);
    ended(CHILD(getitimer(ITIMER_PROF, &old); printf("%ld\n", old.it_value.tv_usec)));
    setitimer(ITIMER_PROF, &(struct itimerval){0}, 0);
    for (int clock = CLOCK_PROCESS_CPUTIME_ID; clock <= CLOCK_THREAD_CPUTIME_ID; clock++) {
        event = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value = {.sival_int = clock}};
        SAY(timer_create(clock, &event, &id));
        spec = (struct itimerspec){.it_value = {0, 2000000}};
        count = 0;
        SAY(timer_settime(id, 0, &spec, 0));
        while (!count) getppid();
        printf("%d %d %d\n", count, seen.si_code == SI_TIMER, seen.si_value.sival_int);
        SAY(timer_gettime(id, &left));
        printf("%ld %ld\n", left.it_value.tv_sec, left.it_value.tv_nsec);
        SAY(timer_delete(id));
    }
    // Two processes with timers of their own.
    count = 0;
    pid_t child = CHILD({
        setitimer(ITIMER_REAL, &timer, 0);
        pause();
        printf("child %d\n", count);
    });
    timer.it_value.tv_usec = 30000;
    setitimer(ITIMER_REAL, &timer, 0);
    pause();
    printf("parent %d\n", count);
    ended(child);
}
