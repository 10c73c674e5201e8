// What limits of setrlimit(2) do.
#include "say.h"

static void set(int resource, rlim_t soft, rlim_t hard) {
    struct rlimit limit = {soft, hard};
    if (setrlimit(resource, &limit) < 0) printf("setrlimit: %s\n", strerrorname_np(errno));
}

static volatile int handled;
static void handler(int signal) { handled++; }

static void sizes(void) {
    signal(SIGXFSZ, handler);
    char buffer[100] = "";
    int fd = SAY(open("f", O_RDWR | O_CREAT, 0644));
    SAY(write(fd, buffer, 100));
    set(RLIMIT_FSIZE, 150, RLIM_INFINITY);
    SAY(write(fd, buffer, 100)), printf("%d\n", handled);
    SAY(write(fd, buffer, 100)), printf("%d\n", handled);
    SAY(write(fd, buffer, 0)), printf("%d\n", handled);
    SAY(pwrite(fd, buffer, 100, 100)), printf("%d\n", handled);
    SAY(pwrite(fd, buffer, 10, 200)), printf("%d\n", handled);
    struct iovec pieces[2] = {{buffer, 30}, {buffer, 70}};
    SAY(pwritev(fd, pieces, 2, 90)), printf("%d\n", handled);
    SAY(ftruncate(fd, 200)), printf("%d\n", handled);
    SAY(ftruncate(fd, 150)), printf("%d\n", handled);
    SAY(truncate("f", 151)), printf("%d\n", handled);
    SAY(fallocate(fd, 0, 0, 151)), printf("%d\n", handled);
    int other = open("g", O_WRONLY | O_CREAT | O_APPEND, 0644);
    SAY(write(other, buffer, 100));
    SAY(write(other, buffer, 100)), printf("%d\n", handled);
    lseek(fd, 0, SEEK_SET);
    int third = open("h", O_WRONLY | O_CREAT, 0644);
    SAY(sendfile(third, fd, NULL, 140)), printf("%d\n", handled);
    SAY(sendfile(third, other, NULL, 100)), printf("%d\n", handled);
    // Not pipes.
    int p[2];
    pipe(p);
    char big[500] = "";
    SAY(write(p[1], big, sizeof big));
    signal(SIGXFSZ, SIG_DFL);
    ended(CHILD(write(fd, big, 150); write(fd, big, 1)));
    signal(SIGXFSZ, SIG_IGN);
    lseek(fd, 150, SEEK_SET);
    SAY(write(fd, big, 1));
    set(RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY);
    SAY(write(fd, big, 1));
}

static void memory(void) {
    set(RLIMIT_AS, 64 << 20, RLIM_INFINITY);
    SAY(mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    void *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("%d\n", at != MAP_FAILED);
    SAY(mremap(at, 1 << 20, 128 << 20, MREMAP_MAYMOVE) == MAP_FAILED);
    SAY(malloc(100 << 20) == NULL);
    set(RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY);
    SAY(malloc(100 << 20) != NULL);
    set(RLIMIT_DATA, 10 << 20, RLIM_INFINITY);
    SAY(mmap(NULL, 20 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    SAY(mmap(NULL, 20 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    char *end = (char *)syscall(SYS_brk, 0);
    printf("%d\n", (char *)syscall(SYS_brk, end + (20 << 20)) == end);
    set(RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY);
}

static void processes(void) {
    // A number that is nobody's.
    ended(CHILD({
        setuid(54321);
        set(RLIMIT_NPROC, 1, 10);
        SAY(fork());
        set(RLIMIT_NPROC, 2, 10);
        pid_t child = fork();
        if (child == 0) _exit(0);
        SAY(child > 0);
    }));
    while (wait(NULL) > 0) {}
    ended(CHILD({
        set(RLIMIT_NOFILE, 3, 3);
        SAY(open(".", O_RDONLY));
        SAY(dup(1));
        SAY(dup2(1, 3));
        SAY(fcntl(1, F_DUPFD, 3));
        int p[2];
        SAY(pipe(p));
        SAY(socket(AF_UNIX, SOCK_STREAM, 0));
    }));
    // Of another process.
    int ready[2];
    pipe(ready);
    pid_t child = CHILD({
        char byte;
        read(ready[0], &byte, 1);
        struct rlimit limit;
        getrlimit(RLIMIT_CORE, &limit);
        printf("%ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
    });
    struct rlimit before;
    struct rlimit new = {11, 22};
    getrlimit(RLIMIT_CORE, &before);
    SAY(syscall(SYS_prlimit64, child, RLIMIT_CORE, &new, NULL));
    struct rlimit after;
    getrlimit(RLIMIT_CORE, &after);
    printf("%d\n", before.rlim_max == after.rlim_max);
    SAY(syscall(SYS_prlimit64, child, RLIMIT_CORE, NULL, &after));
    printf("%ld %ld\n", (long)after.rlim_cur, (long)after.rlim_max);
    write(ready[1], "x", 1);
    ended(child);
    SAY(syscall(SYS_prlimit64, child, RLIMIT_CORE, NULL, &after));
}

static void xcpu(int signal) { write(1, "SIGXCPU\n", 8); }

static void cpu(void) {
    ended(CHILD(set(RLIMIT_CPU, 1, RLIM_INFINITY); for (;;) {}));
    ended(CHILD(signal(SIGXCPU, xcpu); set(RLIMIT_CPU, 1, 2); for (;;) {}));
}

// A user's, of all its processes: of one that nobody else is.
static void signals(void) {
    setuid(54321);
    set(RLIMIT_SIGPENDING, 4, 4);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    union sigval value = {0};
    SAY(kill(getpid(), SIGUSR1));
    for (int i = 0; i < 4; i++) SAY(sigqueue(getpid(), SIGRTMIN, value));
    SAY(sigqueue(getpid(), SIGUSR2, value));
    SAY(sigqueue(getpid(), SIGUSR2, value));
    SAY(tgkill(getpid(), getpid(), SIGRTMIN));
    SAY(tgkill(getpid(), getpid(), SIGHUP));
    SAY(kill(getpid(), SIGRTMIN));
    SAY(kill(getpid(), SIGRTMIN + 1));
    SAY(kill(getpid(), SIGRTMIN + 1));
    ended(CHILD(SAY(sigqueue(getpid(), SIGRTMIN, value))));
    siginfo_t info;
    struct timespec now = {0};
    int taken;
    printf("taken:");
    while ((taken = sigtimedwait(&all, &info, &now)) > 0) printf(" %d", taken > 32 ? taken - SIGRTMIN + 100 : taken);
    printf("\n");
    SAY(sigqueue(getpid(), SIGRTMIN, value));
}

int main(void) {
    ended(CHILD(signals()));
    sizes();
    memory();
    processes();
    cpu();
}
