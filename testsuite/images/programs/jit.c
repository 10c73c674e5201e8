// Code that the guest writes itself: mmap, write, mprotect, call, rewrite, call again; then a loop compiled for each constant.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

typedef int (*function)(int);

static unsigned char *put32(unsigned char *at, uint32_t value) {
    memcpy(at, &value, 4);
    return at + 4;
}

// lea eax, [rdi + constant]; ret
static void write_add(unsigned char *code, int constant) {
    *code++ = 0x8d;
    *code++ = 0x87;
    code = put32(code, constant);
    *code = 0xc3;
}

// xor eax, eax; 1: add eax, constant; dec edi; jnz 1b; ret
static void write_loop(unsigned char *code, int constant) {
    static const unsigned char head[] = {0x31, 0xc0, 0x05}, tail[] = {0xff, 0xcf, 0x75, 0xf7, 0xc3};
    memcpy(code, head, sizeof head);
    code = put32(code + sizeof head, constant);
    memcpy(code, tail, sizeof tail);
}

static int called_back(int n) { return n * 2; }

// sub rsp, 8; mov rax, called_back; call rax; add rsp, 8; inc eax; ret
static void write_callback(unsigned char *code) {
    static const unsigned char head[] = {0x48, 0x83, 0xec, 0x08, 0x48, 0xb8},
                               tail[] = {0xff, 0xd0, 0x48, 0x83, 0xc4, 0x08, 0xff, 0xc0, 0xc3};
    function to = called_back;
    memcpy(code, head, sizeof head);
    memcpy(code + sizeof head, &to, 8);
    memcpy(code + sizeof head + 8, tail, sizeof tail);
}

int main(void) {
    unsigned char *code = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) return 1;
    function run = (function)(uintptr_t)code;
    for (int constant = 1; constant <= 5; constant++) {
        mprotect(code, 8192, PROT_READ | PROT_WRITE);
        write_add(code, constant * 100);
        mprotect(code, 8192, PROT_READ | PROT_EXEC);
        printf("%d\n", run(constant));
    }
    // Writable and executable at once: rewritten between calls without a system call.
    mprotect(code, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
    long sum = 0;
    for (int i = 0; i < 1000; i++) {
        write_add(code, i);
        sum += run(i);
    }
    printf("%ld\n", sum);
    for (int constant = 3; constant < 6; constant++) {
        write_loop(code, constant);
        printf("%d\n", run(10000));
    }
    // Across a page boundary.
    write_add(code + 4093, 7);
    printf("%d\n", ((function)(uintptr_t)(code + 4093))(1));
    write_callback(code);
    printf("%d\n", run(20));
    munmap(code, 8192);
    return 0;
}
