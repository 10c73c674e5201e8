// Memory: maps, protections, the break.
#include "say.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

// What calls do with memory that is not mapped, or may not be written to.
static void faults(void) {
    printf("-- faults\n");
    enum { P = 4096 };
    char *p = mmap(0, 4 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *fixed = p + P, *gone = p + 2 * P, *none = p + 3 * P;
    memset(p, 'p', 4 * P);
    SAY(mprotect(fixed, P, PROT_READ));
    SAY(munmap(gone, P));
    SAY(mprotect(none, P, PROT_NONE));
    int fd = open("faults", O_RDWR | O_CREAT | O_TRUNC, 0644);
    char big[10000];
    memset(big, 'f', sizeof big);
    write(fd, big, sizeof big);
    SAY(pread(fd, fixed, 10, 0));
    SAY(pread(fd, gone, 10, 0));
    SAY(pread(fd, none, 10, 0));
    SAY(pread(fd, gone, 10, 20000));
    SAY(pread(fd, gone, 0, 0));
    SAY(pread(fd, fixed - 96, 200, 0));
    SAY(pread(fd, p, 2 * P, 0));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(read(fd, fixed, 10));
    SAY(lseek(fd, 0, SEEK_CUR));
    struct iovec pieces[2] = {{p, 50}, {fixed, 50}};
    SAY(readv(fd, pieces, 2));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(pwrite(fd, gone - 192, 500, 0));
    SAY(pwrite(fd, gone, 1, 0));
    SAY(pwrite(fd, none, 1, 0));
    SAY(pwrite(fd, fixed, 100, 0));
    SAY(ftruncate(fd, 0));
    int ends[2];
    pipe(ends);
    SAY(write(ends[1], gone, 1));
    SAY(write(ends[1], none, 1));
    SAY(write(ends[1], fixed, 1));
    SAY(read(ends[0], fixed, 1));
    SAY(read(ends[0], gone, 1));
    SAY(read(ends[0], p, 10));
    struct stat st;
    SAY(syscall(SYS_stat, ".", fixed));
    SAY(syscall(SYS_fstat, fd, gone));
    SAY(syscall(SYS_fstat, fd, fixed - 10));
    SAY(stat(gone, &st));
    SAY(open(none, O_RDONLY));
    // A path that ends with its page, and one that does not.
    memcpy(fixed - 7, "faults", 7);
    SAY(mprotect(fixed, P, PROT_NONE));
    SAY(access(fixed - 7, F_OK));
    SAY(access(fixed - 6, F_OK));
    fixed[-1] = 's';
    SAY(access(fixed - 7, F_OK));
    SAY(mprotect(fixed, P, PROT_READ));
    SAY(syscall(SYS_getcwd, fixed, 100));
    SAY(syscall(SYS_uname, fixed));
    SAY(syscall(SYS_clock_gettime, CLOCK_REALTIME, fixed));
    SAY(syscall(SYS_nanosleep, gone, 0));
    SAY(syscall(SYS_getrandom, fixed, 16, 0));
    SAY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, none, 0, 8));
    SAY(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, fixed, 8));
    SAY(syscall(SYS_pipe2, fixed, 0));
    SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)fixed));
    SAY(syscall(SYS_execve, "/proc/self/exe", gone, 0));
    SAY(syscall(SYS_getdents64, open(".", O_RDONLY), fixed, 1000));
    SAY(syscall(SYS_futex, gone, 0, 0, 0));
    SAY(syscall(SYS_set_tid_address, fixed) > 0);
    // It may be had again.
    SAY(mprotect(fixed, P, PROT_READ | PROT_WRITE));
    SAY(syscall(SYS_uname, fixed));
    // Maps of files are protected, too.
    char *map = mmap(0, P, PROT_READ, MAP_SHARED, open("/proc/self/exe", O_RDONLY), 0);
    SAY(syscall(SYS_uname, map));
    SAY(write(ends[1], map, 4));
    // A heap that has shrunk.
    char *end = sbrk(2 * P);
    SAY(syscall(SYS_uname, end));
    sbrk(-2 * P);
    SAY(syscall(SYS_uname, (((uintptr_t)end + P - 1) & ~(P - 1))));
    // Each process has its own.
    ended(CHILD(SAY(mprotect(p, P, PROT_READ)); SAY(syscall(SYS_uname, p))));
    SAY(syscall(SYS_uname, p));
    // No room for a handler's frame.
    ended(CHILD({
        stack_t stack = {.ss_sp = fixed, .ss_size = P};
        struct sigaction action = {.sa_handler = _exit, .sa_flags = SA_ONSTACK};
        mprotect(fixed, P, PROT_READ);
        sigaltstack(&stack, 0);
        sigaction(SIGUSR1, &action, 0);
        raise(SIGUSR1);
    }));
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

