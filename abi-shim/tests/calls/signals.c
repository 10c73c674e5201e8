// Signals: handlers, masks, queues, waiting for them, what they do to calls that wait.
#include "say.h"
#include <ucontext.h>

static volatile int count, last, order[100];
static siginfo_t seen;

static void handler(int sig) {
    order[count++ % 100] = last = sig;
}

static void details(int sig, siginfo_t *info, void *context) {
    handler(sig);
    seen = *info;
}

static void handle(int sig, int flags, void *function) {
    struct sigaction action = {.sa_flags = flags};
    if (flags & SA_SIGINFO) action.sa_sigaction = function;
    else action.sa_handler = function;
    sigaction(sig, &action, 0);
}

static sigset_t set(int a, int b) {
    sigset_t set;
    sigemptyset(&set);
    if (a) sigaddset(&set, a);
    if (b) sigaddset(&set, b);
    return set;
}

static void basics(void) {
    printf("-- basics\n");
    struct sigaction old;
    SAY(sigaction(0, 0, &old));
    SAY(sigaction(65, 0, &old));
    SAY(sigaction(SIGKILL, &(struct sigaction){.sa_handler = handler}, 0));
    SAY(sigaction(SIGKILL, 0, &old));
    SAY(kill(getpid(), 65));
    SAY(kill(getpid(), -1));
    SAY(kill(999999, SIGTERM));
    SAY(tgkill(getpid(), getpid(), 0));
    SAY(tgkill(getpid(), 999999, 0));
    SAY(tgkill(999999, getpid(), 0));
    SAY(tgkill(0, getpid(), 0));
    SAY(syscall(SYS_tkill, -1, 0));
    handle(SIGUSR1, 0, handler);
    SAY(raise(SIGUSR1));
    printf("%d %d\n", count, last);
    sigset_t mask = set(SIGUSR1, SIGUSR2), pending;
    SAY(sigprocmask(SIG_BLOCK, &mask, 0));
    SAY(sigprocmask(99, &mask, 0));
    raise(SIGUSR1);
    raise(SIGUSR1);
    SAY(sigpending(&pending));
    printf("pending %d %d, count %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2), count);
    SAY(sigprocmask(SIG_UNBLOCK, &mask, 0));
    printf("count %d\n", count);
    // What is ignored while it is pending is forgotten.
    sigprocmask(SIG_BLOCK, &mask, 0);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_IGN);
    sigpending(&pending);
    printf("pending %d\n", sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &mask, 0);
    handle(SIGUSR1, SA_RESETHAND, handler);
    raise(SIGUSR1);
    sigaction(SIGUSR1, 0, &old);
    printf("%d\n", old.sa_handler == SIG_DFL);
    printf("count %d\n", count);
}

static void queues(void) {
    printf("-- queues\n");
    sigset_t mask = set(SIGRTMIN, SIGRTMIN + 1);
    count = 0;
    handle(SIGRTMIN, SA_SIGINFO, details);
    handle(SIGRTMIN + 1, SA_SIGINFO, details);
    sigprocmask(SIG_BLOCK, &mask, 0);
    for (int i = 0; i < 3; i++) SAY(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}));
    SAY(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 9}));
    SAY(sigqueue(getpid(), 65, (union sigval){0}));
    SAY(sigqueue(999999, SIGRTMIN, (union sigval){0}));
    sigprocmask(SIG_UNBLOCK, &mask, 0);
    printf("%d:", count);
    for (int i = 0; i < count; i++) printf(" %d", order[i] - SIGRTMIN);
    printf(", code %d value %d pid %d\n", seen.si_code, seen.si_value.sival_int, seen.si_pid == getpid());
    sigprocmask(SIG_BLOCK, &mask, 0);
    siginfo_t info;
    struct timespec none = {0}, some = {0, 10000000};
    SAY(sigtimedwait(&mask, &info, &none));
    SAY(sigtimedwait(&mask, &info, &some));
    SAY(sigtimedwait(&mask, &info, &(struct timespec){0, -1}));
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1});
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 2});
    SAY(sigwaitinfo(&mask, &info) - SIGRTMIN);
    printf("%d\n", info.si_value.sival_int);
    SAY(sigtimedwait(&mask, &info, &none) - SIGRTMIN);
    printf("%d\n", info.si_value.sival_int);
    pid_t child = CHILD(usleep(10000); kill(getppid(), SIGRTMIN + 1));
    SAY(sigwaitinfo(&mask, &info) - SIGRTMIN);
    printf("%d %d\n", info.si_code, info.si_pid == child);
    ended(child);
    sigprocmask(SIG_UNBLOCK, &mask, 0);
}

