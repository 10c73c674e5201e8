// inotify(7): who is told what of which files.
#include "say.h"
#include <sys/inotify.h>

static int set;

static const char *names[] = {"ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN", "MOVED_FROM", "MOVED_TO", "CREATE",
                              "DELETE", "DELETE_SELF", "MOVE_SELF", "12", "UNMOUNT", "Q_OVERFLOW", "IGNORED"};

static void print(const struct inotify_event *event, unsigned *first) {
    printf("   %d", event->wd);
    for (int bit = 0; bit < 16; bit++)
        if (event->mask >> bit & 1) printf(" %s", names[bit]);
    if (event->mask & IN_ISDIR) printf(" ISDIR");
    // Cookies are counted by the machine.
    if (event->cookie && !*first) *first = event->cookie;
    if (event->cookie) printf(" cookie %u", event->cookie - *first + 1);
    if (event->len) printf(" %u \"%s\"", event->len, event->name);
    printf("\n");
}

// Shows what was told since the last time.
static void told(void) {
    char buffer[8192] __attribute__((aligned(8)));
    unsigned first = 0;
    for (;;) {
        long n = read(set, buffer, sizeof buffer);
        if (n < 0 && errno != EAGAIN) printf("read: %s\n", strerrorname_np(errno));
        if (n <= 0) return;
        for (long at = 0; at < n;) {
            struct inotify_event *event = (void *)(buffer + at);
            print(event, &first);
            at += sizeof *event + event->len;
        }
    }
}

