/* One test of the kernel for each name in argv[1]; prints what it finds, which must be the same on every kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define CHECK(expression) printf("%s: %ld %s\n", #expression, (long)(expression), errno ? strerrorname_np(errno) : ""), errno = 0

static void memory(void)
{
	char *a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	a[0] = 1;
	CHECK(mprotect(a, 4096, PROT_READ));
	CHECK(mprotect(a + 1, 4096, PROT_READ));
	CHECK(munmap(a + 1, 4096));
	CHECK(munmap(a, 0));
	CHECK(madvise(a, 4096, MADV_DONTNEED));
	CHECK(a[0]);
	CHECK(madvise(a, 4096, 12345));
	CHECK(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED);
	CHECK(mmap(a, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
	CHECK(mremap(a, 8192, 1 << 20, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK(mprotect(a, 4096, PROT_READ | PROT_WRITE));
	char *b = mremap(a, 8192, 1 << 20, MREMAP_MAYMOVE);
	CHECK(b != MAP_FAILED);
	CHECK(b[8191]);
	CHECK(munmap(b, 1 << 20));
	CHECK(msync(b, 4096, MS_SYNC));
	char *heap = sbrk(0);
	CHECK((char *)sbrk(100000) == heap);
	heap[99999] = 7;
	CHECK(brk(heap));
	CHECK(sbrk(100000) == heap);
	CHECK(heap[99999]);
	char *blocks[1000];
	for (int i = 0; i < 1000; i++)
		memset(blocks[i] = malloc(i * 100 + 1), i, i * 100 + 1);
	long sum = 0;
	for (int i = 0; i < 1000; i++) {
		sum += (unsigned char)blocks[i][i * 100];
		free(blocks[i]);
	}
	CHECK(sum);
	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_STACK, &limit));
	CHECK(limit.rlim_cur);
}

static volatile int seen;
static void handler(int signal, siginfo_t *info, void *context)
{
	ucontext_t *user = context;
	seen = signal;
	printf("signal %d from %s, code %d, sigmask %d, rsp %d\n", info->si_signo, info->si_pid == getpid() ? "me" : "another",
	       info->si_code, sigismember(&user->uc_sigmask, SIGUSR2), user->uc_mcontext.gregs[REG_RSP] != 0);
}

static void signals(void)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	sigset_t set, old;
	double d = 1.5;
	CHECK(sigaction(SIGUSR1, &action, NULL));
	CHECK(raise(SIGUSR1));
	CHECK(kill(getpid(), SIGUSR1));
	CHECK(seen);
	printf("%g\n", d * 2);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK(sigprocmask(SIG_BLOCK, &set, &old));
	sigaction(SIGUSR2, &action, NULL);
	seen = 0;
	CHECK(raise(SIGUSR2));
	CHECK(seen);
	CHECK(sigpending(&set));
	CHECK(sigismember(&set, SIGUSR2));
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL));
	CHECK(seen);
	static char stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof stack };
	CHECK(sigaltstack(&alt, NULL));
	action.sa_flags |= SA_ONSTACK | SA_RESETHAND;
	sigaction(SIGTERM, &action, NULL);
	CHECK(raise(SIGTERM));
	CHECK(sigaction(SIGKILL, &action, NULL));
	CHECK(kill(getpid(), 0));
	CHECK(kill(getpid(), 65));
	signal(SIGPIPE, SIG_IGN);
	CHECK(raise(SIGPIPE));
	CHECK(raise(SIGCHLD));
	signal(SIGALRM, (void (*)(int))handler);
	struct itimerval timer = { .it_value = { .tv_usec = 1000 } };
	sigaction(SIGALRM, &(struct sigaction){ .sa_sigaction = handler, .sa_flags = SA_SIGINFO }, NULL);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL));
	CHECK(pause());
	fflush(stdout);
	raise(SIGTERM);
	puts("not reached");
}

static void files(void)
{
	char name[] = "/tmp/kernel-test-XXXXXX", buffer[32] = "";
	int fd = mkstemp(name);
	CHECK(fd >= 0);
	CHECK(write(fd, "hello, world", 12));
	char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(shared != MAP_FAILED);
	CHECK(shared[7]);
	CHECK(shared[12]);
	shared[0] = 'J';
	CHECK(msync(shared, 4096, MS_SYNC));
	CHECK(pread(fd, buffer, 32, 0));
	puts(buffer);
	char *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	private[0] = 'M';
	CHECK(munmap(shared, 4096));
	CHECK(munmap(private, 4096));
	CHECK(pread(fd, buffer, 1, 0));
	puts(buffer);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 1) == MAP_FAILED);
	CHECK(unlink(name));
	struct stat stat;
	CHECK(fstat(fd, &stat));
	CHECK(stat.st_nlink);
	CHECK(close(fd));
	CHECK(read(fd, buffer, 1));
	CHECK(read(0, (void *)1, 0));
	CHECK(write(1, (void *)1, 1));
	CHECK(open((void *)1, O_RDONLY));
}

static jmp_buf back;
static int depth(int n)
{
	if (n == 0)
		longjmp(back, 42);
	return depth(n - 1) + 1;
}

static ucontext_t here, there;
static int switches;
static void coroutine(void)
{
	for (;;) {
		switches++;
		swapcontext(&there, &here);
	}
}

static void jump(void)
{
	static char stack[65536];
	int value = setjmp(back);
	if (value == 0)
		depth(1000);
	CHECK(value);
	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof stack;
	makecontext(&there, coroutine, 0);
	for (int i = 0; i < 1000; i++)
		swapcontext(&here, &there);
	CHECK(switches);
}

static void times(void)
{
	struct timespec a, b, length = { .tv_nsec = 2000000 };
	CHECK(clock_gettime(CLOCK_MONOTONIC, &a));
	CHECK(nanosleep(&length, NULL));
	CHECK(clock_gettime(CLOCK_MONOTONIC, &b));
	long slept = (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec;
	CHECK(slept >= 2000000);
	CHECK(clock_gettime(77, &a));
	length.tv_nsec = -1;
	CHECK(nanosleep(&length, NULL));
	CHECK(time(NULL) > 1600000000);
	CHECK(clock_getres(CLOCK_REALTIME, &a));
	CHECK(alarm(100));
	CHECK(alarm(0));
	struct utsname name;
	uname(&name);
	printf("%s %s\n", name.sysname, name.machine);
}

static void ids(void)
{
	/* As root, whoever runs the tests. */
	printf("%d\n", getuid() == geteuid());
	CHECK(setpgid(0, -1));
	CHECK(wait(NULL));
	CHECK(waitpid(-1, NULL, 12345678));
	CHECK(getsid(0) > 0);
	CHECK(syscall(SYS_getpriority, 0, 0));
	CHECK(syscall(1000));
	CHECK(syscall(SYS_futex, &seen, 1, 1, NULL));
	CHECK(syscall(SYS_futex, &seen, 0, 1, NULL));
	CHECK(syscall(SYS_futex, &seen, 0, 0, &(struct timespec){ .tv_nsec = 1000 }));
}