static void interrupting(void) {
    printf("-- interrupting\n");
    char byte;
    int fds[2], status;
    pipe(fds);
    count = 0;
    handle(SIGUSR1, 0, handler);
    pid_t child = CHILD(usleep(10000); kill(getppid(), SIGUSR1); usleep(10000); write(fds[1], "x", 1));
    SAY(read(fds[0], &byte, 1));
    SAY(read(fds[0], &byte, 1));
    ended(child);
    handle(SIGUSR1, SA_RESTART, handler);
    child = CHILD(usleep(10000); kill(getppid(), SIGUSR1); usleep(10000); write(fds[1], "x", 1));
    SAY(read(fds[0], &byte, 1));
    ended(child);
    child = CHILD(usleep(10000); kill(getppid(), SIGUSR1));
    SAY(nanosleep(&(struct timespec){5, 0}, 0));
    ended(child);
    child = CHILD(usleep(10000); kill(getppid(), SIGUSR1));
    SAY(poll(&(struct pollfd){fds[0], POLLIN}, 1, 5000));
    ended(child);
    child = CHILD(usleep(10000); kill(getppid(), SIGUSR1));
    SAY(select(0, 0, 0, 0, &(struct timeval){5, 0}));
    ended(child);
    child = CHILD(usleep(10000); kill(getppid(), SIGUSR1));
    SAY(pause());
    ended(child);
    handle(SIGUSR1, 0, handler);
    pid_t sleeper = CHILD(usleep(40000); _exit(6));
    child = CHILD(usleep(10000); kill(getppid(), SIGUSR1));
    SAY(waitpid(sleeper, &status, 0) > 0 ? 1 : -1);
    ended(sleeper);
    ended(child);
    // What has no handler interrupts nothing.
    child = CHILD(usleep(10000); kill(getppid(), SIGWINCH); kill(getppid(), SIGCONT); write(fds[1], "x", 1));
    SAY(read(fds[0], &byte, 1));
    ended(child);
    sigset_t mask = set(SIGUSR1, 0), none = set(0, 0), before, after;
    sigprocmask(SIG_BLOCK, &mask, &before);
    raise(SIGUSR1);
    count = 0;
    SAY(sigsuspend(&none));
    sigprocmask(SIG_SETMASK, &before, &after);
    printf("count %d, blocked again %d\n", count, sigismember(&after, SIGUSR1));
    sigprocmask(SIG_BLOCK, &mask, 0);
    raise(SIGUSR1);
    SAY(ppoll(0, 0, &(struct timespec){5, 0}, &none));
    printf("count %d\n", count);
    sigprocmask(SIG_UNBLOCK, &mask, 0);
}

static char stack[65536];
static volatile int on_stack;
static void where(int sig) {
    char here;
    on_stack = &here > stack && &here < stack + sizeof stack;
    stack_t now;
    sigaltstack(0, &now);
    printf("on the stack %d, flags %d, change %d\n", on_stack, now.ss_flags, sigaltstack(&now, 0) < 0 ? errno : 0);
}

static void stacks(void) {
    printf("-- stacks\n");
    stack_t old, new = {.ss_sp = stack, .ss_size = sizeof stack};
    SAY(sigaltstack(0, &old));
    printf("%d\n", old.ss_flags);
    SAY(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = 100}, 0));
    SAY(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack, .ss_flags = 99}, 0));
    SAY(sigaltstack(&new, 0));
    handle(SIGUSR2, SA_ONSTACK, where);
    raise(SIGUSR2);
    handle(SIGUSR2, 0, where);
    raise(SIGUSR2);
    ended(CHILD(handle(SIGUSR2, SA_ONSTACK, where); raise(SIGUSR2)));
    SAY(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, 0));
}

