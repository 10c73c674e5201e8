// The machine: names, clocks, limits, scheduling, memory; by the calls themselves, past the C library.
#include "say.h"
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static void names(void) {
    struct utsname un;
    SAY(CALL(uname, &un));
    printf("%s %s\n", un.sysname, un.machine);
    SAY(CALL(uname, 8));
    char name[70] = "new";
    ended(CHILD({
        setuid(1000);
        SAY(CALL(sethostname, name, 3));
        SAY(CALL(setdomainname, name, 3));
        SAY(CALL(mount, "none", "/", "tmpfs", 0, 0));
        SAY(CALL(umount2, "/", 0));
        SAY(CALL(pivot_root, ".", "."));
        SAY(CALL(chroot, "/"));
    }));
    struct sysinfo si;
    SAY(CALL(sysinfo, &si));
    printf("%d %d\n", si.mem_unit > 0, si.totalram > 0);
    SAY(CALL(sysinfo, 8));
}

static void clocks(void) {
    struct timespec t = {0};
    struct timeval v;
    SAY(CALL(clock_gettime, CLOCK_REALTIME, &t));
    SAY(t.tv_sec > 1600000000);
    SAY(CALL(clock_gettime, CLOCK_MONOTONIC, &t));
    SAY(CALL(clock_gettime, CLOCK_BOOTTIME, &t));
    SAY(CALL(clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &t));
    SAY(CALL(clock_gettime, 99, &t));
    SAY(CALL(clock_gettime, 0, 8));
    SAY(CALL(clock_getres, CLOCK_REALTIME, &t));
    printf("%ld %ld\n", (long)t.tv_sec, t.tv_nsec);
    SAY(CALL(clock_getres, CLOCK_MONOTONIC, 0));
    SAY(CALL(clock_getres, 99, 0));
    t = (struct timespec){0, 2000000000};
    SAY(CALL(clock_settime, CLOCK_REALTIME, &t));
    SAY(CALL(clock_settime, 99, &t));
    SAY(CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &t, 0));
    t = (struct timespec){0, 1000};
    SAY(CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &t, 0));
    SAY(CALL(clock_nanosleep, CLOCK_REALTIME, 1, &t, 0));
    SAY(CALL(clock_nanosleep, 99, 0, &t, 0));
    SAY(CALL(nanosleep, &t, 0));
    SAY(CALL(nanosleep, 8, 0));
    SAY(CALL(gettimeofday, &v, 0));
    SAY(CALL(gettimeofday, 0, 0));
    v = (struct timeval){-1, 0};
    SAY(CALL(settimeofday, &v, 0));
    SAY(CALL(settimeofday, 8, 0));
    long now;
    SAY(CALL(time, &now) > 0);
    SAY(CALL(time, 0) > 0);
    struct tms tms;
    SAY(CALL(times, &tms) > 0);
    struct rusage usage;
    SAY(CALL(getrusage, RUSAGE_SELF, &usage));
    SAY(CALL(getrusage, RUSAGE_CHILDREN, &usage));
    SAY(CALL(getrusage, 99, &usage));
    SAY(CALL(getrusage, RUSAGE_SELF, 8));
    char random[16] = "";
    SAY(CALL(getrandom, random, 16, 0));
    SAY(CALL(getrandom, random, 16, 99));
    SAY(CALL(getrandom, 8, 16, 0));
    SAY(CALL(getrandom, random, 0, 0));
}

