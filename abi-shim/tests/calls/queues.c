// Message queues: mq_overview(7).
#include "say.h"
#include <grp.h>
#include <mqueue.h>
#include <semaphore.h>

static void attributes(mqd_t queue) {
    struct mq_attr a;
    if (mq_getattr(queue, &a) < 0) printf("mq_getattr: %s\n", strerrorname_np(errno));
    else printf("flags %lo max %ld size %ld now %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
}

static void opening(void) {
    struct mq_attr attr = {0, 3, 16, 0};
    SAY(mq_open("/hoist-none", O_RDWR));
    SAY(mq_open("/", O_RDWR | O_CREAT, 0600, &attr));
    SAY(mq_open("/a/b", O_RDWR | O_CREAT, 0600, &attr));
    SAY(mq_open("/.", O_RDWR | O_CREAT, 0600, &attr));
    SAY(syscall(SYS_mq_open, "", O_RDWR | O_CREAT, 0600, &attr));
    SAY(syscall(SYS_mq_open, NULL, O_RDWR | O_CREAT, 0600, &attr));
    char name[300];
    memset(name, 'x', 299), name[0] = '/', name[299] = 0;
    SAY(mq_open(name, O_RDWR | O_CREAT, 0600, &attr));
    struct mq_attr bad = {0, 0, 16, 0};
    SAY(mq_open("/hoist-bad", O_RDWR | O_CREAT, 0600, &bad));
    bad.mq_maxmsg = 3, bad.mq_msgsize = 0;
    SAY(mq_open("/hoist-bad", O_RDWR | O_CREAT, 0600, &bad));
    bad.mq_maxmsg = -1;
    SAY(mq_open("/hoist-bad", O_RDWR | O_CREAT, 0600, &bad));
    mqd_t queue = SAY(mq_open("/hoist-a", O_RDWR | O_CREAT | O_EXCL, 0640, &attr));
    SAY(mq_open("/hoist-a", O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
    attributes(queue);
    SAY(fcntl(queue, F_GETFD));
    SAY(fcntl(queue, F_GETFL));
    struct stat st;
    SAY(fstat(queue, &st));
    printf("%o %d %d\n", st.st_mode, st.st_uid, st.st_gid);
    mqd_t plain = SAY(mq_open("/hoist-b", O_WRONLY | O_CREAT, 0600, NULL));
    attributes(plain);
    SAY(mq_close(plain));
    SAY(mq_unlink("/hoist-b"));
    SAY(mq_unlink("/hoist-b"));
    ended(CHILD({
        setgroups(0, NULL), setgid(1000), setuid(1000);
        SAY(mq_open("/hoist-a", O_RDONLY));
        SAY(mq_unlink("/hoist-a"));
        bad.mq_maxmsg = 11, bad.mq_msgsize = 16;
        SAY(mq_open("/hoist-c", O_RDWR | O_CREAT, 0600, &bad));
        bad.mq_maxmsg = 10, bad.mq_msgsize = 8193;
        SAY(mq_open("/hoist-c", O_RDWR | O_CREAT, 0600, &bad));
    }));
    mq_close(queue);
    mq_unlink("/hoist-a");
}

static void messages(void) {
    struct mq_attr attr = {0, 3, 16, 0};
    mqd_t queue = mq_open("/hoist-a", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attr);
    mqd_t reads = SAY(mq_open("/hoist-a", O_RDONLY));
    mqd_t writes = SAY(mq_open("/hoist-a", O_WRONLY));
    char buffer[32];
    unsigned priority = 77;
    SAY(mq_receive(queue, buffer, sizeof buffer, &priority));
    SAY(mq_receive(queue, buffer, 15, &priority));
    SAY(mq_receive(writes, buffer, 16, &priority));
    SAY(mq_send(reads, "x", 1, 0));
    SAY(mq_send(queue, "0123456789abcdefg", 17, 0));
    SAY(mq_send(queue, "x", 1, 32768));
    SAY(mq_send(queue, NULL, 1, 0));
    SAY(mq_send(0, "x", 1, 0));
    SAY(mq_send(99, "x", 1, 0));
    SAY(mq_send(queue, "low", 3, 1));
    SAY(mq_send(queue, "high", 4, 9));
    SAY(mq_send(queue, "low2", 4, 1));
    SAY(mq_send(queue, "full", 4, 1));
    attributes(queue);
    struct pollfd ready = {queue, POLLIN | POLLOUT};
    SAY(poll(&ready, 1, 0)), printf("%x\n", ready.revents);
    char text[100] = "";
    SAY(pread(queue, text, sizeof text - 1, 0)), printf("%s", text);
    SAY(write(queue, "x", 1));
    for (int i = 0; i < 4; i++) {
        memset(buffer, 0, sizeof buffer);
        SAY(mq_receive(queue, buffer, sizeof buffer, &priority)), printf("%s %u\n", buffer, priority);
    }
    SAY(mq_send(queue, "", 0, 32767));
    SAY(mq_receive(queue, buffer, sizeof buffer, NULL));
    SAY(poll(&ready, 1, 0)), printf("%x\n", ready.revents);
    struct timespec past = {1, 0}, bad = {1, 2000000000};
    SAY(mq_timedreceive(reads, buffer, sizeof buffer, NULL, &past));
    SAY(mq_timedreceive(reads, buffer, sizeof buffer, NULL, &bad));
    SAY(mq_timedreceive(queue, buffer, sizeof buffer, NULL, &past));
    for (int i = 0; i < 3; i++) mq_send(queue, "x", 1, 0);
    SAY(mq_timedsend(writes, "y", 1, 0, &past));
    SAY(mq_timedsend(writes, "y", 1, 0, &bad));
    for (int i = 0; i < 3; i++) mq_receive(queue, buffer, sizeof buffer, NULL);
    struct mq_attr old = {}, new = {O_NONBLOCK};
    SAY(mq_setattr(reads, &new, &old)), printf("%lo\n", old.mq_flags);
    attributes(reads);
    SAY(mq_receive(reads, buffer, sizeof buffer, NULL));
    new.mq_flags = O_APPEND;
    SAY(mq_setattr(reads, &new, NULL));
    new.mq_flags = 0;
    SAY(mq_setattr(reads, &new, NULL));
    SAY(mq_getattr(0, &old));
    // Processes that wait for each other.
    pid_t child = CHILD({
        for (int i = 0; i < 10; i++) {
            char number[8];
            sprintf(number, "%d", i);
            if (mq_send(writes, number, strlen(number), 0) < 0) perror("mq_send");
        }
    });
    usleep(20000);
    attributes(queue);
    for (int i = 0; i < 10; i++) {
        memset(buffer, 0, sizeof buffer);
        mq_receive(reads, buffer, sizeof buffer, NULL);
        printf("%s ", buffer);
    }
    puts("");
    ended(child);
    child = CHILD({
        SAY(mq_receive(reads, buffer, sizeof buffer, NULL));
    });
    usleep(20000);
    SAY(mq_send(queue, "late", 4, 0));
    ended(child);
    // The name goes, the queue stays.
    SAY(mq_unlink("/hoist-a"));
    SAY(mq_open("/hoist-a", O_RDONLY));
    SAY(mq_send(queue, "still", 5, 0));
    SAY(mq_receive(reads, buffer, sizeof buffer, NULL));
    SAY(mq_close(queue));
    SAY(mq_close(queue));
}

static void handler(int signal, siginfo_t *info, void *context) {
    printf("signal %d code %d value %d own %d\n", signal, info->si_code, info->si_value.sival_int, info->si_pid == getpid());
}

static sem_t is_told;
static int told_value;

static void told(union sigval value) {
    told_value = value.sival_int;
    sem_post(&is_told);
}

static void notification(void) {
    struct mq_attr attr = {0, 3, 16, 0};
    mqd_t queue = mq_open("/hoist-n", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attr);
    char buffer[16], text[100] = "";
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    SAY(mq_notify(queue, NULL));
    SAY(mq_notify(queue, &event));
    SAY(mq_notify(queue, &event));
    ended(CHILD({
        SAY(mq_notify(queue, &event));
        SAY(mq_notify(queue, NULL));
    }));
    SAY(mq_send(queue, "a", 1, 0));
    SAY(mq_send(queue, "b", 1, 0));
    SAY(mq_notify(queue, &event));
    SAY(mq_send(queue, "c", 1, 0));
    for (int i = 0; i < 3; i++) mq_receive(queue, buffer, sizeof buffer, NULL);
    ended(CHILD(mq_send(queue, "d", 1, 0)));
    mq_receive(queue, buffer, sizeof buffer, NULL);
    // Whoever receives comes first.
    SAY(mq_notify(queue, &event));
    fcntl(queue, F_SETFL, 0);
    pid_t child = CHILD(SAY(mq_receive(queue, buffer, sizeof buffer, NULL)));
    usleep(30000);
    SAY(mq_send(queue, "e", 1, 0));
    ended(child);
    SAY(mq_notify(queue, NULL));
    SAY(mq_send(queue, "f", 1, 0));
    event.sigev_notify = SIGEV_NONE;
    SAY(mq_notify(queue, &event));
    SAY(mq_notify(queue, NULL));
    event.sigev_notify = 99;
    SAY(syscall(SYS_mq_notify, queue, &event));
    event.sigev_notify = SIGEV_SIGNAL, event.sigev_signo = 65;
    SAY(mq_notify(queue, &event));
    SAY(mq_notify(0, NULL));
    // A thread is told.
    struct sigevent other = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = told, .sigev_value.sival_int = 43};
    sem_init(&is_told, 0, 0);
    fcntl(queue, F_SETFL, O_NONBLOCK);
    while (mq_receive(queue, buffer, sizeof buffer, NULL) > 0);
    SAY(mq_notify(queue, &other));
    SAY(mq_notify(queue, &event));
    SAY(mq_send(queue, "g", 1, 0));
    sem_wait(&is_told);
    printf("told: %d\n", told_value);
    SAY(mq_receive(queue, buffer, sizeof buffer, NULL));
    SAY(mq_notify(queue, &other));
    SAY(mq_notify(queue, NULL));
    struct sigevent raw = {.sigev_notify = SIGEV_THREAD, .sigev_signo = 99, .sigev_value.sival_ptr = text};
    SAY(syscall(SYS_mq_notify, queue, &raw));
    raw.sigev_signo = 1;
    SAY(syscall(SYS_mq_notify, queue, &raw));
    raw.sigev_value.sival_ptr = NULL;
    SAY(syscall(SYS_mq_notify, queue, &raw));
    // It ends with the process that asked.
    event.sigev_signo = SIGUSR1;
    ended(CHILD(SAY(mq_notify(queue, &event))));
    SAY(mq_notify(queue, &event));
    mq_unlink("/hoist-n");
}

int main(void) {
    // Left by a run that was stopped.
    mq_unlink("/hoist-a"), mq_unlink("/hoist-b"), mq_unlink("/hoist-c"), mq_unlink("/hoist-n");
    opening();
    messages();
    notification();
}
