// open(2) and its flags.
#include "say.h"
#include <linux/openat2.h>

static long openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

int main(void) {
    mkdir("d", 0755);
    put("f", "0123456789");
    put("d/g", "g");
    symlink("f", "s");
    symlink("d", "sd");
    symlink("../f", "d/up");
    symlink("/etc/passwd", "d/abs");
    symlink("made", "dangling");
    chmod("f", 0644);
    SAY(open("f", O_RDONLY));
    SAY(open("f/", O_RDONLY));
    SAY(open("f/.", O_RDONLY));
    SAY(open("f/..", O_RDONLY));
    SAY(open("nothing", O_RDONLY));
    SAY(open("", O_RDONLY));
    SAY(open("nothing/x", O_RDONLY | O_CREAT, 0644));
    SAY(open("d", O_RDONLY));
    SAY(open("d", O_WRONLY));
    SAY(open("d", O_RDWR));
    SAY(open("d", O_RDONLY | O_CREAT, 0644));
    SAY(open("d/", O_RDONLY | O_CREAT, 0644));
    SAY(open("new/", O_RDONLY | O_CREAT, 0644));
    SAY(open("d", O_RDONLY | O_TRUNC));
    SAY(open("f", O_DIRECTORY));
    SAY(open("d", O_DIRECTORY));
    SAY(open("f", O_CREAT | O_EXCL, 0644));
    SAY(open("s", O_CREAT | O_EXCL, 0644));
    SAY(open("dangling", O_CREAT | O_EXCL, 0644));
    SAY(open("dangling", O_RDONLY));
    SAY(open("dangling", O_RDWR | O_CREAT, 0600));
    state("made");
    SAY(open("s", O_NOFOLLOW));
    SAY(open("sd/g", O_NOFOLLOW));
    SAY(open("sd", O_NOFOLLOW | O_DIRECTORY));
    SAY(open("sd/", O_NOFOLLOW | O_DIRECTORY));
    int path = SAY(open("s", O_NOFOLLOW | O_PATH));
    char buffer[100];
    struct stat st;
    SAY(read(path, buffer, 1));
    SAY(write(path, buffer, 1));
    SAY(fstat(path, &st));
    printf("%o\n", st.st_mode);
    SAY(readlinkat(path, "", buffer, sizeof buffer));
    SAY(fchmod(path, 0600));
    SAY(lseek(path, 0, SEEK_SET));
    SAY(ioctl(path, FIONREAD, buffer));
    SAY(fcntl(path, F_GETFL));
    SAY(fcntl(path, F_GETFD));
    SAY(fcntl(path, F_SETFL, 0));
    SAY(dup(path));
    SAY(ftruncate(path, 0));
    SAY(fsync(path));
    int dir = SAY(open("d", O_PATH | O_DIRECTORY));
    SAY(openat(dir, "g", O_RDONLY));
    SAY(openat(dir, "up", O_RDONLY));
    SAY(getdents64(dir, buffer, sizeof buffer));
    int file = SAY(open("f", O_RDONLY));
    SAY(openat(file, "g", O_RDONLY));
    SAY(openat(99, "g", O_RDONLY));
    SAY(openat(99, "/dev/null", O_RDONLY));
    SAY(fchdir(file));
    SAY(fchdir(dir));
    show("g");
    SAY(chdir(".."));

    SAY(openat2(dir, "g", O_RDONLY, 0, RESOLVE_BENEATH));
    SAY(openat2(dir, "../f", O_RDONLY, 0, RESOLVE_BENEATH));
    SAY(openat2(dir, "up", O_RDONLY, 0, RESOLVE_BENEATH));
    SAY(openat2(dir, "abs", O_RDONLY, 0, RESOLVE_BENEATH));
    SAY(openat2(dir, "/g", O_RDONLY, 0, RESOLVE_IN_ROOT));
    SAY(openat2(dir, "../g", O_RDONLY, 0, RESOLVE_IN_ROOT));
    SAY(openat2(dir, "up", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
    SAY(openat2(dir, "g", O_RDONLY, 0644, 0));
    SAY(openat2(dir, "g", O_RDONLY, 0, 1 << 10));
    SAY(openat2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
    SAY(openat2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_XDEV));
    for (int fd = 3; fd < 60; fd++) close(fd);

    int fd = SAY(open("f", O_WRONLY | O_TRUNC));
    SAY(fcntl(fd, F_GETFL));
    SAY(read(fd, buffer, 1));
    show("f");
    SAY(close(fd));
    SAY(close(fd));
    fd = SAY(open("f", O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK));
    SAY(fcntl(fd, F_GETFL));
    SAY(fcntl(fd, F_GETFD));
    SAY(write(fd, "abc", 3));
    SAY(lseek(fd, 1, SEEK_SET));
    SAY(write(fd, "def", 3));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(pwrite(fd, "g", 1, 0));
    show("f");
    SAY(fcntl(fd, F_SETFL, 0));
    SAY(fcntl(fd, F_GETFL));
    close(fd);

    umask(027);
    SAY(creat("masked", 0777));
    state("masked");
    mkdir("md", 0777);
    state("md");
    SAY(chmod("masked", 07777));
    state("masked");
    int un = SAY(open("d", O_TMPFILE | O_RDWR, 0600));
    SAY(write(un, "unnamed", 7));
    fstat(un, &st);
    printf("nlink %ld size %ld mode %o\n", (long)st.st_nlink, (long)st.st_size, st.st_mode);
    snprintf(buffer, sizeof buffer, "/proc/self/fd/%d", un);
    SAY(linkat(AT_FDCWD, buffer, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    show("named");
    SAY(open("d", O_TMPFILE | O_RDONLY, 0600));
    SAY(open("f", O_TMPFILE | O_RDWR, 0600));
    SAY(syscall(SYS_openat, AT_FDCWD, (char *)8, O_RDONLY));
    SAY(syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY));
}
