// What processes share by number: System V's shared memory, semaphores and message queues.
#include "say.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

static void memory(void) {
    struct shmid_ds status;
    int id = shmget(IPC_PRIVATE, 5000, IPC_CREAT | 0600);
    SAY(id >= 0);
    SAY(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600));
    SAY(shmget(0x1234567, 4096, 0600));
    int named = shmget(0x1234567, 4096, IPC_CREAT | IPC_EXCL | 0640);
    SAY(named >= 0);
    SAY(shmget(0x1234567, 4096, IPC_CREAT | IPC_EXCL | 0600));
    SAY(shmget(0x1234567, 0, 0) == named);
    SAY(shmget(0x1234567, 5000, 0));
    char *at = shmat(id, 0, 0);
    SAY(at != (char *)-1);
    SAY(at[4999]);
    strcpy(at, "parent");
    SAY(shmctl(id, IPC_STAT, &status));
    printf("%ld %ld %o %d %d\n", (long)status.shm_segsz, (long)status.shm_nattch, status.shm_perm.mode,
           status.shm_cpid == getpid(), status.shm_lpid == getpid());
    ended(CHILD({
        printf("child sees %s\n", at);
        strcpy(at, "child");
        shmctl(id, IPC_STAT, &status);
        printf("%ld attached\n", (long)status.shm_nattch);
        SAY(shmdt(at));
        char *again = shmat(id, 0, SHM_RDONLY);
        printf("again %s\n", again);
    }));
    SAY(strcmp(at, "child"));
    SAY(shmat(id, at + 1, 0) == (void *)-1 && errno == EINVAL);
    SAY(shmat(id, at, 0) == (void *)-1 && errno == EINVAL);
    SAY(shmat(-1, 0, 0) == (void *)-1 && errno == EINVAL);
    SAY(shmdt(at + 4096));
    SAY(shmctl(id, IPC_RMID, 0));
    SAY(shmctl(id, IPC_STAT, &status));
    printf("%o %ld %x\n", status.shm_perm.mode, (long)status.shm_nattch, status.shm_perm.__key);
    SAY(strcmp(at, "child"));
    SAY(shmdt(at));
    SAY(shmdt(at));
    SAY(shmctl(id, IPC_STAT, &status));
    shmctl(named, IPC_STAT, &status);
    status.shm_perm.mode = 0600;
    SAY(shmctl(named, IPC_SET, &status));
    shmctl(named, IPC_STAT, &status);
    printf("%o\n", status.shm_perm.mode);
    SAY(shmctl(named, 99, &status));
    ended(CHILD({
        setuid(1000);
        SAY(shmget(0x1234567, 4096, 0600));
        SAY(shmat(named, 0, 0) == (void *)-1 && errno == EACCES);
        SAY(shmctl(named, IPC_STAT, &status));
        SAY(shmctl(named, IPC_RMID, 0));
    }));
    // Attached by one who begins later, with what was left there.
    char *late = shmat(named, 0, 0);
    strcpy(late, "left");
    SAY(shmdt(late));
    ended(CHILD({
        char *there = shmat(named, 0, 0);
        printf("finds %s\n", there);
    }));
    // Attached twice.
    char *one = shmat(named, 0, 0), *two = shmat(named, 0, 0);
    strcpy(one, "the same bytes");
    printf("%s\n", two);
    shmctl(named, IPC_STAT, &status);
    printf("%ld attached\n", (long)status.shm_nattch);
    SAY(shmdt(one));
    strcpy(two, "attached yet");
    ended(CHILD(printf("%s\n", two)));
    shmctl(named, IPC_STAT, &status);
    printf("%ld attached\n", (long)status.shm_nattch);
    SAY(shmdt(two));
    SAY(shmdt(two));
    SAY(shmctl(named, IPC_RMID, 0));
    SAY(shmctl(named, IPC_RMID, 0));
}

static int op(int id, int number, int change, int flags) {
    struct sembuf operation = {number, change, flags};
    return semop(id, &operation, 1);
}