static void errors(void) {
    SAY(inotify_init1(1));
    SAY(inotify_init());
    SAY(inotify_add_watch(99, ".", IN_OPEN));
    SAY(inotify_add_watch(1, ".", IN_OPEN));
    SAY(inotify_add_watch(set, ".", 0));
    SAY(inotify_add_watch(set, ".", 0x1000));
    SAY(inotify_add_watch(set, "nothing", IN_OPEN));
    SAY(inotify_add_watch(set, "", IN_OPEN));
    SAY(inotify_add_watch(set, NULL, IN_OPEN));
    SAY(inotify_add_watch(set, "f", IN_OPEN | IN_ONLYDIR));
    SAY(inotify_add_watch(set, "f/x", IN_OPEN));
    SAY(inotify_add_watch(set, ".", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
    SAY(inotify_rm_watch(set, 1));
    SAY(inotify_rm_watch(99, 1));
    SAY(inotify_rm_watch(1, 1));
    char small[8];
    SAY(read(set, small, sizeof small));
    SAY(write(set, small, sizeof small));
    SAY(lseek(set, 5, SEEK_SET));
    SAY(pread(set, small, sizeof small, 0));
    char link[100] = "", path[100];
    sprintf(path, "/proc/self/fd/%d", set);
    SAY(readlink(path, link, sizeof link));
    puts(link);
}

// What is done with one file, told to its watch and to that of its directory.
static void files(void) {
    int dir = SAY(inotify_add_watch(set, "d", IN_ALL_EVENTS));
    int fd = SAY(open("d/a", O_RDWR | O_CREAT, 0644));
    told();
    SAY(inotify_add_watch(set, "d/a", IN_ALL_EVENTS));
    SAY(write(fd, "hello", 5)), told();
    SAY(write(fd, "", 0)), told();
    SAY(write(fd, "a", 1)), SAY(write(fd, "b", 1)), told();
    SAY(pwrite(fd, "x", 1, 0)), told();
    char buffer[100];
    SAY(pread(fd, buffer, 5, 0)), told();
    SAY(read(fd, buffer, 5)), told();
    SAY(ftruncate(fd, 2)), told();
    SAY(ftruncate(fd, 2)), told();
    SAY(fallocate(fd, 0, 0, 100)), told();
    SAY(fsync(fd)), told();
    SAY(fchmod(fd, 0600)), told();
    SAY(fchown(fd, 0, 0)), told();
    SAY(futimens(fd, NULL)), told();
    struct timespec times[2] = {{1, 0}, {0, UTIME_OMIT}};
    SAY(futimens(fd, times)), told();
    struct timespec later[2] = {{0, UTIME_OMIT}, {1, 0}};
    SAY(futimens(fd, later)), told();
    SAY(fsetxattr(fd, "user.x", "y", 1, 0)), told();
    SAY(fgetxattr(fd, "user.x", buffer, 9)), told();
    SAY(fremovexattr(fd, "user.x")), told();
    int other = SAY(dup(fd));
    SAY(close(fd)), told();
    SAY(close(other)), told();
    fd = SAY(open("d/a", O_RDONLY)), told();
    SAY(close(fd)), told();
    fd = SAY(open("d/a", O_PATH)), told();
    SAY(close(fd)), told();
    fd = SAY(open("d/a", O_WRONLY | O_TRUNC)), told();
    SAY(close(fd)), told();
    fd = SAY(open("d/a", O_WRONLY | O_APPEND)), told();
    struct iovec pieces[2] = {{"ab", 2}, {"c", 1}};
    SAY(writev(fd, pieces, 2)), told();
    int from = open("f", O_RDONLY);
    SAY(sendfile(fd, from, NULL, 4)), told();
    close(from), close(fd);
    told();
    SAY(truncate("d/a", 1)), told();
    SAY(chmod("d/a", 0644)), told();
    SAY(stat("d/a", &(struct stat){})), told();
    SAY(access("d/a", R_OK)), told();
    SAY(link("d/a", "d/b")), told();
    SAY(link("d/a", "elsewhere")), told();
    fd = open("elsewhere", O_RDONLY);
    told();
    SAY(unlink("d/a")), told();
    close(fd);
    told();
    SAY(unlink("d/b")), told();
    SAY(unlink("elsewhere")), told();
    SAY(inotify_rm_watch(set, dir)), told();
    SAY(inotify_rm_watch(set, dir));
}

static void directories(void) {
    SAY(inotify_add_watch(set, "d", IN_ALL_EVENTS | IN_ONLYDIR));
    SAY(mkdir("d/sub", 0755)), told();
    int sub = SAY(inotify_add_watch(set, "d/sub", IN_ALL_EVENTS));
    SAY(mkdir("d/sub/deeper", 0755)), told();
    SAY(rmdir("d/sub")), told();
    SAY(rmdir("d/sub/deeper")), told();
    SAY(chmod("d/sub", 0700)), told();
    DIR *dir = opendir("d/sub");
    told();
    while (readdir(dir)) {}
    told();
    closedir(dir);
    told();
    SAY(symlink("nowhere", "d/sub/link")), told();
    SAY(readlink("d/sub/link", (char[10]){}, 10)), told();
    SAY(mknod("d/sub/fifo", S_IFIFO | 0600, 0)), told();
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {AF_UNIX, "d/sub/socket"};
    SAY(bind(s, (void *)&name, sizeof name)), told();
    close(s);
    SAY(unlink("d/sub/link")), told();
    SAY(unlink("d/sub/fifo")), told();
    SAY(unlink("d/sub/socket")), told();
    // An open directory is gone when it is closed.
    int fd = open("d/sub", O_RDONLY);
    told();
    SAY(rmdir("d/sub")), told();
    SAY(close(fd)), told();
    SAY(inotify_rm_watch(set, sub));
    // Names are padded, whatever their length.
    close(SAY(open("d/123456789012345", O_CREAT | O_WRONLY, 0600))), told();
    close(SAY(open("d/1234567890123456", O_CREAT | O_WRONLY, 0600))), told();
    SAY(unlink("d/123456789012345"));
    SAY(unlink("d/1234567890123456")), told();
}

static void moves(void) {
    mkdir("e", 0755);
    put("d/a", "a"), put("d/b", "b");
    mkdir("d/sub", 0755);
    told();
    SAY(inotify_add_watch(set, "e", IN_ALL_EVENTS));
    int a = SAY(inotify_add_watch(set, "d/a", IN_ALL_EVENTS));
    int b = SAY(inotify_add_watch(set, "d/b", IN_ALL_EVENTS));
    int sub = SAY(inotify_add_watch(set, "d/sub", IN_ALL_EVENTS));
    SAY(rename("d/a", "d/c")), told();
    SAY(rename("d/c", "e/a")), told();
    SAY(rename("e/a", "outside")), told();
    SAY(rename("outside", "d/a")), told();
    SAY(rename("d/sub", "e/sub")), told();
    SAY(rename("e/sub", "d/sub")), told();
    SAY(rename("d/a", "d/a")), told();
    SAY(renameat2(AT_FDCWD, "d/a", AT_FDCWD, "d/b", RENAME_NOREPLACE)), told();
    SAY(renameat2(AT_FDCWD, "d/a", AT_FDCWD, "d/b", RENAME_EXCHANGE)), told();
    SAY(renameat2(AT_FDCWD, "d/a", AT_FDCWD, "e/nothing", RENAME_EXCHANGE)), told();
    put("d/x", "x");
    told();
    // Over a file that is watched: it is gone.
    SAY(rename("d/x", "d/a")), told();
    // Over one that is open: gone later.
    int fd = open("d/b", O_RDONLY);
    put("d/y", "y");
    told();
    SAY(rename("d/y", "d/b")), told();
    SAY(close(fd)), told();
    mkdir("d/empty", 0755);
    SAY(inotify_add_watch(set, "d/empty", IN_ALL_EVENTS));
    told();
    SAY(rename("d/sub", "d/empty")), told();
    SAY(inotify_rm_watch(set, a));
    SAY(inotify_rm_watch(set, b));
    SAY(inotify_rm_watch(set, sub)), told();
}

// Masks, watches that end, and numbers.
static void watches(void) {
    put("w", "w");
    int w = SAY(inotify_add_watch(set, "w", IN_ATTRIB));
    SAY(inotify_add_watch(set, "w", IN_ATTRIB | IN_MASK_CREATE));
    SAY(inotify_add_watch(set, "./d/../w", IN_OPEN) == w);
    SAY(chmod("w", 0600)), told();
    SAY(inotify_add_watch(set, "w", IN_ATTRIB | IN_MASK_ADD) == w);
    SAY(chmod("w", 0644));
    close(open("w", O_RDONLY));
    told();
    SAY(inotify_add_watch(set, "w", IN_ATTRIB | IN_ONESHOT) == w);
    SAY(chmod("w", 0600)), SAY(chmod("w", 0644)), told();
    SAY(inotify_rm_watch(set, w));
    SAY(inotify_add_watch(set, "w", IN_DELETE_SELF) == w + 1);
    symlink("w", "s");
    SAY(inotify_add_watch(set, "s", IN_ATTRIB) == w + 1);
    SAY(inotify_add_watch(set, "s", IN_ATTRIB | IN_DONT_FOLLOW) == w + 2);
    SAY(lchown("s", 0, 0)), told();
    SAY(chmod("w", 0600)), told();
    SAY(unlink("s")), told();
    SAY(unlink("w")), told();
    // The same event twice is one, unless another comes between.
    put("v", "v");
    SAY(inotify_add_watch(set, "v", IN_ATTRIB | IN_OPEN));
    SAY(chmod("v", 0600)), SAY(chmod("v", 0644)), told();
    SAY(chmod("v", 0600)), close(open("v", O_RDONLY)), SAY(chmod("v", 0644)), told();
    // Of files that were removed, and not.
    SAY(inotify_add_watch(set, "d", IN_ALL_EVENTS));
    int fd = open("d/gone", O_RDWR | O_CREAT, 0600);
    unlink("d/gone");
    told();
    SAY(write(fd, "x", 1)), told();
    SAY(inotify_add_watch(set, "d", IN_ALL_EVENTS | IN_EXCL_UNLINK));
    SAY(write(fd, "x", 1)), told();
    close(fd), told();
    // Two sets are told each.
    int other = SAY(inotify_init1(IN_NONBLOCK)), first = set;
    SAY(inotify_add_watch(other, "v", IN_ATTRIB));
    SAY(chmod("v", 0600));
    told();
    set = other;
    told();
    SAY(chmod("v", 0644));
    SAY(close(other));
    set = first;
    told();
    // A link of proc(5) to a file without a name.
    fd = open(".", O_RDWR | O_TMPFILE, 0600);
    if (fd >= 0) {
        char path[100];
        sprintf(path, "/proc/self/fd/%d", fd);
        SAY(inotify_add_watch(set, path, IN_ALL_EVENTS)), told();
        SAY(write(fd, "x", 1)), told();
        SAY(close(fd)), told();
    }
}

static void waiting(void) {
    SAY(inotify_add_watch(set, "d", IN_CREATE | IN_DELETE));
    struct pollfd ready = {set, POLLIN | POLLOUT};
    SAY(poll(&ready, 1, 0));
    int bytes = -1;
    SAY(ioctl(set, FIONREAD, &bytes)), printf("%d\n", bytes);
    close(open("d/new", O_CREAT | O_WRONLY, 0600));
    SAY(poll(&ready, 1, 0)), printf("%x\n", ready.revents);
    SAY(ioctl(set, FIONREAD, &bytes)), printf("%d\n", bytes);
    char small[24], exact[32];
    SAY(read(set, small, sizeof small));
    SAY(read(set, exact, sizeof exact));
    SAY(read(set, exact, sizeof exact));
    // Until another process does something.
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN | EPOLLET};
    SAY(epoll_ctl(epoll, EPOLL_CTL_ADD, set, &event));
    pid_t child = CHILD(usleep(20000); unlink("d/new"));
    SAY(epoll_wait(epoll, &event, 1, 5000));
    SAY(epoll_wait(epoll, &event, 1, 0));
    told();
    ended(child);
    SAY(fcntl(set, F_SETFL, 0));
    child = CHILD(usleep(20000); close(open("d/newer", O_CREAT | O_WRONLY, 0600)));
    SAY(read(set, exact, sizeof exact));
    unsigned first = 0;
    print((void *)exact, &first);
    ended(child);
    // A file goes while its watch is waited for.
    put("short", "");
    SAY(inotify_add_watch(set, "short", IN_DELETE_SELF));
    int fd = open("short", O_RDONLY);
    SAY(unlink("short"));
    child = CHILD(close(fd); usleep(20000));
    close(fd);
    SAY(read(set, exact, sizeof exact));
    print((void *)exact, &first);
    ended(child);
    SAY(fcntl(set, F_SETFL, O_NONBLOCK));
    told();
}

// More than the queue takes.
static void overflow(void) {
    put("one", ""), put("two", "");
    int one = SAY(inotify_add_watch(set, "one", IN_ATTRIB));
    int two = SAY(inotify_add_watch(set, "two", IN_ATTRIB));
    for (int i = 0; i < 20000; i++) chmod(i & 1 ? "one" : "two", 0600);
    int bytes;
    SAY(ioctl(set, FIONREAD, &bytes)), printf("%d\n", bytes);
    int counts[3] = {};
    unsigned first = 0;
    char buffer[4096];
    long n;
    while ((n = read(set, buffer, sizeof buffer)) > 0)
        for (struct inotify_event *event = (void *)buffer; (char *)event < buffer + n; event++) {
            counts[event->wd == one ? 1 : event->wd == two ? 2 : 0]++;
            if (event->wd < 0) print(event, &first);
        }
    printf("%d %d %d\n", counts[0], counts[1], counts[2]);
    SAY(chmod("one", 0644)), told();
}

int main(void) {
    mkdir("d", 0755);
    put("f", "file");
    set = SAY(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    SAY(fcntl(set, F_GETFD));
    SAY(fcntl(set, F_GETFL));
    errors();
    files();
    directories();
    moves();
    watches();
    waiting();
    overflow();
    SAY(close(set));
}
