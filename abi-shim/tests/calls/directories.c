// getdents64, getcwd, chdir, directories that are removed while open, /proc.
#include "say.h"

static const char *base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int main(void) {
    char here[PATH_MAX], path[PATH_MAX];
    getcwd(here, sizeof here);
    mkdir("d", 0755);
    for (int i = 0; i < 50; i++) {
        sprintf(path, "d/file-%02d", i);
        put(path, "x");
    }
    list("d");
    // Removing while reading: every entry is seen once and all go.
    DIR *dir = opendir("d");
    int seen = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        seen++;
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    printf("%d\n", seen);
    rewinddir(dir);
    seen = 0;
    while (readdir(dir)) seen++;
    printf("%d\n", seen);
    put("d/later", "");
    rewinddir(dir);
    seen = 0;
    while (readdir(dir)) seen++;
    printf("%d\n", seen);
    closedir(dir);
    SAY(unlink("d/later"));

    int fd = SAY(open("d", O_RDONLY | O_DIRECTORY));
    SAY(getdents64(fd, path, 10));
    SAY(getdents64(fd, path, 100));
    SAY(getdents64(fd, path, 100));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(getdents64(fd, path, 24));
    SAY(getdents64(1, path, 100));
    SAY(getdents64(99, path, 100));
    SAY(read(fd, path, 100));
    SAY(write(fd, path, 100));
    SAY(ftruncate(fd, 0));
    SAY(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);

    SAY(chdir("d"));
    SAY(strcmp(base(getcwd(path, sizeof path)), "d"));
    SAY(syscall(SYS_getcwd, path, 3));
    SAY(rmdir("../d"));
    SAY(getcwd(path, sizeof path) == NULL);
    SAY(open("new", O_CREAT | O_RDWR, 0644));
    SAY(mkdir("new", 0755));
    SAY(access(".", F_OK));
    SAY(access("..", F_OK));
    list(".");
    state(".");
    SAY(getdents64(fd, path, 100));
    int len = SAY(readlink("/proc/self/cwd", path, sizeof path) > 0);
    printf("%d\n", len && strstr(path, "/d (deleted)") != NULL);
    SAY(chdir(here));
    SAY(chdir("nothing"));
    SAY(chdir("/proc/self/exe"));
    SAY(fchdir(1));

    mkdir("a", 0755), mkdir("a/b", 0755), mkdir("a/b/c", 0755);
    SAY(chdir("a/b/c"));
    SAY(rename("../../../a", "../../../moved"));
    getcwd(path, sizeof path);
    printf("%s\n", strstr(path, "/moved/b/c"));
    SAY(access("../../b/c", F_OK));
    SAY(chdir(here));

    SAY(readlink("/proc/self/exe", path, sizeof path) > 0);
    SAY(readlink("/proc/self/root", path, sizeof path));
    SAY(access("/proc/self/fd/0", F_OK));
    SAY(access("/proc/self/fd/99", F_OK));
    SAY(access("/proc/self/nothing", F_OK));
    SAY(open("/proc/self/new", O_CREAT | O_RDWR, 0644));
    SAY(mkdir("/proc/new", 0755));
    SAY(unlink("/proc/self/status"));
    FILE *file = fopen("/proc/self/comm", "r");
    fgets(path, sizeof path, file);
    printf("%s", path);
    fclose(file);
    put("text", "by its descriptor");
    fd = open("text", O_RDONLY);
    sprintf(path, "/proc/self/fd/%d", fd);
    show(path);
    sprintf(path, "/dev/fd/%d", fd);
    show(path);
    unlink("text");
    show(path);
    SAY(chroot("moved"));
    SAY(chdir("/"));
    SAY(strcmp(getcwd(path, sizeof path), "/"));
    list("/b");
    list("/..");
}
