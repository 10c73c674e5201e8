// Recursion as deep as the guest's own stack allows: down to the default limit, then 10 million frames on a stack that was mapped for it.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>

#define FRAMES 10000000

__attribute__((noinline)) static long down(long n) {
    if (n == 0) return 0;
    long below = down(n - 1);
    // Keeps the call from becoming a loop.
    __asm__ volatile("" : "+r"(below));
    return below + 1;
}

__attribute__((noinline)) static long pair_b(long n);
__attribute__((noinline)) static long pair_a(long n) { return n == 0 ? 0 : pair_b(n - 1) + 2; }
__attribute__((noinline)) static long pair_b(long n) { return n == 0 ? 0 : pair_a(n - 1) + 3; }

static ucontext_t back, on_big_stack;
static void run_deep(void) { printf("%ld frames\n", down(FRAMES)); }

int main(int argc, char **argv) {
    (void)argv;
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    printf("limit %ld\n", (long)limit.rlim_cur);
    printf("%ld\n", down(200000));
    printf("%ld\n", pair_a(100000));
    // 48 bytes a frame at most, with every compiler's idea of one.
    size_t size = (size_t)FRAMES * 48;
    void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    getcontext(&on_big_stack);
    on_big_stack.uc_stack.ss_sp = stack;
    on_big_stack.uc_stack.ss_size = size;
    on_big_stack.uc_link = &back;
    makecontext(&on_big_stack, run_deep, 0);
    swapcontext(&back, &on_big_stack);
    fflush(stdout);
    // And one frame too many ends as on Linux.
    if (argc > 1) printf("%ld\n", down(1L << 40));
    return 0;
}
