/* Threads: mutexes, conditions, barriers, thread-local storage, pipes, signals, sleeping. Its output does not depend on who runs first. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 1000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static __thread long own;
static long shared, turn;

static void *count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		shared++;
		own++;
		if (i % 100 == 0)
			sched_yield();
		pthread_mutex_unlock(&mutex);
	}
	pthread_barrier_wait(&barrier);
	return (void *)(own + (long)arg);
}

/* Two threads take turns. */
static void *alternate(void *arg)
{
	long me = (long)arg;
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % 2 != me)
			pthread_cond_wait(&condition, &mutex);
		turn++;
		pthread_cond_broadcast(&condition);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static int ends[2];
static void *writer(void *arg)
{
	for (int i = 0; i < 100000; i += 1000) {
		char block[1000];
		memset(block, i / 1000, sizeof block);
		if (write(ends[1], block, sizeof block) != sizeof block)
			abort();
	}
	close(ends[1]);
	return NULL;
}

static sem_t ready;
static atomic_int handled;
static void handler(int signal)
{
	handled++;
}
static void *sleeper(void *arg)
{
	sem_post(&ready);
	struct timespec length = { .tv_sec = 100 };
	int result = nanosleep(&length, NULL);
	return (void *)(long)(result == -1 && errno == EINTR && handled == 1);
}

static void *napper(void *arg)
{
	struct timespec length = { .tv_nsec = (long)arg * 3000000 };
	nanosleep(&length, NULL);
	pthread_mutex_lock(&mutex);
	shared += (long)arg;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	void *result;
	long sum = 0;
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, count, (void *)i))
			return 1;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		sum += (long)result;
	}
	printf("counted %ld, %ld\n", shared, sum);

	for (long i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, alternate, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	printf("turns %ld\n", turn);

	if (pipe(ends))
		return 1;
	pthread_create(&threads[0], NULL, writer, NULL);
	char block[777];
	long length, total = 0, check = 0;
	while ((length = read(ends[0], block, sizeof block)) > 0) {
		total += length;
		for (long i = 0; i < length; i++)
			check += block[i];
	}
	pthread_join(threads[0], NULL);
	printf("piped %ld, %ld\n", total, check);

	sem_init(&ready, 0, 0);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = handler }, NULL);
	pthread_create(&threads[0], NULL, sleeper, NULL);
	sem_wait(&ready);
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	pthread_kill(threads[0], SIGUSR1);
	pthread_join(threads[0], &result);
	printf("interrupted %ld\n", (long)result);

	shared = 0;
	for (long i = 3; i > 0; i--)
		pthread_create(&threads[i], NULL, napper, (void *)i);
	for (int i = 1; i < 4; i++)
		pthread_join(threads[i], NULL);
	printf("napped %ld\n", shared);

	struct timespec when;
	clock_gettime(CLOCK_REALTIME, &when);
	when.tv_nsec += 2000000;
	if (when.tv_nsec >= 1000000000)
		when.tv_sec++, when.tv_nsec -= 1000000000;
	pthread_mutex_lock(&mutex);
	printf("timed out %d\n", pthread_cond_timedwait(&condition, &mutex, &when) == ETIMEDOUT);
	printf("main is the process: %d\n", syscall(SYS_gettid) == getpid());
	fflush(stdout);
	pthread_create(&threads[0], NULL, napper, (void *)5);
	_exit(5);
}
