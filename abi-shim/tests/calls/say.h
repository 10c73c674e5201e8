// A call and what it gave: `mkdir("d", 0755) = -1 EEXIST`.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#ifndef __GLIBC__
#include "musl.h"
#endif

// Shows in a trace where a case begins, and with its line where it ends.
#define MARK(line) syscall(SYS_close, -1000000 - (line))

#define SAY(call) ({                                                                              \
    MARK(0);                                                                                      \
    errno = 0;                                                                                    \
    long result_ = (long)(call);                                                                  \
    int error_ = errno;                                                                           \
    MARK(__LINE__);                                                                               \
    printf("%d: %s = %ld%s%s\n", __LINE__, #call, result_ < 0 ? -1 : result_,                     \
           result_ < 0 ? " " : "", result_ < 0 ? strerrorname_np(error_) : "");                   \
    result_;                                                                                      \
})

// Whoever starts the program may have left descriptors open.
__attribute__((constructor)) static void begin(void) {
    close_range(3, ~0u, 0);
    umask(022);
}

// Runs a block in a child; the parent goes on with its number.
#define CHILD(...) ({                                                                             \
    fflush(stdout);                                                                               \
    pid_t pid_ = fork();                                                                          \
    if (pid_ == 0) {                                                                              \
        __VA_ARGS__;                                                                               \
        fflush(stdout);                                                                           \
        _exit(0);                                                                                 \
    }                                                                                             \
    pid_;                                                                                         \
})

// Waits for a child and says how it ended.
static void ended(pid_t pid) {
    int status = -1;
    pid_t got = waitpid(pid, &status, 0);
    if (got != pid) printf("waitpid: %s\n", strerrorname_np(errno));
    else if (WIFEXITED(status)) printf("child exited %d\n", WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) printf("child killed by %d\n", WTERMSIG(status));
    else printf("child %#x\n", status);
}

// Writes a file.
static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) perror(path);
    close(fd);
}

// Shows a file's content.
static void show(const char *path) {
    char text[256] = "";
    int fd = open(path, O_RDONLY);
    long n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n < 0) printf("%s: %s\n", path, strerrorname_np(errno));
    else printf("%s: %ld \"%s\"\n", path, n, text);
    if (fd >= 0) close(fd);
}

// Shows what of a file's state does not depend on the filesystem.
static void state(const char *path) {
    struct stat st;
    if (lstat(path, &st) < 0) {
        printf("%s: %s\n", path, strerrorname_np(errno));
        return;
    }
    printf("%s: mode %o nlink %ld uid %d gid %d size %ld blocks %ld blksize %ld\n", path, st.st_mode, (long)st.st_nlink, st.st_uid,
           st.st_gid, (long)st.st_size, (long)st.st_blocks, (long)st.st_blksize);
}

static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

// Shows a directory's entries, sorted.
static void list(const char *path) {
    char *names[256];
    int n = 0;
    DIR *dir = opendir(path);
    if (!dir) {
        printf("%s: %s\n", path, strerrorname_np(errno));
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) && n < 256; n++) asprintf(&names[n], "%s:%d", entry->d_name, entry->d_type);
    closedir(dir);
    qsort(names, n, sizeof *names, compare);
    printf("%s:", path);
    for (int i = 0; i < n; i++) printf(" %s", names[i]);
    printf("\n");
}
