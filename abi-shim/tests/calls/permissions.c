// What an ordinary user may do, and what becomes of privileges: credentials(7), capabilities(7), path_resolution(7).
#include "say.h"
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/mount.h>

// A block in a child that is user and group 1000, with these further groups.
#define USER(groups, ...)                                                                        \
    ended(CHILD({                                                                                \
        gid_t list_[] = {groups};                                                                \
        setgroups(sizeof list_ / sizeof *list_, list_), setgid(1000), setuid(1000);              \
        __VA_ARGS__;                                                                             \
    }))

static void make(const char *path, int mode, int uid, int gid) {
    close(open(path, O_CREAT | O_WRONLY, 0600));
    chown(path, uid, gid);
    chmod(path, mode);
}

static void directory(const char *path, int mode, int uid, int gid) {
    mkdir(path, 0700);
    chown(path, uid, gid);
    chmod(path, mode);
}

static void opening(void) {
    make("owner", 0400, 1000, 1000), make("group", 0040, 0, 1000), make("extra", 0060, 0, 77), make("other", 0006, 0, 0);
    make("not-owner", 0077, 1000, 1000), make("not-group", 0707, 0, 1000), make("x", 0111, 0, 0);
    USER(77, {
        SAY(open("owner", O_RDONLY) > 0), SAY(open("owner", O_WRONLY)), SAY(open("group", O_RDONLY) > 0);
        SAY(open("group", O_WRONLY)), SAY(open("extra", O_RDWR) > 0), SAY(open("other", O_RDWR) > 0);
        SAY(open("not-owner", O_RDONLY)), SAY(open("not-group", O_RDONLY)), SAY(open("x", O_RDONLY));
        SAY(open("x", O_PATH) > 0), SAY(open("owner", O_RDONLY | O_TRUNC));
        SAY(open("owner", O_RDONLY | O_NOATIME) > 0), SAY(open("group", O_RDONLY | O_NOATIME));
        SAY(access("owner", R_OK)), SAY(access("owner", W_OK)), SAY(access("x", X_OK)), SAY(access("x", R_OK | X_OK));
        SAY(access("not-owner", R_OK)), SAY(access("nothing", F_OK)), SAY(access("x", F_OK));
        SAY(truncate("owner", 0)), SAY(truncate("other", 0));
    });
    // Root needs one x bit to execute, and none to search.
    make("plain", 0666, 0, 0);
    SAY(access("plain", X_OK)), SAY(access("x", X_OK)), SAY(access("not-group", R_OK | W_OK));
    SAY(open("new", O_CREAT | O_WRONLY, 0) > 0);
    USER(77, SAY(open("new2", O_CREAT | O_WRONLY, 0600)));
    directory("open", 0777, 0, 0);
    USER(77, {
        int fd = SAY(open("open/mine", O_CREAT | O_WRONLY, 0) > 0);
        SAY(open("open/mine", O_WRONLY));
        state("open/mine");
    });
}

