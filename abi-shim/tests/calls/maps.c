// Shared maps of files: the file, its maps in this process and those in others are the same bytes.
#include "say.h"
#include <linux/futex.h>

enum { P = 4096, RW = PROT_READ | PROT_WRITE };

static char *map(int fd, long pages, long from, int prot, void *fixed) {
    char *start = mmap(fixed, pages * P, prot, MAP_SHARED | (fixed ? MAP_FIXED : 0), fd, from * P);
    if (start == MAP_FAILED) perror("mmap");
    return start;
}

static char *at(int fd, long offset) {
    static char text[8][16];
    static int turn;
    char *bytes = text[turn++ % 8];
    memset(bytes, 0, 16);
    pread(fd, bytes, 15, offset);
    return bytes;
}

static void file_and_map(int fd) {
    printf("-- a file and its map\n");
    ftruncate(fd, 3 * P + 100);
    char *all = map(fd, 4, 0, RW, 0);
    strcpy(all, "stored"), strcpy(all + 2 * P - 3, "over pages");
    printf("%s %s\n", at(fd, 0), at(fd, 2 * P - 3));
    pwrite(fd, "written", 8, P - 4);
    printf("%s\n", all + P - 4);
    // What is stored beyond the end is nowhere.
    strcpy(all + 3 * P + 95, "beyond");
    printf("%s, size %ld\n", at(fd, 3 * P + 95), (long)lseek(fd, 0, SEEK_END));
    ftruncate(fd, 3 * P + 97);
    printf("[%s]\n", all + 3 * P + 95);
    ftruncate(fd, 4 * P);
    printf("[%s] %d\n", all + 3 * P + 95, all[3 * P + 98]);
    strcpy(all + 3 * P, "gone soon");
    SAY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * P, P));
    printf("[%s] [%s]\n", all + 3 * P, at(fd, 3 * P));
    int copy = open("copied", O_RDWR | O_CREAT | O_TRUNC, 0600);
    strcpy(all + 10, "copied");
    SAY(copy_file_range(fd, (off_t[]){10}, copy, 0, 7, 0));
    SAY(sendfile(copy, fd, (off_t[]){10}, 7));
    printf("%s %s\n", at(copy, 0), at(copy, 7));
    char *private = mmap(0, P, RW, MAP_PRIVATE, fd, 0);
    printf("private %s\n", private);
    SAY(msync(all, 4 * P, MS_SYNC));
    SAY(munmap(all, 4 * P));
    printf("%s\n", at(fd, 0));
    close(copy);
}

static void several_maps(int fd) {
    printf("-- several maps\n");
    ftruncate(fd, 4 * P);
    char *first = map(fd, 2, 0, RW, 0), *reads = map(fd, 2, 0, PROT_READ, 0), *second_page = map(fd, 1, 1, RW, 0);
    strcpy(first, "first");
    printf("%s\n", reads);
    strcpy(second_page, "page two");
    printf("%s %s\n", first + P, reads + P);
    char *larger = map(fd, 4, 0, RW, 0);
    strcpy(larger + 5, " and larger"), strcpy(larger + 3 * P, "end");
    printf("%s, %s\n", reads, at(fd, 3 * P));
    SAY(munmap(reads, 2 * P));
    SAY(munmap(second_page, P));
    strcpy(first, "one is left");
    printf("%s %s %s\n", larger, first + P, at(fd, 0));
    SAY(munmap(first, 2 * P));
    printf("%s %s\n", larger, larger + 3 * P);
    SAY(mprotect(larger, P, PROT_READ));
    printf("%s\n", larger);
    SAY(munmap(larger, 4 * P));
    // At an address of its own: the file is between them.
    first = map(fd, 1, 0, RW, 0);
    char *room = mmap(0, 8 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *far = map(fd, 1, 0, RW, room + 4 * P);
    printf("%d %s\n", far == room + 4 * P, far);
    strcpy(far, "from afar");
    printf("%s\n", at(fd, 0));
    printf("%s\n", first);
    pwrite(fd, "to both", 8, 0);
    printf("%s, %s\n", first, far);
    SAY(munmap(far, P));
    // A map that moves takes its bytes along.
    strcpy(first + 100, "moves");
    char *moved = mremap(first, P, 4 * P, MREMAP_MAYMOVE);
    printf("%s %s\n", moved + 100, moved + 3 * P);
    strcpy(moved + 200, "moved");
    printf("%s\n", at(fd, 200));
    munmap(moved, 4 * P);
}

static void processes(int fd) {
    printf("-- maps of several processes\n");
    char *mine = map(fd, 2, 0, RW, 0);
    strcpy(mine, "mine");
    ended(CHILD({
        char *its = map(fd, 2, 0, RW, 0);
        printf("%s\n", its);
        strcpy(its, "its");
        pwrite(fd, "written", 8, P);
    }));
    printf("%s %s\n", mine, mine + P);
    // At another address, which the other has for something else.
    char *room = mmap(0, 8 * P, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int *turn = (int *)(mine + 1000);
    *turn = 0;
    pid_t child = CHILD({
        munmap(mine, 2 * P);
        mmap(mine, P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        char *its = map(fd, 2, 0, RW, room + 2 * P);
        int *turn = (int *)(its + 1000);
        while (*(volatile int *)turn != 1) syscall(SYS_futex, turn, FUTEX_WAIT, 0, 0);
        printf("child: %s\n", its + P);
        strcpy(its + P + 50, "answer");
        *turn = 2;
        syscall(SYS_futex, turn, FUTEX_WAKE, 1);
    });
    usleep(20000);
    strcpy(mine + P, "question");
    *turn = 1;
    SAY(syscall(SYS_futex, turn, FUTEX_WAKE, 1) <= 1);
    while (*(volatile int *)turn != 2) syscall(SYS_futex, turn, FUTEX_WAIT, 1, 0);
    printf("parent: %s\n", mine + P + 50);
    ended(child);
    munmap(mine, 2 * P);
    // A sealed file: who mapped it before may still store.
    int sealed = memfd_create("sealed", MFD_ALLOW_SEALING);
    ftruncate(sealed, P);
    mine = map(sealed, 1, 0, RW, 0);
    SAY(fcntl(sealed, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    strcpy(mine, "still");
    printf("%s\n", at(sealed, 0));
    SAY(pwrite(sealed, "no", 2, 0));
}

int main(void) {
    int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
    file_and_map(fd);
    several_maps(fd);
    processes(fd);
    return 0;
}
