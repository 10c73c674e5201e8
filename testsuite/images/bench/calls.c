// What the kernel costs: a loop of one call, or of one thing that takes several. calls WHAT TIMES [PROGRAM ARGUMENT…]
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char file[] = "/usr/local/share/fib.lua";
static const char many[] = "/usr/local/share/many";

static void check(int good, const char *what) {
    if (good) return;
    perror(what);
    exit(1);
}

static void ask_pid(long times) {
    pid_t pid = getpid();
    for (long i = 0; i < times; i++) check(getpid() == pid, "getpid");
}

static void seek(long times) {
    int fd = open(file, O_RDONLY);
    for (long i = 0; i < times; i++) check(lseek(fd, i & 63, SEEK_SET) == (i & 63), "lseek");
}

static void status_of_fd(long times) {
    struct stat status;
    int fd = open(file, O_RDONLY);
    for (long i = 0; i < times; i++) check(!fstat(fd, &status), "fstat");
}

static void status_of_path(long times) {
    struct stat status;
    for (long i = 0; i < times; i++) check(!stat(file, &status), "stat");
}

static void read_file(long times) {
    char buffer[16];
    for (long i = 0; i < times; i++) {
        int fd = open(file, O_RDONLY);
        check(read(fd, buffer, sizeof buffer) == sizeof buffer && !close(fd), "open, read, close");
    }
}

static void list(long times) {
    for (long i = 0; i < times; i++) {
        DIR *dir = opendir(many);
        long count = 0;
        while (readdir(dir)) count++;
        check(count == 10002, "getdents64");
        closedir(dir);
    }
}

static void join_child(pid_t pid) {
    int status;
    check(waitpid(pid, &status, 0) == pid && status == 0, "waitpid");
}

// Times 64 KiB, from a child.
static void stream(long times) {
    static char buffer[65536];
    int fds[2];
    check(!pipe(fds), "pipe");
    pid_t child = fork();
    if (child == 0) {
        for (long i = 0; i < times; i++) check(write(fds[1], buffer, sizeof buffer) == sizeof buffer, "write");
        _exit(0);
    }
    close(fds[1]);
    size_t sum = 0;
    for (ssize_t count; (count = read(fds[0], buffer, sizeof buffer)) > 0;) sum += count;
    check(sum == times * sizeof buffer, "read");
    join_child(child);
}

static void ping_pong(long times) {
    int to[2], from[2];
    char byte = 0;
    check(!pipe(to) && !pipe(from), "pipe");
    pid_t child = fork();
    if (child == 0) {
        for (long i = 0; i < times; i++) check(read(to[0], &byte, 1) == 1 && write(from[1], &byte, 1) == 1, "child");
        _exit(0);
    }
    for (long i = 0; i < times; i++) check(write(to[1], &byte, 1) == 1 && read(from[0], &byte, 1) == 1, "parent");
    join_child(child);
}

static volatile int whose;

// Takes every other turn.
static void take_turns(long times, int own) {
    for (long i = 0; i < times; i++) {
        while (__atomic_load_n(&whose, __ATOMIC_ACQUIRE) != own) syscall(SYS_futex, &whose, FUTEX_WAIT_PRIVATE, !own, 0, 0, 0);
        __atomic_store_n(&whose, !own, __ATOMIC_RELEASE);
        syscall(SYS_futex, &whose, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
    }
}

static void *take_other_turns(void *times) {
    take_turns((long)times, 1);
    return 0;
}

static void hand_over(long times) {
    pthread_t other;
    check(!pthread_create(&other, 0, take_other_turns, (void *)times), "pthread_create");
    take_turns(times, 0);
    pthread_join(other, 0);
}

static void run(long times, char **command) {
    for (long i = 0; i < times; i++) {
        pid_t child = fork();
        if (child == 0) {
            execv(command[0], command);
            _exit(127);
        }
        join_child(child);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    const char *what = argv[1];
    long times = atol(argv[2]);
    if (!strcmp(what, "getpid")) ask_pid(times);
    else if (!strcmp(what, "lseek")) seek(times);
    else if (!strcmp(what, "fstat")) status_of_fd(times);
    else if (!strcmp(what, "stat")) status_of_path(times);
    else if (!strcmp(what, "open")) read_file(times);
    else if (!strcmp(what, "getdents")) list(times);
    else if (!strcmp(what, "pipe")) stream(times);
    else if (!strcmp(what, "switch")) ping_pong(times);
    else if (!strcmp(what, "futex")) hand_over(times);
    else if (!strcmp(what, "exec") && argc > 3) run(times, argv + 3);
    else return 2;
    printf("%s %ld\n", what, times);
}
