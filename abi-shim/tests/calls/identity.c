// Who a process is: numbers, users, groups, capabilities; by the calls themselves, past the C library.
#include "say.h"
#include <linux/capability.h>
#include <linux/sched.h>

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static void numbers(void) {
    unsigned a = 9, b = 9, c = 9;
    SAY(CALL(getpid) == CALL(gettid));
    SAY(CALL(gettid) > 0);
    SAY(CALL(getppid) >= 0);
    SAY(CALL(getpgrp) == CALL(getpgid, 0));
    SAY(CALL(getpgid, 99999));
    SAY(CALL(getsid, 0) == CALL(getsid, getpid()));
    SAY(CALL(getsid, 99999));
    SAY(CALL(getuid));
    SAY(CALL(geteuid));
    SAY(CALL(getgid));
    SAY(CALL(getegid));
    SAY(CALL(getresuid, &a, &b, &c));
    printf("%u %u %u\n", a, b, c);
    SAY(CALL(getresuid, 8, &b, &c));
    SAY(CALL(getresgid, &a, &b, &c));
    printf("%u %u %u\n", a, b, c);
    SAY(CALL(getresgid, &a, 8, &c));
    SAY(CALL(set_tid_address, 0) == getpid());
    SAY(CALL(umask, 077));
    SAY(CALL(umask, 022));
    SAY(CALL(personality, 0xffffffff));
}

static void ids(void) {
    unsigned a, b, c;
    SAY(CALL(setfsuid, 5));
    SAY(CALL(setfsuid, -1));
    SAY(CALL(setfsuid, 0));
    SAY(CALL(setfsgid, 5));
    SAY(CALL(setfsgid, -1));
    SAY(CALL(setfsgid, 0));
    SAY(CALL(setgroups, 3, (int[]){7, 8, 9}));
    SAY(CALL(setgroups, 70000, &a));
    SAY(CALL(setgroups, 2, 8));
    int groups[8] = {0};
    SAY(CALL(getgroups, 0, 0));
    SAY(CALL(getgroups, 2, groups));
    SAY(CALL(getgroups, 8, groups));
    printf("%d %d %d\n", groups[0], groups[1], groups[2]);
    SAY(CALL(getgroups, -1, groups));
    SAY(CALL(setregid, 10, 20));
    SAY(CALL(getresgid, &a, &b, &c));
    printf("%u %u %u\n", a, b, c);
    SAY(CALL(setresgid, 1, -1, 3));
    SAY(CALL(getresgid, &a, &b, &c));
    printf("%u %u %u\n", a, b, c);
    SAY(CALL(setgid, -1));
    SAY(CALL(setgid, 0));
    SAY(CALL(setresuid, 0, 100, 200));
    SAY(CALL(getresuid, &a, &b, &c));
    printf("%u %u %u\n", a, b, c);
    SAY(CALL(setuid, 300));
    SAY(CALL(setuid, 200));
    SAY(CALL(setreuid, 300, -1));
    SAY(CALL(setreuid, -1, 0));
    SAY(CALL(setgroups, 0, 0));
    SAY(CALL(setresuid, 0, 0, 0));
    SAY(CALL(setresuid, 1000, 1000, 1000));
    SAY(CALL(setresuid, 0, -1, -1));
    SAY(CALL(setuid, 0));
    SAY(CALL(setreuid, 0, 0));
    SAY(CALL(setregid, 5, 5));
    SAY(CALL(setresgid, 5, 5, 5));
    SAY(CALL(setgid, 5));
    SAY(CALL(getresuid, &a, &b, &c));
    printf("%u %u %u\n", a, b, c);
}