int main(void) {
    long page = 4096;
    SAY(mmap(0, 0, RW, ANON, -1, 0));
    SAY(mmap(0, page, RW, MAP_ANONYMOUS, -1, 0));
    SAY(mmap(0, page, RW, MAP_PRIVATE, -1, 0));
    SAY(mmap(0, page, RW, MAP_PRIVATE, 99, 0));
    SAY(mmap((void *)12345, page, RW, ANON | MAP_FIXED, -1, 0));
    char *map = mmap(0, 4 * page, RW, ANON, -1, 0);
    map[0] = map[page] = map[2 * page] = map[3 * page] = 7;
    SAY(munmap(map + 1, page));
    SAY(munmap(map, 0));
    SAY(munmap(map + page, page));
    SAY(mprotect(map, 2 * page, PROT_READ));
    SAY(mprotect(map + 1, page, PROT_READ));
    SAY(mprotect(map, page, PROT_READ));
    SAY(mprotect(map, page, RW));
    SAY(mincore(map + page, page, (void *)(map + 3 * page)));
    SAY(msync(map + page, page, MS_SYNC));
    SAY(msync(map, page, MS_SYNC | MS_ASYNC));
    SAY(madvise(map + page, page, MADV_NORMAL));
    SAY(madvise(map, page, 9999));
    SAY(madvise(map, page, MADV_DONTNEED));
    printf("%d %d\n", map[0], map[2 * page]);
    SAY(mmap(map, page, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    SAY(mmap(map + page, page, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == map + page);
    SAY(mmap(map + 2 * page, page, RW, ANON | MAP_FIXED, -1, 0) == map + 2 * page);
    printf("%d %d\n", map[2 * page], map[3 * page]);
    char *moved = mremap(map, 4 * page, 8 * page, MREMAP_MAYMOVE);
    printf("%d %d\n", moved != MAP_FAILED, moved[7 * page]);
    SAY(mremap(moved, page, 2 * page, 99));
    SAY(mremap(moved + 1, page, 2 * page, MREMAP_MAYMOVE));
    SAY(munmap(moved, 8 * page));
    SAY(mremap(moved, page, page, 0));
    SAY(mlock(moved, page));
    put("file", "first page");
    int fd = open("file", O_RDWR), ro = open("file", O_RDONLY), wo = open("file", O_WRONLY);
    SAY(mmap(0, page, RW, MAP_SHARED, ro, 0));
    SAY(mmap(0, page, PROT_READ, MAP_SHARED, wo, 0));
    SAY(mmap(0, page, PROT_READ, MAP_PRIVATE, fd, 100));
    char *copy = mmap(0, page, RW, MAP_PRIVATE, ro, 0), *shared = mmap(0, page, RW, MAP_SHARED, fd, 0);
    copy[0] = 'F';
    printf("%s %s\n", copy, shared);
    shared[0] = 'S';
    SAY(msync(shared, page, MS_SYNC));
    show("file");
    printf("%d\n", shared[100]);
    shared[100] = 'x';
    SAY(munmap(shared, page));
    show("file");
    struct stat st;
    fstat(fd, &st);
    printf("size %ld\n", (long)st.st_size);
    SAY(mmap(0, page, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0));
    // Past musl, whose brk(3) always fails. The heap is the C library's own.
    char *start = (char *)syscall(SYS_brk, 0);
    SAY(syscall(SYS_brk, start + 100000) - (long)start);
    start[99999] = 1;
    SAY(syscall(SYS_brk, 0) - (long)start);
    SAY(syscall(SYS_brk, start) - (long)start);
    SAY(syscall(SYS_brk, start + 100000) - (long)start);
    printf("%d\n", start[99999]);
    int m = memfd_create("sealed", MFD_ALLOW_SEALING);
    SAY(ftruncate(m, page));
    char *seen = mmap(0, page, RW, MAP_SHARED, m, 0);
    SAY(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK));
    SAY(ftruncate(m, 0));
    SAY(fcntl(m, F_GET_SEALS));
    // Shared by processes, however they come to it.
    strcpy(seen, "parent");
    ended(CHILD(printf("%s\n", seen); strcpy(seen, "child")));
    printf("%s\n", seen);
    char *both = mmap(0, 64 * page, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 8; i++) CHILD(for (int at = i; at < 64; at += 8) both[at * page] = i + 1);
    while (wait(0) > 0);
    long sum = 0;
    for (int i = 0; i < 64; i++) sum += both[i * page] * (i + 1);
    printf("sum %ld\n", sum);
    ended(CHILD(mprotect(both, page, PROT_READ); munmap(both + page, page); printf("%d\n", both[2 * page])));
    printf("%d %d\n", both[0], both[page]);
    faults();
}
