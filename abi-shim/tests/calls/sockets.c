// Sockets of the UNIX domain.
#include "say.h"

static struct sockaddr_un at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

static void name(int fd) {
    struct sockaddr_un address = {0};
    socklen_t len = sizeof address;
    if (getsockname(fd, (void *)&address, &len) < 0) printf("%s\n", strerrorname_np(errno));
    else printf("family %d len %d \"%s\"\n", address.sun_family, len, len > 2 ? address.sun_path : "");
}

static void streams(void) {
    printf("-- streams\n");
    struct sockaddr_un address = at("stream"), none = at("nowhere");
    char text[100] = "";
    SAY(socket(AF_UNIX, 99, 0));
    SAY(socket(AF_UNIX, SOCK_STREAM, 77));
    SAY(socket(99, SOCK_STREAM, 0));
    int server = SAY(socket(AF_UNIX, SOCK_STREAM, 0));
    name(server);
    SAY(listen(server, 5));
    SAY(accept(server, 0, 0));
    SAY(connect(server, (void *)&none, sizeof none));
    SAY(bind(server, (void *)&address, 1));
    SAY(bind(server, (void *)&address, sizeof address));
    name(server);
    SAY(bind(server, (void *)&none, sizeof none));
    int second = socket(AF_UNIX, SOCK_STREAM, 0);
    SAY(bind(second, (void *)&address, sizeof address));
    SAY(connect(second, (void *)&address, sizeof address));
    SAY(listen(server, 5));
    int value;
    socklen_t len = sizeof value;
    SAY(getsockopt(server, SOL_SOCKET, SO_ACCEPTCONN, &value, &len));
    printf("%d\n", value);
    SAY(poll(&(struct pollfd){server, POLLIN}, 1, 0));
    SAY(connect(second, (void *)&address, sizeof address));
    SAY(connect(second, (void *)&address, sizeof address));
    SAY(poll(&(struct pollfd){server, POLLIN}, 1, 0));
    struct sockaddr_un peer;
    len = sizeof peer;
    int served = SAY(accept4(server, (void *)&peer, &len, SOCK_CLOEXEC));
    printf("len %d\n", len);
    SAY(fcntl(served, F_GETFD));
    name(served);
    name(second);
    SAY(getpeername(second, (void *)&peer, (len = sizeof peer, &len)));
    printf("\"%s\"\n", peer.sun_path);
    SAY(write(second, "hello", 5));
    SAY(recv(served, text, 3, MSG_PEEK));
    SAY(read(served, text, 100));
    SAY(send(served, "back", 4, 0));
    SAY(recv(second, text, 100, 0));
    SAY(recv(second, text, 100, MSG_DONTWAIT));
    struct ucred cred;
    len = sizeof cred;
    SAY(getsockopt(second, SOL_SOCKET, SO_PEERCRED, &cred, &len));
    printf("%d %d\n", cred.pid == getpid(), cred.uid);
    SAY(shutdown(second, SHUT_WR));
    SAY(read(served, text, 100));
    SAY(send(second, "x", 1, MSG_NOSIGNAL));
    SAY(write(served, "still", 5));
    close(served);
    SAY(read(second, text, 100));
    SAY(read(second, text, 100));
    close(second);
    pid_t child = CHILD({
        int client = socket(AF_UNIX, SOCK_STREAM, 0);
        usleep(10000);
        SAY(connect(client, (void *)&address, sizeof address));
        SAY(write(client, "from a child", 12));
        SAY(read(client, text, 100));
        printf("child got %.5s\n", text);
    });
    served = SAY(accept(server, 0, 0));
    SAY(recv(served, text, 12, MSG_WAITALL));
    printf("%.12s\n", text);
    len = sizeof cred;
    getsockopt(served, SOL_SOCKET, SO_PEERCRED, &cred, &len);
    printf("%d\n", cred.pid == child);
    SAY(write(served, "reply", 5));
    ended(child);
    close(served);
    close(server);
    second = socket(AF_UNIX, SOCK_STREAM, 0);
    SAY(connect(second, (void *)&address, sizeof address));
    SAY(open("stream", O_RDONLY));
    state("stream");
    SAY(unlink("stream"));
    SAY(connect(second, (void *)&address, sizeof address));
    // A megabyte, in one write.
    int fds[2];
    SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    child = CHILD({
        close(fds[0]);
        char *big = calloc(1, 1 << 20);
        SAY(write(fds[1], big, 1 << 20));
    });
    close(fds[1]);
    long total = 0, n;
    while ((n = read(fds[0], text, sizeof text)) > 0) total += n;
    printf("%ld then %ld\n", total, n);
    ended(child);
}