static void capabilities(void) {
    struct __user_cap_header_struct header = {0x20080522, 0};
    struct __user_cap_data_struct data[2] = {0};
    SAY(CALL(capget, &header, data));
    printf("effective is permitted %d, some %d\n", data[0].effective == data[0].permitted, data[0].effective != 0);
    header.version = 5;
    SAY(CALL(capget, &header, data));
    printf("%x\n", header.version);
    header.version = 5;
    SAY(CALL(capget, &header, 0));
    header.pid = 99999;
    SAY(CALL(capget, &header, data));
    header.pid = 0;
    SAY(CALL(capget, 8, data));
    data[0].effective &= ~1u;
    SAY(CALL(capset, &header, data));
    SAY(CALL(capget, &header, data));
    printf("chown %u\n", data[0].effective & 1);
    data[0].permitted &= ~1u;
    SAY(CALL(capset, &header, data));
    data[0].effective |= 1;
    SAY(CALL(capset, &header, data));
    data[0].permitted |= 1;
    SAY(CALL(capset, &header, data));
    SAY(CALL(capset, &header, 8));
    put("mine", "");
    SAY(CALL(chown, "mine", 5, 5));
    SAY(CALL(prctl, PR_SET_KEEPCAPS, 1));
    SAY(CALL(prctl, PR_GET_KEEPCAPS));
    SAY(CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    SAY(CALL(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SAY(CALL(prctl, PR_SET_DUMPABLE, 7));
    SAY(CALL(prctl, PR_CAPBSET_READ, 99));
    SAY(CALL(prctl, 12345));
    char name[16] = "";
    SAY(CALL(prctl, PR_SET_NAME, "a name that is too long"));
    SAY(CALL(prctl, PR_GET_NAME, name));
    printf("%s\n", name);
}

static void processes(void) {
    siginfo_t info = {0};
    int status = 0, fd = -1;
    pid_t child = CHILD(_exit(7));
    fd = SAY(CALL(pidfd_open, child, 0) >= 0) ? 3 : -1;
    SAY(CALL(fcntl, fd, F_GETFD));
    struct pollfd p = {fd, POLLIN};
    SAY(CALL(poll, &p, 1, -1));
    SAY(CALL(pidfd_send_signal, fd, 0, 0, 0));
    SAY(CALL(waitid, 3, fd, &info, WEXITED, 0));
    printf("%d %d %d\n", info.si_signo, info.si_code, info.si_status);
    SAY(CALL(waitid, 3, fd, &info, WEXITED, 0));
    SAY(CALL(waitid, 3, 0, &info, WEXITED, 0));
    SAY(CALL(pidfd_send_signal, fd, 0, 0, 0));
    SAY(CALL(pidfd_open, 99999, 0));
    SAY(CALL(pidfd_open, 0, 0));
    SAY(CALL(pidfd_open, getpid(), 1));
    SAY(CALL(pidfd_send_signal, 0, 0, 0, 0));
    SAY(CALL(pidfd_send_signal, fd, 99, 0, 0));
    SAY(CALL(pidfd_send_signal, fd, 1, 0, 5));
    close(fd);
    // Directories of processes in /proc are as good.
    fd = open("/proc/self", O_RDONLY | O_DIRECTORY);
    printf("%d\n", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0 ? errno : 0);
    close(fd);
    fd = open("/proc/self", O_PATH);
    printf("%d\n", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0 ? errno : 0);
    close(fd);
    fd = open("/proc/self/fd", O_RDONLY);
    printf("%d\n", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0 ? errno : 0);
    close(fd);
    put("shared", "text of a file");
    child = CHILD({
        int file = open("shared", O_RDONLY);
        raise(SIGSTOP);
        lseek(file, 5, SEEK_SET);
        pause();
    });
    waitpid(child, &status, WUNTRACED);
    fd = CALL(pidfd_open, child, 0);
    SAY(p.fd = fd);
    SAY(CALL(poll, &p, 1, 0));
    int got = SAY(CALL(pidfd_getfd, fd, 3, 0));
    char text[5] = "";
    SAY(read(got, text, 4));
    printf("%s\n", text);
    SAY(CALL(pidfd_getfd, fd, 99, 0));
    SAY(CALL(pidfd_getfd, fd, 3, 1));
    SAY(CALL(pidfd_getfd, 0, 3, 0));
    SAY(CALL(kcmp, getpid(), child, 0, got, 3));
    SAY(CALL(kcmp, getpid(), getpid(), 0, got, 0) > 0);
    SAY(CALL(kcmp, getpid(), child, 1, 0, 0) > 0);
    SAY(CALL(kcmp, getpid(), getpid(), 2, 0, 0));
    SAY(CALL(kcmp, getpid(), 99999, 0, 0, 0));
    SAY(CALL(kcmp, getpid(), getpid(), 0, 99, 0));
    SAY(CALL(kcmp, getpid(), getpid(), 99, 0, 0));
    SAY(CALL(pidfd_send_signal, fd, SIGKILL, 0, 0));
    ended(child);
    close(fd), close(got);
    // With a descriptor from the start.
    fflush(stdout);
    unsigned long args[11] = {CLONE_PIDFD, (unsigned long)&fd, 0, 0, SIGCHLD};
    child = CALL(clone3, args, 64);
    if (child == 0) _exit(3);
    SAY(fd >= 3);
    SAY(CALL(waitid, 3, fd, &info, WEXITED, 0));
    printf("%d\n", info.si_status);
    close(fd);
    SAY(CALL(clone3, args, 8));
    SAY(CALL(clone3, args, 5000));
    args[0] = CLONE_THREAD;
    SAY(CALL(clone3, args, 64));
    args[0] = 0, args[5] = 4096;
    SAY(CALL(clone3, args, 64));
    fflush(stdout);
    child = CALL(clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
    if (child == 0) _exit(4);
    SAY(CALL(waitid, 3, fd, &info, WEXITED, 0));
    printf("%d\n", info.si_status);
    SAY(CALL(clone, CLONE_PIDFD | CLONE_PARENT_SETTID, 0, &fd, 0, 0));
    SAY(CALL(clone, CLONE_SIGHAND, 0, 0, 0, 0));
    fflush(stdout);
    child = CALL(fork);
    if (child == 0) CALL(exit, 5);
    SAY(CALL(wait4, child, &status, 0, 0) == child);
    printf("%d\n", WEXITSTATUS(status));
    child = vfork();
    if (child == 0) CALL(exit_group, 6);
    SAY(CALL(wait4, child, &status, 0, 0) == child);
    printf("%d\n", WEXITSTATUS(status));
    SAY(CALL(wait4, -1, 0, WNOHANG, 0));
    SAY(CALL(wait4, -1, 0, 0x1000, 0));
    SAY(CALL(execveat, AT_FDCWD, "nothing", 0, 0, 0));
    SAY(CALL(execveat, 99, "nothing", 0, 0, 0));
    SAY(CALL(execveat, AT_FDCWD, "", 0, 0, 0));
    SAY(CALL(restart_syscall));
}

static void memories(void) {
    char one[20] = "one", other[20] = "other", more[20] = "";
    struct iovec local[2] = {{more, 4}, {more + 4, 16}}, remote = {one, 20};
    SAY(CALL(process_vm_readv, getpid(), local, 2, &remote, 1, 0));
    printf("%s\n", more);
    remote.iov_base = other;
    SAY(CALL(process_vm_writev, getpid(), local, 2, &remote, 1, 0));
    printf("%s\n", other);
    SAY(CALL(process_vm_readv, 99999, local, 2, &remote, 1, 0));
    SAY(CALL(process_vm_readv, getpid(), local, 2, &remote, 1, 1));
    remote.iov_base = (void *)8;
    SAY(CALL(process_vm_readv, getpid(), local, 2, &remote, 1, 0));
    SAY(CALL(process_vm_writev, 99999, local, 2, &remote, 1, 0));
    int ends[2], status;
    pipe(ends);
    static char here[30] = "before";
    pid_t child = CHILD({
        strcpy(here, "in the child");
        write(ends[1], "x", 1);
        pause();
    });
    read(ends[0], more, 1);
    remote = (struct iovec){here, 20};
    SAY(CALL(process_vm_readv, child, local, 2, &remote, 1, 0));
    printf("%s, %s\n", more, here);
    kill(child, SIGKILL);
    ended(child);
    // What tasks share, no longer.
    SAY(CALL(unshare, 0));
    SAY(CALL(unshare, CLONE_FILES | CLONE_FS));
    SAY(CALL(unshare, 1));
    SAY(CALL(setns, 99, 0));
    SAY(CALL(setns, ends[0], 0));
    struct iovec parts[2] = {{"vm", 2}, {"splice", 6}};
    SAY(CALL(vmsplice, ends[1], parts, 2, 0));
    SAY(read(ends[0], more, 20));
    printf("%.8s\n", more);
    SAY(CALL(vmsplice, open("shared", O_RDWR), parts, 2, 0));
    SAY(CALL(vmsplice, ends[1], parts, 2, 0x100));
    SAY(CALL(vmsplice, 99, parts, 2, 0));
}

int main(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    numbers();
    processes();
    memories();
    ended(CHILD(ids()));
    ended(CHILD(capabilities()));
    return 0;
}