static void semaphores(void) {
    struct semid_ds status;
    unsigned short values[3] = {1, 2, 3};
    int id = semget(IPC_PRIVATE, 3, IPC_CREAT | 0600);
    SAY(id >= 0);
    SAY(semget(IPC_PRIVATE, 0, IPC_CREAT | 0600));
    SAY(semget(IPC_PRIVATE, 40000, IPC_CREAT | 0600));
    SAY(semget(0x7654321, 1, 0));
    SAY(semctl(id, 0, SETALL, values));
    SAY(semctl(id, 1, GETVAL));
    SAY(semctl(id, 3, GETVAL));
    SAY(semctl(id, 0, SETVAL, 40000));
    SAY(semctl(id, 0, SETVAL, 5));
    SAY(semctl(id, 0, GETPID) == getpid());
    SAY(op(id, 0, -2, 0));
    SAY(op(id, 0, -9, IPC_NOWAIT));
    SAY(op(id, 0, 0, IPC_NOWAIT));
    SAY(op(id, 3, 1, 0));
    SAY(op(id, 0, 32767, 0));
    SAY(semop(id, 0, 0));
    SAY(semop(-1, 0, 1));
    struct sembuf both[2] = {{0, -1, 0}, {1, -9, IPC_NOWAIT}};
    SAY(semop(id, both, 2));
    SAY(semctl(id, 0, GETVAL));
    SAY(semctl(id, 0, IPC_STAT, &status));
    printf("%ld %o %d\n", (long)status.sem_nsems, status.sem_perm.mode, status.sem_otime > 0);
    struct timespec soon = {0, 20000000};
    SAY(semtimedop(id, &(struct sembuf){0, -9, 0}, 1, &soon));
    SAY(semtimedop(id, &(struct sembuf){0, -1, 0}, 1, &soon));
    // A child waits for its parent, and undoes what it did.
    semctl(id, 0, SETVAL, 0);
    pid_t child = CHILD({
        printf("child waits\n");
        fflush(stdout);
        SAY(op(id, 0, -1, 0));
        SAY(op(id, 1, 5, SEM_UNDO));
        SAY(semctl(id, 1, GETVAL));
    });
    while (semctl(id, 0, GETNCNT) != 1) usleep(1000);
    op(id, 0, 1, 0);
    ended(child);
    SAY(semctl(id, 1, GETVAL));
    child = CHILD({
        op(id, 0, 1, 0);
        SAY(op(id, 0, 0, 0));
        printf("is zero\n");
    });
    while (semctl(id, 0, GETZCNT) != 1) usleep(1000);
    SAY(op(id, 0, -1, 0));
    ended(child);
    child = CHILD({
        SAY(op(id, 0, -1, 0));
    });
    while (semctl(id, 0, GETNCNT) != 1) usleep(1000);
    SAY(semctl(id, 0, IPC_RMID));
    ended(child);
    SAY(semctl(id, 0, GETVAL));
    SAY(op(id, 0, 1, 0));
}

static void queues(void) {
    struct { long type; char text[100]; } message = {1, "one"};
    struct msqid_ds status;
    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    SAY(id >= 0);
    SAY(msgget(0x1111111, 0));
    SAY(msgsnd(id, &message, 4, 0));
    message.type = 3, strcpy(message.text, "three");
    SAY(msgsnd(id, &message, 6, 0));
    message.type = 2, strcpy(message.text, "two");
    SAY(msgsnd(id, &message, 4, 0));
    message.type = 0;
    SAY(msgsnd(id, &message, 4, 0));
    message.type = 1;
    SAY(msgsnd(id, &message, 9000, 0));
    SAY(msgsnd(id, &message, -1, 0));
    SAY(msgctl(id, IPC_STAT, &status));
    printf("%ld %ld %ld\n", (long)status.msg_qnum, (long)status.__msg_cbytes, (long)status.msg_qbytes);
    SAY(msgrcv(id, &message, 100, 9, IPC_NOWAIT));
    SAY(msgrcv(id, &message, 2, 3, 0));
    SAY(msgrcv(id, &message, 2, 3, MSG_NOERROR));
    printf("%ld %.2s\n", message.type, message.text);
    SAY(msgrcv(id, &message, 100, -2, 0));
    printf("%ld %s\n", message.type, message.text);
    SAY(msgrcv(id, &message, 100, 2, MSG_EXCEPT | IPC_NOWAIT));
    SAY(msgrcv(id, &message, 100, 0, 0));
    printf("%ld %s\n", message.type, message.text);
    SAY(msgrcv(id, &message, 100, 0, IPC_NOWAIT));
    pid_t child = CHILD({
        SAY(msgrcv(id, &message, 100, 7, 0));
        printf("%s\n", message.text);
    });
    message.type = 7, strcpy(message.text, "seven");
    SAY(msgsnd(id, &message, 6, 0));
    ended(child);
    char big[8200] = {1};
    SAY(msgsnd(id, big, 8192, 0));
    SAY(msgsnd(id, big, 8192, 0));
    SAY(msgsnd(id, big, 8192, IPC_NOWAIT));
    msgctl(id, IPC_STAT, &status);
    status.msg_qbytes = 100;
    SAY(msgctl(id, IPC_SET, &status));
    SAY(msgrcv(id, big, 8192, 0, 0));
    SAY(msgsnd(id, big, 90, IPC_NOWAIT));
    child = CHILD({
        SAY(msgsnd(id, big, 90, 0));
    });
    usleep(20000);
    SAY(msgctl(id, IPC_RMID, 0));
    ended(child);
    SAY(msgctl(id, IPC_RMID, 0));
    SAY(msgrcv(id, &message, 100, 0, 0));
}

int main(void) {
    memory();
    semaphores();
    queues();
    return 0;
}
