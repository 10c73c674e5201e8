/* Prints where the program, libc and the dynamic linker were loaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

extern const Elf64_Ehdr __ehdr_start;

int main(void)
{
	Dl_info libc;
	printf("program %lx\n", (unsigned long)&__ehdr_start);
	printf("libc %lx\n", dladdr((void *)malloc, &libc) ? (unsigned long)libc.dli_fbase : 0);
	printf("linker %lx\n", getauxval(AT_BASE));
	return 0;
}