static void changing(void) {
    make("mine", 0644, 1000, 1000), make("theirs", 0666, 1001, 1001);
    USER(77, {
        SAY(chmod("mine", 0600)), SAY(chmod("theirs", 0600)), SAY(chown("mine", 1001, -1)), SAY(chown("mine", -1, 77));
        SAY(chown("mine", -1, 78)), SAY(chown("mine", 1000, 1000)), SAY(chown("mine", -1, -1)), SAY(chown("theirs", -1, -1));
        SAY(chown("theirs", 1000, -1)), SAY(lchown("theirs", -1, 1001));
        SAY(utimensat(AT_FDCWD, "theirs", NULL, 0));
        struct timespec times[2] = {{1}, {2}}, now[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
        SAY(utimensat(AT_FDCWD, "theirs", times, 0)), SAY(utimensat(AT_FDCWD, "theirs", now, 0));
        SAY(utimensat(AT_FDCWD, "mine", times, 0));
        // Set-group-ID stays only for a group that one is in.
        SAY(chmod("mine", 06755)), state("mine");
        SAY(chown("mine", -1, 77)), state("mine");
        SAY(chmod("mine", 06755)), state("mine");
        int fd = open("mine", O_WRONLY);
        SAY(write(fd, "x", 1)), state("mine");
        SAY(chmod("mine", 06745)), state("mine");
        SAY(ftruncate(fd, 0)), state("mine");
        SAY(fchmod(fd, 06755)), SAY(fchown(fd, -1, 1000)), state("mine");
    });
    chown("mine", 1000, 5);
    USER(77, SAY(chmod("mine", 02755)), state("mine"));
    chmod("mine", 06755);
    SAY(chown("mine", 0, 0)), state("mine");
    chmod("mine", 06755);
    int fd = open("mine", O_WRONLY);
    SAY(write(fd, "x", 1)), state("mine");
}

static void names(void) {
    directory("closed", 0700, 0, 0), directory("listed", 0744, 0, 0), directory("searched", 0711, 0, 0);
    directory("sticky", 01777, 0, 0), directory("shared", 0777, 0, 0), directory("own-sticky", 01777, 1000, 1000);
    for (const char **at = (const char *[]){"closed/f", "listed/f", "searched/f", "sticky/f", "shared/f", "own-sticky/f", NULL}; *at; at++)
        make(*at, 0644, 0, 0);
    make("sticky/mine", 0644, 1000, 1000), directory("sticky/d", 0777, 0, 0), directory("shared/d", 0755, 0, 0);
    USER(77, {
        SAY(stat("closed/f", &(struct stat){})), SAY(open("listed/f", O_RDONLY)), SAY(open("searched/f", O_RDONLY) > 0);
        SAY(open("listed", O_RDONLY) > 0), SAY(open("searched", O_RDONLY)), SAY(chdir("listed")), SAY(chdir("closed"));
        SAY(unlink("searched/f")), SAY(mkdir("searched/d", 0755)), SAY(symlink("a", "searched/s")), SAY(link("searched/f", "shared/l"));
        SAY(mknod("shared/fifo", S_IFIFO | 0600, 0)), SAY(mknod("shared/null", S_IFCHR | 0600, makedev(1, 3)));
        SAY(unlink("sticky/f")), SAY(rename("sticky/f", "sticky/g")), SAY(rename("sticky/mine", "sticky/f"));
        SAY(rename("sticky/mine", "sticky/other")), SAY(unlink("sticky/other")), SAY(rmdir("sticky/d"));
        SAY(unlink("own-sticky/f")), SAY(rename("shared/f", "shared/g")), SAY(unlink("shared/g"));
        SAY(rename("shared/d", "own-sticky/d")), SAY(rename("shared/d", "shared/e")), SAY(rmdir("shared/e"));
        SAY(chroot("shared")), SAY(mount("a", "shared", "tmpfs", 0, 0)), SAY(sethostname("x", 1));
    });
    // Groups of directories.
    directory("setgid", 02777, 0, 77);
    USER(88, {
        close(open("setgid/f", O_CREAT | O_WRONLY, 02755)), state("setgid/f");
        close(open("setgid/g", O_CREAT | O_WRONLY, 02745)), state("setgid/g");
        SAY(mkdir("setgid/d", 0755)), state("setgid/d");
        SAY(symlink("x", "setgid/s")), state("setgid/s");
    });
    close(open("setgid/root", O_CREAT | O_WRONLY, 02755)), state("setgid/root");
}

static void identity(void) {
    uid_t r, e, s;
#define IDS() (getresuid(&r, &e, &s), printf("%d %d %d fs %d\n", r, e, s, setfsuid(-1)))
    ended(CHILD({
        SAY(setresuid(1000, 1000, 0)), IDS();
        SAY(access("closed/f", F_OK)), SAY(setuid(5)), SAY(seteuid(0)), IDS();
        SAY(open("closed/f", O_RDONLY) > 0), SAY(access("closed/f", F_OK)), SAY(faccessat(AT_FDCWD, "closed/f", F_OK, AT_EACCESS));
        SAY(setuid(1000)), IDS(), SAY(setuid(0)), SAY(seteuid(0));
    }));
    ended(CHILD({
        SAY(setreuid(1000, -1)), IDS(), SAY(setreuid(-1, 1000)), IDS(), SAY(setreuid(-1, 0)), IDS();
        SAY(setreuid(0, 0)), IDS();
    }));
    ended(CHILD({
        SAY(setfsuid(1000)), IDS(), SAY(open("closed/f", O_RDONLY)), SAY(setfsuid(0)), SAY(open("closed/f", O_RDONLY) > 0);
    }));
    ended(CHILD({
        SAY(setgroups(2, (gid_t[]){5, 6})), SAY(getgroups(0, NULL)), SAY(setresgid(7, 8, 9)), SAY(setgid(7)), SAY(setuid(1000));
        SAY(setgroups(0, NULL)), SAY(setgid(9)), SAY(setgid(8)), SAY(setregid(-1, 9)), SAY(setresgid(1, 1, 1));
    }));
    USER(77, SAY(setresuid(1000, 1000, 1000)), SAY(setresuid(-1, -1, 0)), SAY(setfsuid(0)), SAY(setfsuid(-1)));
    // Signals go to one's own.
    pid_t child = CHILD(setuid(1001); pause());
    usleep(20000);
    USER(77, SAY(kill(child, 0)), SAY(kill(child, SIGTERM)), SAY(kill(1, 0)), SAY(setpriority(PRIO_PROCESS, 0, -5)));
    SAY(kill(child, SIGTERM)), ended(child);
}

static void attributes(void) {
    make("mine", 0644, 1000, 1000), make("theirs", 0644, 0, 0), make("closed-one", 0, 1000, 1000), symlink("mine", "link");
    USER(77, {
        char v[10];
        SAY(setxattr("mine", "user.a", "1", 1, 0)), SAY(setxattr("theirs", "user.a", "1", 1, 0)), SAY(getxattr("theirs", "user.a", v, 10));
        SAY(setxattr("mine", "trusted.a", "1", 1, 0)), SAY(getxattr("mine", "trusted.a", v, 10));
        SAY(setxattr("mine", "security.a", "1", 1, 0)), SAY(getxattr("mine", "security.a", v, 10));
        SAY(setxattr("mine", "other.a", "1", 1, 0)), SAY(getxattr("mine", "other.a", v, 10)), SAY(setxattr("mine", "user.", "1", 1, 0));
        SAY(setxattr("mine", "user", "1", 1, 0)), SAY(lsetxattr("link", "user.a", "1", 1, 0)), SAY(lgetxattr("link", "user.a", v, 10));
        SAY(getxattr("closed-one", "user.a", v, 10)), SAY(listxattr("closed-one", v, 10)), SAY(removexattr("mine", "user.a"));
        SAY(removexattr("mine", "user.a")), SAY(removexattr("theirs", "user.b")), SAY(removexattr("mine", "trusted.b"));
    });
    directory("sticky-x", 01777, 0, 0);
    USER(77, SAY(setxattr("sticky-x", "user.a", "1", 1, 0)));
}

// Set-user-ID programs.
static void programs(void) {
    char buffer[1 << 16];
    int from = open("/proc/self/exe", O_RDONLY), to = open("setuid", O_CREAT | O_WRONLY, 0755);
    for (long n; (n = read(from, buffer, sizeof buffer)) > 0;) write(to, buffer, n);
    close(from), close(to);
    chown("setuid", 0, 0), chmod("setuid", 06755);
    USER(77, execl("setuid", "setuid", "shows", NULL));
    USER(77, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); execl("setuid", "setuid", "shows", NULL));
    chown("setuid", 1001, 1001), chmod("setuid", 04755);
    USER(77, execl("setuid", "setuid", "shows", NULL));
    ended(CHILD(execl("setuid", "setuid", "shows", NULL)));
    chmod("setuid", 02745);
    USER(77, SAY(execl("setuid", "setuid", "shows", NULL)));
    chmod("setuid", 0644);
    SAY(execl("setuid", "setuid", "shows", NULL));
}