static void limits(void) {
    struct rlimit limit = {100, 50};
    SAY(CALL(prlimit64, 0, RLIMIT_NOFILE, &limit, 0));
    SAY(CALL(prlimit64, 0, 99, 0, &limit));
    SAY(CALL(prlimit64, 99999, RLIMIT_CORE, 0, &limit));
    SAY(CALL(getrlimit, RLIMIT_NOFILE, &limit));
    SAY(CALL(getrlimit, 99, &limit));
    limit = (struct rlimit){10, 20};
    SAY(CALL(setrlimit, RLIMIT_CORE, &limit));
    SAY(CALL(prlimit64, getpid(), RLIMIT_CORE, 0, &limit));
    printf("%ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
    SAY(CALL(setrlimit, RLIMIT_CORE, 8));
    limit = (struct rlimit){5, 5};
    SAY(CALL(setrlimit, RLIMIT_NOFILE, &limit));
    SAY(dup(0));
    SAY(dup(0));
    SAY(dup(0));
    close(3), close(4);
}

static void scheduling(void) {
    unsigned long mask = 0;
    unsigned cpu = 99, node = 99;
    int parameter = 0;
    struct timespec t;
    SAY(CALL(sched_yield));
    SAY(CALL(sched_getscheduler, 0));
    SAY(CALL(sched_getscheduler, 99999));
    SAY(CALL(sched_getparam, 0, &parameter));
    SAY(CALL(sched_setparam, 0, &parameter));
    parameter = 5;
    SAY(CALL(sched_setparam, 0, &parameter));
    parameter = 0;
    SAY(CALL(sched_setscheduler, 0, SCHED_BATCH, &parameter));
    SAY(CALL(sched_setscheduler, 0, SCHED_OTHER, &parameter));
    SAY(CALL(sched_setscheduler, 0, 99, &parameter));
    SAY(CALL(sched_setscheduler, 99999, SCHED_OTHER, &parameter));
    SAY(CALL(sched_get_priority_max, SCHED_FIFO));
    SAY(CALL(sched_get_priority_min, SCHED_FIFO));
    SAY(CALL(sched_get_priority_max, SCHED_OTHER));
    SAY(CALL(sched_get_priority_max, 99));
    SAY(CALL(sched_get_priority_min, 99));
    SAY(CALL(sched_rr_get_interval, 0, &t));
    SAY(CALL(sched_rr_get_interval, -1, &t));
    SAY(CALL(sched_rr_get_interval, 0, 8));
    SAY(CALL(sched_getaffinity, 0, 1024, calloc(1, 1024)) > 0);
    SAY(CALL(sched_getaffinity, 0, 1, &mask));
    SAY(CALL(sched_getaffinity, 99999, 8, &mask));
    SAY(CALL(sched_setaffinity, 0, 8, 8));
    mask = 0;
    SAY(CALL(sched_setaffinity, 0, 8, &mask));
    unsigned attributes[14] = {48};
    SAY(CALL(sched_getattr, 0, attributes, 48, 0));
    printf("%u %u\n", attributes[0], attributes[1]);
    SAY(CALL(sched_getattr, 0, attributes, 10, 0));
    SAY(CALL(sched_setattr, 0, attributes, 0));
    attributes[1] = 99;
    SAY(CALL(sched_setattr, 0, attributes, 0));
    SAY(CALL(getcpu, &cpu, &node, 0));
    SAY(CALL(getcpu, 0, 0, 0));
    SAY(CALL(getcpu, 8, 0, 0));
    SAY(CALL(getpriority, PRIO_PROCESS, 0));
    SAY(CALL(setpriority, PRIO_PROCESS, 0, 5));
    SAY(CALL(getpriority, PRIO_PROCESS, 0));
    SAY(CALL(setpriority, PRIO_PROCESS, 0, 99));
    SAY(CALL(getpriority, PRIO_PROCESS, 0));
    SAY(CALL(getpriority, 9, 0));
    SAY(CALL(getpriority, PRIO_PROCESS, 99999));
    SAY(CALL(setpriority, PRIO_PROCESS, 99999, 0));
    SAY(CALL(membarrier, MEMBARRIER_CMD_QUERY, 0, 0) > 0);
    SAY(CALL(membarrier, MEMBARRIER_CMD_QUERY, 7, 0));
    SAY(CALL(membarrier, 0x10000, 0, 0));
}

static void memory(void) {
    char *at = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SAY(CALL(mlock, at, 8192));
    SAY(CALL(munlock, at, 8192));
    SAY(CALL(mlock2, at, 4096, 1));
    SAY(CALL(mlock2, at, 4096, 9));
    SAY(CALL(mlockall, 0));
    SAY(CALL(munlockall));
    SAY(CALL(pkey_mprotect, at, 4096, PROT_READ, -1));
    SAY(CALL(pkey_mprotect, at, 4096, PROT_READ, 99));
    SAY(CALL(pkey_free, 99));
    SAY(CALL(pkey_alloc, 1, 0));
    munmap(at, 8192);
    SAY(CALL(mlock, at, 4096));
    SAY(CALL(brk, 0) > 0);
    unsigned long base = 0;
    SAY(CALL(arch_prctl, 0x1003, &base));
    SAY(base != 0);
    SAY(CALL(arch_prctl, 99, &base));
    int word = 1;
    struct timespec t = {0, 1000000};
    SAY(CALL(futex, &word, FUTEX_WAIT, 0, 0));
    SAY(CALL(futex, &word, FUTEX_WAIT, 1, &t));
    SAY(CALL(futex, &word, FUTEX_WAKE, 1));
    SAY(CALL(futex, (char *)&word + 1, FUTEX_WAKE, 1));
    SAY(CALL(futex, &word, FUTEX_WAIT_BITSET, 1, &t, 0, 0));
    SAY(CALL(futex, &word, FUTEX_CMP_REQUEUE, 1, 1, &word + 1, 5));
    SAY(CALL(futex, &word, 99, 1));
    void *head;
    size_t len = 0;
    SAY(CALL(get_robust_list, 0, &head, &len));
    printf("%zu\n", len);
    SAY(CALL(get_robust_list, 99999, &head, &len));
    SAY(CALL(set_robust_list, head, 24));
    SAY(CALL(set_robust_list, head, 23));
    SAY(CALL(rseq, 8, 1, 0, 0) < 0);
}

static void signals(void) {
    unsigned long set = 1ul << (SIGUSR1 - 1), old = 0, action[4] = {0};
    siginfo_t info = {0};
    struct timespec t = {0, 1000};
    SAY(CALL(rt_sigprocmask, SIG_BLOCK, &set, &old, 8));
    SAY(CALL(rt_sigprocmask, SIG_BLOCK, &set, &old, 4));
    SAY(CALL(rt_sigprocmask, 99, &set, &old, 8));
    SAY(CALL(rt_sigaction, SIGUSR2, 0, action, 8));
    SAY(CALL(rt_sigaction, SIGKILL, action, 0, 8));
    SAY(CALL(rt_sigaction, 65, 0, action, 8));
    SAY(CALL(rt_sigaction, SIGUSR2, 0, action, 4));
    info.si_signo = SIGUSR1, info.si_code = -1, info.si_value.sival_int = 42;
    SAY(CALL(rt_sigqueueinfo, getpid(), SIGUSR1, &info));
    SAY(CALL(rt_sigqueueinfo, 99999, SIGUSR1, &info));
    SAY(CALL(rt_sigpending, &old, 8));
    printf("%lx\n", old);
    SAY(CALL(rt_sigpending, &old, 9));
    memset(&info, 0, sizeof info);
    SAY(CALL(rt_sigtimedwait, &set, &info, &t, 8));
    printf("%d %d\n", info.si_code, info.si_value.sival_int);
    SAY(CALL(rt_sigtimedwait, &set, &info, &t, 8));
    SAY(CALL(rt_sigtimedwait, &set, &info, &t, 4));
    info.si_signo = SIGUSR1, info.si_code = -1;
    SAY(CALL(rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &info));
    SAY(CALL(rt_tgsigqueueinfo, getpid(), 99999, SIGUSR1, &info));
    SAY(CALL(rt_tgsigqueueinfo, -1, 1, SIGUSR1, &info));
    SAY(CALL(rt_sigtimedwait, &set, &info, &t, 8));
    SAY(CALL(rt_sigsuspend, &set, 4));
    SAY(CALL(tkill, gettid(), 0));
    SAY(CALL(tkill, -1, 0));
    SAY(CALL(tgkill, getpid(), gettid(), 0));
    SAY(CALL(tgkill, getpid(), 99999, 0));
    int fd = SAY(CALL(signalfd4, -1, &set, 8, SFD_NONBLOCK));
    SAY(read(fd, &info, 128));
    SAY(CALL(signalfd4, -1, &set, 4, 0));
    SAY(CALL(signalfd4, -1, &set, 8, 1));
    SAY(CALL(signalfd, 0, &set, 8));
    close(fd);
}

static void files(void) {
    char text[64] = "";
    SAY(CALL(mkdirat, AT_FDCWD, "d", 0755));
    SAY(CALL(mkdirat, AT_FDCWD, "d", 0755));
    int dir = SAY(open("d", O_RDONLY | O_DIRECTORY));
    SAY(CALL(mknodat, dir, "fifo", S_IFIFO | 0644, 0));
    SAY(CALL(symlinkat, "target", dir, "link"));
    SAY(CALL(readlinkat, dir, "link", text, 64));
    SAY(CALL(renameat, dir, "link", dir, "other"));
    SAY(CALL(renameat, dir, "link", dir, "other"));
    struct stat st;
    SAY(CALL(lstat, "d/other", &st));
    SAY(CALL(newfstatat, dir, "other", &st, AT_SYMLINK_NOFOLLOW));
    SAY(CALL(newfstatat, dir, "", &st, AT_EMPTY_PATH));
    SAY(CALL(newfstatat, dir, "fifo", &st, 0x10000000));
    SAY(CALL(faccessat2, dir, "other", F_OK, AT_SYMLINK_NOFOLLOW));
    SAY(CALL(faccessat2, dir, "other", F_OK, 0));
    SAY(CALL(faccessat2, dir, "fifo", 9, 0));
    SAY(CALL(futimesat, dir, "fifo", 0));
    SAY(CALL(futimesat, dir, "none", 0));
    SAY(CALL(getdents, dir, text, 1));
    char entries[1024];
    SAY(CALL(getdents, dir, entries, 1024) > 0);
    SAY(CALL(getdents, dir, entries, 1024));
    SAY(CALL(getdents, 0, entries, 1024));
    SAY(CALL(name_to_handle_at, AT_FDCWD, "none", text, &st, 0));
    put("f", "0123456789");
    int fd = SAY(open("f", O_RDWR));
    SAY(CALL(pread64, fd, text, 4, 3));
    printf("%.4s\n", text);
    SAY(CALL(pwrite64, fd, "xy", 2, 1));
    SAY(CALL(pread64, fd, text, 4, -1));
    SAY(CALL(readahead, fd, 0, 100));
    SAY(CALL(readahead, 99, 0, 100));
    SAY(CALL(fadvise64, fd, 0, 0, 0));
    SAY(CALL(fadvise64, fd, 0, 0, 99));
    SAY(CALL(sync_file_range, fd, 0, 10, 0));
    SAY(CALL(sync_file_range, fd, 0, 10, 99));
    SAY(CALL(sync));
    SAY(CALL(fsetxattr, fd, "user.a", "value", 5, 0));
    SAY(CALL(fsetxattr, fd, "user.a", "value", 5, 1));
    SAY(CALL(fsetxattr, fd, "bad", "value", 5, 0));
    SAY(CALL(fgetxattr, fd, "user.a", text, 64));
    SAY(CALL(lremovexattr, "f", "user.a"));
    SAY(CALL(lremovexattr, "f", "user.a"));
    int ends[2], more[2];
    pipe(ends), pipe(more);
    SAY(CALL(splice, fd, 0, ends[1], 0, 5, 0));
    SAY(CALL(tee, ends[0], more[1], 5, 0));
    SAY(CALL(splice, ends[0], 0, fd, 0, 3, 0));
    SAY(CALL(splice, fd, 0, fd, 0, 3, 0));
    SAY(CALL(tee, ends[0], fd, 5, 0));
    int set = SAY(epoll_create1(0));
    struct epoll_event event = {EPOLLIN, {.u64 = 7}};
    SAY(epoll_ctl(set, EPOLL_CTL_ADD, more[0], &event));
    unsigned long mask = 0;
    struct timespec none = {0};
    SAY(CALL(epoll_pwait, set, &event, 1, 0, &mask, 8));
    SAY(CALL(epoll_pwait, set, &event, 1, 0, &mask, 4));
    SAY(CALL(epoll_pwait2, set, &event, 1, &none, 0, 0));
    SAY(CALL(epoll_pwait2, set, &event, 0, &none, 0, 0));
    SAY(CALL(pselect6, 0, 0, 0, 0, &none, 0));
    SAY(CALL(pselect6, -1, 0, 0, 0, &none, 0));
    int counter = SAY(CALL(eventfd2, 5, EFD_NONBLOCK));
    SAY(read(counter, text, 8));
    SAY(read(counter, text, 8));
    SAY(CALL(eventfd2, 0, 0x100));
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    struct iovec part = {"message", 7}, into = {text, 64};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    SAY(CALL(sendmsg, pair[0], &header, 0));
    header.msg_iov = &into;
    SAY(CALL(recvmsg, pair[1], &header, 0));
    SAY(CALL(recvmsg, pair[1], &header, MSG_DONTWAIT));
    SAY(CALL(sendmsg, pair[0], 8, 0));
    SAY(CALL(recvmsg, fd, &header, 0));
}

int main(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    names();
    clocks();
    scheduling();
    memory();
    signals();
    files();
    limits();
    return 0;
}
