/* Without libc: writes its arguments, one a line, and exits with their number. */
static long call(long number, long a, long b, long c)
{
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

__attribute__((used)) static void start(long *stack)
{
	long count = stack[0];
	char **argv = (char **)(stack + 1);
	for (long i = 0; i < count; i++) {
		long length = 0;
		while (argv[i][length])
			length++;
		call(1, 1, (long)argv[i], length);
		call(1, 1, (long)"\n", 1);
	}
	call(231, count, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n\thlt\n");
