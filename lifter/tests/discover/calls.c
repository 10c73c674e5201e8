// Ways to functions: direct, tail call, pointer in data, pointer in code, imported, no way at all.
#include <stdio.h>

__attribute__((noinline)) static int leaf(int x) { __asm__ volatile(""); return x * 3 + 1; }
__attribute__((noinline)) static int by_table(int x) { __asm__ volatile(""); return x - 11; }
__attribute__((noinline)) static int by_address(int x) { __asm__ volatile(""); return x ^ 77; }
__attribute__((noinline)) int tail(int x) { __asm__ volatile(""); return leaf(x + 1); }
__attribute__((noinline)) int apply(int (*f)(int), int x) { __asm__ volatile(""); return f(x) + 1; }
__attribute__((noinline, used)) static int unreachable(int x) { puts("never"); return leaf(x) / 3; }

int (*table[])(int) = {by_table, by_table};

int main(int argc, char **argv)
{
    (void)argv;
    puts("hello");
    return tail(argc) + table[argc & 1](argc) + apply(by_address, argc);
}
