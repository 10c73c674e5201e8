// Functions that are only reached through pointers; the harness strips the program, once also of .eh_frame.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef long (*operation)(long, long);

static long add(long a, long b) { return a + b; }
static long sub(long a, long b) { return a - b; }
static long mul(long a, long b) { return a * b; }
static long mix(long a, long b) { return (a ^ b) * 31 + (a >> 3); }

// Never called directly and in no table: its address comes into being by arithmetic.
__attribute__((noinline, used, section(".text.hidden"))) static long hidden(long a, long b) { return a * 1000 + b; }

static const operation table[] = {add, sub, mul, mix};

static int by_last_digit(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return x % 10 != y % 10 ? x % 10 - y % 10 : x - y;
}

struct shape {
    const struct methods *methods;
    double size;
};
struct methods {
    double (*area)(const struct shape *);
    const char *(*name)(void);
};
static double square_area(const struct shape *s) { return s->size * s->size; }
static double circle_area(const struct shape *s) { return s->size * s->size * 3.141592653589793; }
static const char *square_name(void) { return "square"; }
static const char *circle_name(void) { return "circle"; }
static const struct methods square = {square_area, square_name}, circle = {circle_area, circle_name};

static void at_end(void) { puts("at exit"); }
__attribute__((constructor)) static void before(void) { puts("constructor"); }
__attribute__((destructor)) static void after(void) { puts("destructor"); }

int main(void) {
    atexit(at_end);
    long value = 1;
    for (int i = 0; i < 1000000; i++) value = table[(value ^ i) & 3](value, i) % 1000003;
    printf("%ld\n", value);
    volatile uintptr_t address = (uintptr_t)hidden - 4242;
    printf("%ld\n", ((operation)(address + 4242))(7, 8));
    int numbers[200];
    for (int i = 0; i < 200; i++) numbers[i] = i * 7919 % 1009;
    qsort(numbers, 200, sizeof numbers[0], by_last_digit);
    for (int i = 0; i < 200; i += 20) printf("%d ", numbers[i]);
    puts("");
    const struct shape shapes[] = {{&square, 3}, {&circle, 2}};
    for (int i = 0; i < 2; i++) printf("%s %f\n", shapes[i].methods->name(), shapes[i].methods->area(&shapes[i]));
    return 0;
}
