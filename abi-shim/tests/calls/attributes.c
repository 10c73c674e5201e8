// stat, chmod, chown, times, extended attributes.
#include "say.h"

static void times_of(const char *path) {
    struct stat st;
    lstat(path, &st);
    printf("%s: atime %ld.%09ld mtime %ld.%09ld\n", path, (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec,
           st.st_mtim.tv_nsec);
}

int main(void) {
    put("f", "content");
    symlink("f", "s");
    mkdir("d", 0755);
    int fd = open("f", O_RDWR);
    SAY(chmod("f", 0600));
    state("f");
    SAY(fchmod(fd, 04755));
    SAY(chmod("s", 06711));
    state("f");
    state("s");
    SAY(fchmodat(AT_FDCWD, "s", 0777, AT_SYMLINK_NOFOLLOW));
    SAY(chmod("nothing", 0));
    SAY(chown("f", 1000, 1001));
    state("f");
    SAY(chown("f", -1, 5));
    SAY(lchown("s", 7, 8));
    SAY(fchown(fd, 0, -1));
    state("f");
    state("s");
    SAY(fchownat(AT_FDCWD, "d", 3, 4, 0));
    SAY(fchownat(fd, "", 9, 9, AT_EMPTY_PATH));
    SAY(fchownat(fd, "", 9, 9, 0));
    SAY(chmod("d", 02775));
    put("d/inherits", "");
    mkdir("d/sub", 0755);
    state("d/inherits");
    state("d/sub");

    struct timespec ts[2] = {{1000000000, 123456789}, {1500000000, 987654321}};
    SAY(utimensat(AT_FDCWD, "f", ts, 0));
    times_of("f");
    ts[0].tv_nsec = UTIME_OMIT, ts[1].tv_sec = 5;
    SAY(utimensat(AT_FDCWD, "f", ts, 0));
    times_of("f");
    SAY(futimens(fd, ts));
    ts[1].tv_nsec = 1000000000;
    SAY(utimensat(AT_FDCWD, "f", ts, 0));
    ts[1].tv_nsec = 0, ts[1].tv_sec = -10;
    SAY(utimensat(AT_FDCWD, "s", ts, AT_SYMLINK_NOFOLLOW));
    struct stat st;
    lstat("s", &st);
    printf("%ld\n", (long)st.st_mtim.tv_sec);
    struct timeval tv[2] = {{11, 22}, {33, 44}};
    SAY(utimes("f", tv));
    times_of("f");
    struct utimbuf ut = {55, 66};
    SAY(utime("f", &ut));
    times_of("f");
    tv[0].tv_usec = 1000000;
    SAY(syscall(SYS_utimes, "f", tv));
    SAY(utimensat(AT_FDCWD, "nothing", NULL, 0));
    SAY(utimensat(AT_FDCWD, "f", NULL, 1));

    struct statx sx;
    SAY(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &sx));
    printf("mask %x mode %o size %ld nlink %d mtime %ld\n", sx.stx_mask & STATX_BASIC_STATS, sx.stx_mode, (long)sx.stx_size, sx.stx_nlink,
           (long)sx.stx_mtime.tv_sec);
    SAY(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &sx));
    SAY(statx(fd, "", 0, STATX_SIZE, &sx));
    SAY(statx(AT_FDCWD, "f", 1, STATX_SIZE, &sx));
    SAY(statx(AT_FDCWD, "f", 0, STATX__RESERVED, &sx));
    SAY(statx(AT_FDCWD, "/dev/null", 0, STATX_BASIC_STATS, &sx));
    printf("%d:%d\n", sx.stx_rdev_major, sx.stx_rdev_minor);
    SAY(fstatat(AT_FDCWD, "", &st, 0));
    SAY(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    SAY(fstatat(AT_FDCWD, "f", &st, 1));
    SAY(stat("f/x", &st));
    SAY(syscall(SYS_stat, "f", (void *)8));
    SAY(access("f", R_OK | W_OK));
    SAY(access("f", X_OK));
    SAY(chmod("f", 0644));
    SAY(access("f", X_OK));
    SAY(access("d", X_OK));
    SAY(access("f", 8));
    SAY(access("nothing", F_OK));
    SAY(faccessat(AT_FDCWD, "s", R_OK, AT_EACCESS));

    char value[100];
    SAY(setxattr("f", "user.one", "1", 1, 0));
    SAY(setxattr("f", "user.two", "two", 3, XATTR_CREATE));
    SAY(setxattr("f", "user.two", "two", 3, XATTR_CREATE));
    SAY(setxattr("f", "user.none", "two", 3, XATTR_REPLACE));
    SAY(setxattr("f", "bad", "two", 3, 0));
    SAY(setxattr("f", "", "two", 3, 0));
    SAY(setxattr("f", "user.two", "two", 3, 9));
    SAY(lsetxattr("s", "user.two", "two", 3, 0));
    SAY(getxattr("f", "user.two", value, sizeof value));
    SAY(getxattr("f", "user.two", value, 0));
    SAY(getxattr("f", "user.two", value, 2));
    SAY(getxattr("f", "user.none", value, 2));
    SAY(getxattr("f", "bad.none", value, 2));
    SAY(lgetxattr("s", "user.two", value, 2));
    SAY(fgetxattr(fd, "user.one", value, 2));
    SAY(getxattr("f", "system.posix_acl_access", value, 2));
    SAY(getxattr("f", "security.capability", value, 2));
    SAY(listxattr("f", value, sizeof value));
    SAY(listxattr("f", NULL, 0));
    SAY(listxattr("f", value, 5));
    SAY(llistxattr("s", value, 5));
    SAY(removexattr("f", "user.one"));
    SAY(removexattr("f", "user.one"));
    SAY(fremovexattr(fd, "user.two"));
    SAY(flistxattr(fd, value, 5));
    struct statfs fs;
    SAY(statfs(".", &fs));
    printf("bsize %ld namelen %ld\n", (long)fs.f_bsize, (long)fs.f_namelen);
    SAY(fstatfs(fd, &fs));
    SAY(statfs("nothing", &fs));
}