static void datagrams(void) {
    printf("-- datagrams\n");
    struct sockaddr_un one = at("one"), two = at("two"), from;
    socklen_t len;
    char text[100] = "";
    int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0);
    SAY(bind(a, (void *)&one, sizeof one));
    SAY(send(b, "x", 1, 0));
    SAY(sendto(b, "first", 5, 0, (void *)&one, sizeof one));
    SAY(bind(b, (void *)&two, sizeof two));
    SAY(sendto(b, "second", 6, 0, (void *)&one, sizeof one));
    SAY(sendto(b, "", 0, 0, (void *)&one, sizeof one));
    len = sizeof from;
    SAY(recvfrom(a, text, 100, 0, (void *)&from, &len));
    printf("len %d\n", len);
    len = sizeof from;
    SAY(recvfrom(a, text, 3, MSG_TRUNC, (void *)&from, &len));
    printf("\"%s\" len %d\n", from.sun_path, len);
    SAY(recv(a, text, 100, 0));
    SAY(recv(a, text, 100, MSG_DONTWAIT));
    SAY(connect(b, (void *)&one, sizeof one));
    SAY(send(b, "third", 5, 0));
    SAY(recv(a, text, 100, 0));
    SAY(listen(a, 1));
    SAY(accept(a, 0, 0));
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    SAY(connect(s, (void *)&one, sizeof one));
    close(a);
    SAY(send(b, "x", 1, 0));
    SAY(sendto(b, "x", 1, 0, (void *)&one, sizeof one));
    int fds[2];
    SAY(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
    SAY(write(fds[0], "one", 3));
    SAY(write(fds[0], "two", 3));
    SAY(read(fds[1], text, 2));
    SAY(read(fds[1], text, 100));
    close(fds[0]);
    SAY(read(fds[1], text, 100));
    // Names in no tree.
    struct sockaddr_un abstract = {AF_UNIX, "\0name"};
    a = socket(AF_UNIX, SOCK_DGRAM, 0);
    SAY(bind(a, (void *)&abstract, 7));
    SAY(bind(socket(AF_UNIX, SOCK_DGRAM, 0), (void *)&abstract, 7));
    b = socket(AF_UNIX, SOCK_DGRAM, 0);
    SAY(sendto(b, "abstract", 8, 0, (void *)&abstract, 7));
    SAY(recv(a, text, 100, 0));
    SAY(sendto(b, "x", 1, 0, (void *)&abstract, 8));
    SAY(bind(b, (void *)&abstract, 2));
    len = sizeof from;
    SAY(getsockname(b, (void *)&from, &len));
    printf("len %d\n", len);
}

static long send_fd(int socket, int fd) {
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec iov = {"f", 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
    header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return sendmsg(socket, &msg, 0);
}

static int receive_fd(int socket, int flags) {
    char control[200], byte;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd = -1;
    long n = recvmsg(socket, &msg, flags);
    printf("recvmsg %ld, control %ld, flags %x\n", n, (long)msg.msg_controllen, msg.msg_flags & ~MSG_CMSG_CLOEXEC);
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&msg); h; h = CMSG_NXTHDR(&msg, h)) {
        printf("control %d %d %ld\n", h->cmsg_level, h->cmsg_type, (long)h->cmsg_len);
        if (h->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(h), sizeof fd);
        if (h->cmsg_type == SCM_CREDENTIALS) printf("%d\n", ((struct ucred *)CMSG_DATA(h))->uid);
    }
    return fd;
}

static void files(void) {
    printf("-- files in messages\n");
    int fds[2], on = 1;
    char text[100] = "";
    put("passed", "content of the file");
    SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    int file = open("passed", O_RDONLY);
    SAY(send_fd(fds[0], file));
    SAY(send_fd(fds[0], 777));
    close(file);
    int got = receive_fd(fds[1], MSG_CMSG_CLOEXEC);
    printf("%d %d\n", got >= 0, fcntl(got, F_GETFD));
    SAY(read(got, text, 7));
    printf("%.7s\n", text);
    pid_t child = CHILD({
        int mine = open("passed", O_RDONLY);
        lseek(mine, 8, SEEK_SET);
        SAY(send_fd(fds[0], mine));
    });
    ended(child);
    got = receive_fd(fds[1], 0);
    SAY(read(got, text, 100));
    printf("%.11s\n", text);
    SAY(setsockopt(fds[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    SAY(write(fds[0], "c", 1));
    receive_fd(fds[1], 0);
    // Files keep messages apart.
    SAY(write(fds[0], "ab", 2));
    SAY(send_fd(fds[0], got));
    SAY(write(fds[0], "cd", 2));
    SAY(setsockopt(fds[1], SOL_SOCKET, SO_PASSCRED, &(int){0}, sizeof on));
    SAY(recv(fds[1], text, 100, 0));
    SAY(recv(fds[1], text, 100, 0));
    int value;
    socklen_t len = sizeof value;
    SAY(getsockopt(fds[0], SOL_SOCKET, SO_TYPE, &value, &len));
    SAY(getsockopt(fds[0], SOL_SOCKET, SO_DOMAIN, &value, &len));
    SAY(getsockopt(fds[0], SOL_SOCKET, 9999, &value, &len));
    SAY(getsockopt(0, SOL_SOCKET, SO_TYPE, &value, &len));
    SAY(shutdown(fds[0], 9));
    SAY(shutdown(fds[0], SHUT_RDWR));
    SAY(poll(&(struct pollfd){fds[1], POLLIN | POLLRDHUP}, 1, 0));
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    streams();
    datagrams();
    files();
}