/* mmap, write, mprotect, call, rewrite, call again. */
static void jit(void)
{
	unsigned char code[] = { 0xb8, 1, 0, 0, 0, 0xc3 };
	unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 1; i < 4; i++) {
		code[1] = i;
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
		memcpy(page, code, sizeof code);
		mprotect(page, 4096, PROT_READ | PROT_EXEC);
		CHECK(((int (*)(void))page)());
	}
	mprotect(page, 4096, PROT_READ);
	fflush(stdout);
	((int (*)(void))page)();
	puts("not reached");
}

static int overflow(int n)
{
	volatile char room[100];
	room[n % 100] = n;
	return overflow(n + 1) + room[n % 100];
}

static void overflowed(int signal)
{
	static const char text[] = "overflowed\n";
	write(1, text, sizeof text - 1);
	_exit(3);
}

/* The stack overflows; the handler runs on another stack. */
static void overflow_handled(void)
{
	static char stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof stack };
	sigaltstack(&alt, NULL);
	sigaction(SIGSEGV, &(struct sigaction){ .sa_handler = overflowed, .sa_flags = SA_ONSTACK }, NULL);
	overflow(0);
}

static volatile sig_atomic_t rang;
static void ring(int signal)
{
	rang++;
}

/* A timer interrupts a loop without system calls. */
static void busy(void)
{
	struct itimerval timer = { .it_value = { .tv_usec = 1000 }, .it_interval = { .tv_usec = 1000 } };
	signal(SIGALRM, ring);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (rang < 3)
		;
	puts("rang");
}

int main(int argc, char **argv)
{
	const char *test = argv[argc - 1];
	setvbuf(stdout, NULL, _IOFBF, 65536);
	if (!strcmp(test, "memory"))
		memory();
	else if (!strcmp(test, "signals"))
		signals();
	else if (!strcmp(test, "files"))
		files();
	else if (!strcmp(test, "jump"))
		jump();
	else if (!strcmp(test, "time"))
		times();
	else if (!strcmp(test, "ids"))
		ids();
	else if (!strcmp(test, "jit"))
		jit();
	else if (!strcmp(test, "overflow"))
		overflow(0);
	else if (!strcmp(test, "overflow_handled"))
		overflow_handled();
	else if (!strcmp(test, "busy"))
		busy();
	else if (!strcmp(test, "abort"))
		abort();
	else if (!strcmp(test, "raise"))
		raise(SIGTERM);
	else if (!strcmp(test, "segv"))
		((void (*)(void))8)();
	else if (!strcmp(test, "divide"))
		__asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; div %%ecx" ::: "rax", "rcx", "rdx");
	else if (!strcmp(test, "illegal"))
		__asm__ volatile("ud2");
	else if (!strcmp(test, "exit7"))
		exit(7);
	return 0;
}
