// Switches as gcc compiles them: dense, with a mask, inside a loop that calls functions that do not return.
#include <stdlib.h>

#ifndef SINK
#define SINK noipa
#endif

__attribute__((SINK)) void sink(int value) { __asm__ volatile("" : : "r"(value) : "memory"); }

__attribute__((noinline)) void dense(unsigned x)
{
    switch (x) {
    case 10: sink(7000); break;
    case 11: sink(7001); break;
    case 12: sink(7002); break;
    case 13: sink(7003); break;
    case 14: sink(7004); break;
    case 15: sink(7005); break;
    case 16: sink(7006); break;
    default: sink(1);
    }
}

__attribute__((noinline)) void masked(unsigned char *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        switch (bytes[i] & 7) {
        case 0: sink(7000); break;
        case 1: sink(7001); break;
        case 2: abort();
        case 3: sink(7003); break;
        case 4: sink(7004); break;
        case 5: exit(5);
        case 6: sink(7006); break;
        case 7: sink(7007); break;
        }
}

int main(int argc, char **argv)
{
    dense(argc);
    masked((unsigned char *)argv[0], argc);
    return 0;
}
