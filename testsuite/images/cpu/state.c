// The extended state of the processor: XSAVE's area in memory and back, and the one in a signal's frame.
#include <cpuid.h>
#include <immintrin.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { X87 = 1, SSE = 2, AVX = 4, LEGACY = 512, HEADER = 64, AVX_AT = 576, SIZE = 4096 };

static _Alignas(64) unsigned char area[SIZE];
static _Alignas(32) uint32_t lanes[8];

static void show(const char *what, const void *bytes, size_t size) {
    const unsigned char *p = bytes;
    printf("%s:", what);
    for (size_t i = 0; i < size; i++) printf(i % 4 ? "%02x" : " %02x", p[i]);
    puts("");
}

// MXCSR_MASK (bytes 28 to 31) tells processors apart, and so do instruction and data pointers (8 to 23).
static void show_area(const char *what) {
    printf("-- %s\n", what);
    show("control", area, 8);
    show("MXCSR", area + 24, 4);
    show("st0, st1", area + 32, 32);
    show("xmm0, xmm1, xmm15", area + 160, 32);
    show("xmm15", area + 160 + 15 * 16, 16);
    show("header", area + LEGACY, 24);
    show("ymm0, ymm1", area + AVX_AT, 32);
    show("ymm15", area + AVX_AT + 15 * 16, 16);
}

static void fill(int seed) {
    for (int i = 0; i < 8; i++) lanes[i] = 0x01010101u * seed + i;
    __asm__ volatile("vmovdqa %0, %%ymm0\n vpaddd %%ymm0, %%ymm0, %%ymm1\n vpxor %%ymm15, %%ymm15, %%ymm15\n vpsubd %%ymm0, %%ymm15, %%ymm15\n"
                     "fninit\n fld1\n fldpi\n"
                     : : "m"(lanes) : "xmm0", "xmm1", "xmm15", "st", "st(1)");
}

static void show_registers(const char *what) {
    static _Alignas(32) uint32_t ymm[3][8];
    long double st0;
    __asm__ volatile("vmovdqa %%ymm0, %0\n vmovdqa %%ymm1, %1\n vmovdqa %%ymm15, %2\n fldz\n fxch\n fstpt %3\n fstp %%st"
                     : "=m"(ymm[0]), "=m"(ymm[1]), "=m"(ymm[2]), "=m"(st0));
    printf("-- %s\n", what);
    show("ymm0", ymm[0], 32);
    show("ymm1", ymm[1], 32);
    show("ymm15", ymm[2], 32);
    show("st0", &st0, 10);
}

static void handler(int signal, siginfo_t *info, void *context) {
    unsigned char *frame = (unsigned char *)((ucontext_t *)context)->uc_mcontext.fpregs;
    uint32_t *ymm = (uint32_t *)(frame + AVX_AT), *xmm = (uint32_t *)(frame + 160);
    uint32_t magic;
    memcpy(&magic, frame + 464, sizeof magic);
    printf("-- frame of signal %d\nmagic %x, features %x\n", signal, magic, frame[472] & (X87 | SSE | AVX));
    show("xmm0", xmm, 16);
    show("ymm0", ymm, 16);
    show("xmm1", xmm + 4, 16);
    show("ymm1", ymm + 4, 16);
    printf("header: %x\n", frame[LEGACY] & (X87 | SSE | AVX));
    xmm[0] = 0xaaaaaaaa;
    ymm[3] = 0xbbbbbbbb;
    __asm__ volatile("vpxor %%ymm0, %%ymm0, %%ymm0\n vpxor %%ymm1, %%ymm1, %%ymm1" : : : "xmm0", "xmm1");
}

int main(void) {
    uint32_t low, high, a, b, c, d;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    printf("XCR0 %x\n", low & (X87 | SSE | AVX));
    __cpuid_count(13, 2, a, b, c, d);
    printf("AVX's part: %u bytes at %u\n", a, b);

    for (int mask = 0; mask < 8; mask++) {
        char what[32];
        snprintf(what, sizeof what, "xsave %d", mask);
        memset(area, 0x11, sizeof area);
        memset(area + LEGACY, 0, HEADER);
        fill(mask);
        __asm__ volatile("xsave %0" : "+m"(area) : "a"(mask), "d"(0));
        show_area(what);
    }
    for (int mask = 0; mask < 8; mask++) {
        char what[32];
        snprintf(what, sizeof what, "xrstor %d", mask);
        memset(area, 0, sizeof area);
        fill(0x20);
        __asm__ volatile("xsave %0" : "+m"(area) : "a"(7), "d"(0));
        // What the header says is not there is as at the start.
        area[LEGACY] = mask & 1 ? 7 : 5;
        fill(0x30);
        __asm__ volatile("xrstor %0" : : "m"(area), "a"(mask), "d"(0));
        show_registers(what);
    }
    memset(area, 0, sizeof area);
    fill(0x40);
    __asm__ volatile("vzeroall\n xsaveopt %0" : "+m"(area) : "a"(7), "d"(0) : "xmm0", "xmm1", "xmm15");
    // Whether it knows that AVX is unused is the processor's affair (SDM vol. 1, §13.6, XINUSE).
    printf("xsaveopt: %x\n", area[LEGACY] & X87);

    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    long pid = getpid(), result;
    fill(0x50);
    __asm__ volatile("syscall" : "=a"(result) : "0"(SYS_kill), "D"(pid), "S"(SIGUSR1) : "rcx", "r11", "memory");
    show_registers("after the signal");
    return (int)result;
}