static void children(void) {
    printf("-- children\n");
    sigset_t mask = set(SIGCHLD, 0);
    siginfo_t info;
    sigprocmask(SIG_BLOCK, &mask, 0);
    pid_t child = CHILD(_exit(3));
    SAY(sigwaitinfo(&mask, &info));
    printf("%d %d %d\n", info.si_code, info.si_status, info.si_pid == child);
    ended(child);
    child = CHILD(pause());
    kill(child, SIGSTOP);
    SAY(sigwaitinfo(&mask, &info));
    printf("%d %d\n", info.si_code, info.si_status);
    kill(child, SIGCONT);
    SAY(sigwaitinfo(&mask, &info));
    printf("%d %d\n", info.si_code, info.si_status);
    kill(child, SIGKILL);
    SAY(sigwaitinfo(&mask, &info));
    printf("%d %d\n", info.si_code, info.si_status);
    ended(child);
    sigprocmask(SIG_UNBLOCK, &mask, 0);
    // Inherited: what is ignored and blocked; not: what is pending.
    signal(SIGUSR1, SIG_IGN);
    mask = set(SIGUSR2, 0);
    sigprocmask(SIG_BLOCK, &mask, 0);
    raise(SIGUSR2);
    ended(CHILD({
        sigset_t pending;
        sigpending(&pending);
        printf("pending %d\n", sigismember(&pending, SIGUSR2));
        raise(SIGUSR1);
        raise(SIGUSR2);
        sigpending(&pending);
        printf("pending %d\n", sigismember(&pending, SIGUSR2));
    }));
    handle(SIGUSR2, 0, handler);
    sigprocmask(SIG_UNBLOCK, &mask, 0);
    // Each signal's default.
    for (int sig = 1; sig <= 64; sig++) {
        if (sig == 32 || sig == 33) continue;
        child = CHILD(setpgid(0, 0); signal(sig, SIG_DFL); raise(sig));
        int status;
        waitpid(child, &status, WUNTRACED);
        printf("%d:%x ", sig, WIFSTOPPED(status) ? 0x7f : status & 0x7f);
        if (WIFSTOPPED(status)) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
        }
    }
    printf("\n");
}

static void as_files(void) {
    printf("-- as files\n");
    sigset_t mask = set(SIGUSR1, SIGRTMIN);
    struct signalfd_siginfo info[3] = {0};
    sigprocmask(SIG_BLOCK, &mask, 0);
    SAY(signalfd(-1, &mask, 0x10));
    SAY(signalfd(0, &mask, 0));
    SAY(signalfd(99, &mask, 0));
    int fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC), set_of = epoll_create1(0);
    SAY(fcntl(fd, F_GETFD));
    SAY(read(fd, info, sizeof info));
    SAY(read(fd, info, 100));
    SAY(epoll_ctl(set_of, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = 5}));
    struct epoll_event event;
    SAY(epoll_wait(set_of, &event, 1, 0));
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 77});
    SAY(poll(&(struct pollfd){fd, POLLIN}, 1, 0));
    SAY(epoll_wait(set_of, &event, 1, 0));
    kill(getpid(), SIGUSR1);
    SAY(read(fd, info, sizeof info));
    for (int i = 0; i < 2; i++) printf("%u %d %d %d %u\n", info[i].ssi_signo, info[i].ssi_code, info[i].ssi_pid == getpid(), info[i].ssi_int, info[i].ssi_uid);
    SAY(poll(&(struct pollfd){fd, POLLIN}, 1, 0));
    fcntl(fd, F_SETFL, 0);
    pid_t child = CHILD(usleep(10000); kill(getppid(), SIGUSR1));
    SAY(poll(&(struct pollfd){fd, POLLIN}, 1, 5000));
    SAY(read(fd, info, sizeof info));
    ended(child);
    child = CHILD(usleep(10000); kill(getppid(), SIGUSR1));
    SAY(read(fd, info, sizeof info));
    printf("%d\n", info[0].ssi_pid == child);
    ended(child);
    sigset_t chld = set(SIGCHLD, 0);
    sigprocmask(SIG_BLOCK, &chld, 0);
    SAY(signalfd(fd, &chld, 0) == fd);
    child = CHILD(_exit(9));
    SAY(read(fd, info, sizeof info));
    printf("%u %d %d\n", info[0].ssi_signo, info[0].ssi_code, info[0].ssi_status);
    ended(child);
    sigprocmask(SIG_UNBLOCK, &mask, 0);
    sigprocmask(SIG_UNBLOCK, &chld, 0);
}

