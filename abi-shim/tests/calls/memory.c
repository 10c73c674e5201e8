// Memory: maps, protections, the break.
#include "say.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

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
}