static void others(void) {
    // Files without a name get one.
    int fd = SAY(open(".", O_TMPFILE | O_RDWR, 0600) > 0) ? open(".", O_TMPFILE | O_RDWR, 0640) : -1;
    char path[50];
    sprintf(path, "/proc/self/fd/%d", fd);
    write(fd, "text", 4);
    SAY(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW)), state("named");
    SAY(linkat(fd, "", AT_FDCWD, "named2", AT_EMPTY_PATH)), state("named2");
    int exclusive = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    sprintf(path, "/proc/self/fd/%d", exclusive);
    SAY(linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW));
    SAY(open(".", O_TMPFILE | O_RDONLY, 0600)), SAY(open("named", O_TMPFILE | O_RDWR, 0600));
    USER(77, SAY(open(".", O_TMPFILE | O_RDWR, 0600)));
    // What statx tells, and for which mask.
    struct statx sx;
    SAY(statx(AT_FDCWD, "named", 0, STATX_BASIC_STATS, &sx)), printf("%x %o\n", sx.stx_mask & 0xfff, sx.stx_mode);
    SAY(statx(AT_FDCWD, "named", 0, 0x80000000, &sx)), SAY(statx(AT_FDCWD, "named", 0x8000, 0, &sx));
    SAY(statx(AT_FDCWD, "named", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0, &sx));
    SAY(renameat2(AT_FDCWD, "named", AT_FDCWD, "named2", 3)), SAY(renameat2(AT_FDCWD, "named", AT_FDCWD, "named3", 8));
    USER(77, SAY(renameat2(AT_FDCWD, "shared", AT_FDCWD, "sticky", RENAME_EXCHANGE)));
}

int main(int argc, char **argv) {
    if (argc > 1) {
        uid_t r, e, s;
        gid_t g, h, i;
        getresuid(&r, &e, &s), getresgid(&g, &h, &i);
        printf("%s: %d %d %d, %d %d %d\n", argv[1], r, e, s, g, h, i);
        return 0;
    }
    chmod(".", 0755);
    opening(), changing(), names(), identity(), attributes(), programs(), others();
}