// What /proc says of signals.
static void shown(void) {
    signal(SIGUSR1, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGRTMAX, handler);
    sigset_t mask = set(SIGHUP, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &mask, 0);
    raise(SIGHUP);
    kill(getpid(), SIGRTMIN);
    char line[200];
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        if (strncmp(line, "SigQ", 4) && (!strncmp(line, "Sig", 3) || !strncmp(line, "ShdPnd", 6))) {
            // Whoever starts the program may ignore the two that are libc's.
            printf("%.6s %llx\n", line, strtoull(line + 7, 0, 16) & ~(3ULL << 31));
        }
    fclose(status);
}

// A mask lets a signal in whose action is to do nothing: the wait goes on.
static void nothing_to_do(void) {
    printf("-- nothing to do\n");
    int before = count;
    signal(SIGALRM, handler);
    sigset_t urgent = set(SIGURG, 0), none = set(0, 0);
    sigprocmask(SIG_BLOCK, &urgent, 0);
    raise(SIGURG);
    ualarm(20000, 0);
    SAY(sigsuspend(&none));
    printf("%d\n", count - before);
    raise(SIGURG);
    ualarm(20000, 0);
    SAY(ppoll(0, 0, 0, &none));
    printf("%d\n", count - before);
    sigprocmask(SIG_UNBLOCK, &urgent, 0);
    signal(SIGALRM, SIG_DFL);
}

// The first process, which is this one, gets what it has a handler for.
static void first(void) {
    printf("-- first process\n");
    SAY(getpid());
    SAY(getppid());
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        if (sig != 32 && sig != 33) {
            signal(sig, SIG_DFL);
            if (kill(1, sig) < 0) printf("%d: %s\n", sig, strerrorname_np(errno));
        }
    SAY(raise(SIGTERM));
    SAY(sigqueue(1, SIGRTMIN, (union sigval){0}));
    ended(CHILD(SAY(kill(1, SIGKILL)); SAY(kill(1, SIGTERM)); SAY(kill(1, SIGSTOP)); SAY(kill(-1, SIGTERM))));
    // What was blocked when it came.
    sigset_t mask = set(SIGTERM, SIGTSTP), pending;
    sigprocmask(SIG_BLOCK, &mask, 0);
    raise(SIGTERM);
    raise(SIGTSTP);
    sigpending(&pending);
    printf("pending %d %d\n", sigismember(&pending, SIGTERM), sigismember(&pending, SIGTSTP));
    sigprocmask(SIG_UNBLOCK, &mask, 0);
    sigpending(&pending);
    printf("pending %d %d\n", sigismember(&pending, SIGTERM), sigismember(&pending, SIGTSTP));
    int before = count, ends[2];
    handle(SIGTERM, 0, handler);
    kill(1, SIGTERM);
    printf("%d\n", count - before);
    signal(SIGTERM, SIG_DFL);
    pipe(ends);
    close(ends[0]);
    SAY(write(ends[1], "x", 1));
    close(ends[1]);
    alarm(1);
    SAY(usleep(1100000));
}

int main(void) {
    first();
    ended(CHILD(shown()));
    nothing_to_do();
    basics();
    queues();
    interrupting();
    stacks();
    as_files();
    children();
}
