// A bytecode interpreter with computed gotos: a table of absolute addresses, dispatched from every handler.
int run(const unsigned char *code, int *stack)
{
    static const void *const handlers[] = {&&push, &&add, &&mul, &&dup, &&jump, &&halt};
    int *top = stack;
#define NEXT goto *handlers[*code++]
    NEXT;
push: *top++ = *code++; NEXT;
add: top--; top[-1] += top[0]; NEXT;
mul: top--; top[-1] *= top[0]; NEXT;
dup: *top = top[-1]; top++; NEXT;
jump: code += top[-1] ? code[0] : 1; NEXT;
halt: return top[-1];
}

int main(void)
{
    static const unsigned char code[] = {0, 20, 0, 1, 1, 3, 2, 5};
    int stack[16];
    return run(code, stack);
}
