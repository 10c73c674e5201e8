// Sockets of the internet domains over loopback.
#include "say.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

static struct sockaddr_in any = {AF_INET}, local = {AF_INET};

static void name(const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *)) {
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    char text[64] = "";
    if (get(fd, (void *)&a, &len) < 0) {
        printf("%s: %s\n", what, strerrorname_np(errno));
        return;
    }
    int six = a.ss_family == AF_INET6;
    inet_ntop(a.ss_family, six ? (void *)&((struct sockaddr_in6 *)&a)->sin6_addr : (void *)&((struct sockaddr_in *)&a)->sin_addr, text, 64);
    printf("%s: family %d len %d %s %s\n", what, a.ss_family, len, text, ((struct sockaddr_in *)&a)->sin_port ? "port" : "no port");
}

static int port_of(int fd) {
    struct sockaddr_in6 a;
    socklen_t len = sizeof a;
    getsockname(fd, (void *)&a, &len);
    return a.sin6_port;
}

static int option(int fd, int level, int what) {
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, what, &value, &len) < 0 ? -errno : value;
}

static int set(int fd, int level, int what, int value) { return setsockopt(fd, level, what, &value, sizeof value); }

static void events(int fd) {
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP};
    SAY(poll(&p, 1, 0));
    printf("%x\n", p.revents);
}

static void making(void) {
    SAY(socket(AF_INET, SOCK_STREAM, 0));
    SAY(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    SAY(fcntl(4, F_GETFL));
    SAY(socket(AF_INET, SOCK_DGRAM, 0));
    SAY(socket(AF_INET6, SOCK_STREAM, 0));
    SAY(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    SAY(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
    SAY(socket(AF_INET, SOCK_SEQPACKET, 0));
    SAY(socket(AF_INET, SOCK_RAW, 0));
    SAY(socket(99, SOCK_STREAM, 0));
    SAY(socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){0}));
    name("fresh", 3, getsockname);
    name("fresh6", 6, getsockname);
    name("fresh", 3, getpeername);
    events(3);
    events(5);
    SAY(option(3, SOL_SOCKET, SO_TYPE));
    SAY(option(5, SOL_SOCKET, SO_PROTOCOL));
    SAY(option(3, SOL_SOCKET, SO_PROTOCOL));
    SAY(option(6, SOL_SOCKET, SO_DOMAIN));
    SAY(option(3, SOL_SOCKET, SO_ERROR));
    SAY(option(3, SOL_SOCKET, SO_ACCEPTCONN));
    SAY(option(3, SOL_SOCKET, SO_REUSEADDR));
    SAY(set(3, SOL_SOCKET, SO_REUSEADDR, 1));
    SAY(option(3, SOL_SOCKET, SO_REUSEADDR));
    SAY(set(3, SOL_SOCKET, SO_KEEPALIVE, 1));
    SAY(option(3, SOL_SOCKET, SO_KEEPALIVE));
    SAY(option(3, IPPROTO_TCP, TCP_NODELAY));
    SAY(set(3, IPPROTO_TCP, TCP_NODELAY, 1));
    SAY(option(3, IPPROTO_TCP, TCP_NODELAY));
    SAY(option(3, IPPROTO_TCP, TCP_KEEPIDLE));
    SAY(set(3, IPPROTO_TCP, TCP_KEEPIDLE, 60));
    SAY(option(3, IPPROTO_TCP, TCP_KEEPIDLE));
    SAY(option(3, IPPROTO_IP, IP_TTL));
    SAY(option(6, IPPROTO_IPV6, IPV6_V6ONLY));
    SAY(option(3, IPPROTO_IPV6, IPV6_V6ONLY));
    SAY(option(5, IPPROTO_TCP, TCP_NODELAY));
    SAY(option(3, SOL_SOCKET, 9999));
    SAY(set(3, SOL_SOCKET, 9999, 1));
    SAY(set(3, 999, 1, 1));
    SAY(setsockopt(3, SOL_SOCKET, SO_REUSEADDR, &any, 2));
    SAY(set(3, SOL_SOCKET, SO_RCVBUF, 10000));
    SAY(option(3, SOL_SOCKET, SO_RCVBUF));
    struct linger linger = {1, 0};
    SAY(setsockopt(3, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    char c;
    signal(SIGPIPE, SIG_IGN);
    SAY(read(3, &c, 1));
    SAY(write(3, &c, 1));
    SAY(send(5, &c, 1, 0));
    SAY(shutdown(3, SHUT_RDWR));
    SAY(accept(3, 0, 0));
    SAY(listen(5, 1));
    SAY(getsockopt(0, SOL_SOCKET, SO_TYPE, 0, 0));
    for (int fd = 3; fd < 10; fd++) close(fd);
}

static void streams(void) {
    int server = SAY(socket(AF_INET, SOCK_STREAM, 0));
    SAY(bind(server, (void *)&local, 7));
    SAY(bind(server, (void *)&local, sizeof local));
    SAY(bind(server, (void *)&local, sizeof local));
    name("server", server, getsockname);
    int port = port_of(server);
    struct sockaddr_in there = {AF_INET, port, local.sin_addr};
    int other = SAY(socket(AF_INET, SOCK_STREAM, 0));
    SAY(bind(other, (void *)&there, sizeof there));
    there.sin_addr.s_addr = inet_addr("8.8.8.8");
    SAY(bind(other, (void *)&there, sizeof there));
    there.sin_addr = local.sin_addr;
    SAY(connect(other, (void *)&there, sizeof there));
    SAY(listen(server, 5));
    SAY(option(server, SOL_SOCKET, SO_ACCEPTCONN));
    events(server);
    fcntl(server, F_SETFL, O_NONBLOCK);
    SAY(accept(server, 0, 0));
    fcntl(server, F_SETFL, 0);
    SAY(connect(other, (void *)&there, 5));
    struct sockaddr_in6 six = {AF_INET6};
    SAY(connect(other, (void *)&six, sizeof six));
    SAY(connect(other, (void *)&there, sizeof there));
    SAY(connect(other, (void *)&there, sizeof there));
    name("client", other, getsockname);
    name("client's peer", other, getpeername);
    events(server);
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    int served = SAY(accept4(server, (void *)&peer, &len, SOCK_CLOEXEC));
    printf("%d %d same port %d\n", len, peer.sin_family, peer.sin_port == port_of(other));
    name("served", served, getsockname);
    name("served's peer", served, getpeername);
    char text[100] = "";
    SAY(write(other, "hello", 5));
    SAY(recv(served, text, 3, MSG_PEEK));
    SAY(read(served, text, 100));
    printf("%s\n", text);
    SAY(send(served, "answer", 6, MSG_NOSIGNAL));
    struct iovec iov[2] = {{text, 3}, {text + 50, 20}};
    SAY(readv(other, iov, 2));
    printf("%.3s %.3s\n", text, text + 50);
    SAY(recv(other, text, 1, MSG_DONTWAIT));
    int n = -1;
    write(served, "xyz", 3);
    SAY(ioctl(other, FIONREAD, &n));
    printf("%d\n", n);
    SAY(recvfrom(other, text, 10, 0, (void *)&peer, &len));
    printf("%d\n", len);
    SAY(sendto(other, "to", 2, 0, (void *)&there, sizeof there));
    SAY(read(served, text, 10));
    events(other);
    SAY(shutdown(other, SHUT_WR));
    events(served);
    SAY(read(served, text, 10));
    SAY(write(served, "late", 4));
    SAY(read(other, text, 10));
    SAY(write(other, "x", 1));
    SAY(close(served));
    SAY(read(other, text, 10));
    events(other);
    close(other);
    // The other side goes first.
    other = socket(AF_INET, SOCK_STREAM, 0);
    SAY(connect(other, (void *)&there, sizeof there));
    served = accept(server, 0, 0);
    close(served);
    events(other);
    SAY(read(other, text, 1));
    SAY(write(other, "x", 1));
    usleep(1000);
    SAY(write(other, "x", 1));
    close(other);
    other = socket(AF_INET, SOCK_STREAM, 0);
    connect(other, (void *)&there, sizeof there);
    served = accept(server, 0, 0);
    write(other, "unread", 6);
    close(served);
    SAY(read(other, text, 1));
    SAY(read(other, text, 1));
    close(other);
    // Without waiting.
    other = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SAY(connect(other, (void *)&there, sizeof there));
    events(other);
    SAY(option(other, SOL_SOCKET, SO_ERROR));
    SAY(connect(other, (void *)&there, sizeof there));
    SAY(connect(other, (void *)&there, sizeof there));
    close(other);
    close(accept(server, 0, 0));
    close(server);
    other = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    SAY(connect(other, (void *)&there, sizeof there));
    SAY(option(other, SOL_SOCKET, SO_ERROR));
    SAY(option(other, SOL_SOCKET, SO_ERROR));
    close(other);
    // Between processes, more than a buffer holds.
    server = socket(AF_INET, SOCK_STREAM, 0);
    SAY(listen(server, 5));
    name("listening", server, getsockname);
    there.sin_port = port_of(server);
    pid_t child = CHILD({
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        connect(fd, (void *)&there, sizeof there);
        char *much = calloc(1, 3000000);
        SAY(write(fd, much, 3000000));
        shutdown(fd, SHUT_WR);
        SAY(read(fd, text, 100));
        printf("%s\n", text);
    });
    served = accept(server, 0, 0);
    long total = 0, got;
    static char buffer[70000];
    while ((got = read(served, buffer, sizeof buffer)) > 0) total += got;
    printf("got %ld\n", total);
    write(served, "thanks", 7);
    close(served);
    ended(child);
    struct timeval brief = {0, 20000};
    child = CHILD({
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        connect(fd, (void *)&there, sizeof there);
        SAY(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof brief));
        SAY(read(fd, text, 1));
    });
    served = accept(server, 0, 0);
    ended(child);
    close(served);
    // Buffers of the size that was asked for.
    static char much[1 << 18];
    int size = 4096;
    SAY(setsockopt(server, SOL_SOCKET, SO_RCVBUF, &size, sizeof size));
    other = socket(AF_INET, SOCK_STREAM, 0);
    connect(other, (void *)&there, sizeof there);
    served = accept(server, 0, 0);
    SAY(option(served, SOL_SOCKET, SO_RCVBUF));
    SAY(setsockopt(other, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
    SAY(option(other, SOL_SOCKET, SO_SNDBUF));
    SAY(send(other, much, sizeof much, MSG_DONTWAIT) < 65536);
    while (send(other, much, sizeof much, MSG_DONTWAIT) > 0) {}
    events(other);
    SAY(read(served, much, sizeof much) < 65536);
    close(other);
    close(served);
    close(server);
}

static void versions(void) {
    struct sockaddr_in6 six = {AF_INET6}, mapped = {AF_INET6};
    int server = socket(AF_INET6, SOCK_STREAM, 0);
    SAY(bind(server, (void *)&six, sizeof(struct sockaddr_in)));
    SAY(bind(server, (void *)&six, sizeof six));
    SAY(listen(server, 1));
    name("server", server, getsockname);
    struct sockaddr_in there = {AF_INET, port_of(server), local.sin_addr};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    SAY(connect(client, (void *)&there, sizeof there));
    int served = SAY(accept(server, 0, 0));
    name("served", served, getsockname);
    name("served's peer", served, getpeername);
    name("client's peer", client, getpeername);
    close(client), close(served);
    client = socket(AF_INET6, SOCK_STREAM, 0);
    six.sin6_port = there.sin_port;
    inet_pton(AF_INET6, "::1", &six.sin6_addr);
    SAY(connect(client, (void *)&six, sizeof six));
    served = accept(server, 0, 0);
    name("client", client, getsockname);
    name("served's peer", served, getpeername);
    close(client), close(served), close(server);
    server = socket(AF_INET6, SOCK_STREAM, 0);
    SAY(set(server, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    six.sin6_port = 0;
    SAY(bind(server, (void *)&six, sizeof six));
    SAY(listen(server, 1));
    there.sin_port = port_of(server);
    client = socket(AF_INET, SOCK_STREAM, 0);
    SAY(connect(client, (void *)&there, sizeof there));
    close(client), close(server);
}

static void datagrams(void) {
    int one = socket(AF_INET, SOCK_DGRAM, 0), two = socket(AF_INET, SOCK_DGRAM, 0);
    char text[100] = "";
    SAY(bind(one, (void *)&local, sizeof local));
    struct sockaddr_in there = {AF_INET, port_of(one), local.sin_addr}, from;
    socklen_t len = sizeof from;
    SAY(sendto(two, "first", 5, 0, (void *)&there, sizeof there));
    SAY(sendto(two, "", 0, 0, (void *)&there, sizeof there));
    SAY(sendto(two, "second", 6, 0, (void *)&there, 4));
    name("sender", two, getsockname);
    events(one);
    SAY(recvfrom(one, text, 3, MSG_TRUNC, (void *)&from, &len));
    printf("%.5s from its port %d len %d\n", text, from.sin_port == port_of(two), len);
    SAY(recv(one, text, 100, 0));
    SAY(recv(one, text, 100, MSG_DONTWAIT));
    SAY(write(two, "x", 1));
    SAY(connect(two, (void *)&there, sizeof there));
    name("connected", two, getsockname);
    name("its peer", two, getpeername);
    SAY(write(two, "x", 1));
    SAY(connect(one, (void *)&local, sizeof local));
    SAY(recv(one, text, 100, 0));
    SAY(connect(two, &(struct sockaddr){AF_UNSPEC}, sizeof(struct sockaddr)));
    name("its peer", two, getpeername);
    there.sin_addr.s_addr = inet_addr("127.0.0.1");
    int gone = there.sin_port;
    close(one);
    SAY(sendto(two, "lost", 4, 0, (void *)&there, sizeof there));
    SAY(connect(two, (void *)&there, sizeof there));
    SAY(write(two, "lost", 4));
    SAY(write(two, "lost", 4));
    SAY(recv(two, text, 100, MSG_DONTWAIT));
    there.sin_port = 0;
    int three = socket(AF_INET, SOCK_DGRAM, 0);
    SAY(sendto(three, "x", 1, 0, (void *)&there, sizeof there));
    static char huge[70000];
    there.sin_port = gone;
    SAY(sendto(three, huge, sizeof huge, 0, (void *)&there, sizeof there));
    // Several messages in a call.
    one = socket(AF_INET, SOCK_DGRAM, 0);
    bind(one, (void *)&local, sizeof local);
    there.sin_port = port_of(one);
    connect(three, (void *)&there, sizeof there);
    struct iovec iov[3] = {{"a", 1}, {"bc", 2}, {"def", 3}};
    struct mmsghdr messages[3] = {0};
    for (int i = 0; i < 3; i++) messages[i].msg_hdr.msg_iov = &iov[i], messages[i].msg_hdr.msg_iovlen = 1;
    SAY(sendmmsg(three, messages, 3, 0));
    printf("%d %d %d\n", messages[0].msg_len, messages[1].msg_len, messages[2].msg_len);
    char parts[4][10] = {0};
    struct iovec into[4];
    struct mmsghdr received[4] = {0};
    for (int i = 0; i < 4; i++) {
        into[i] = (struct iovec){parts[i], 10};
        received[i].msg_hdr.msg_iov = &into[i], received[i].msg_hdr.msg_iovlen = 1;
    }
    SAY(recvmmsg(one, received, 4, MSG_WAITFORONE, 0));
    printf("%d%s %d%s %d%s\n", received[0].msg_len, parts[0], received[1].msg_len, parts[1], received[2].msg_len, parts[2]);
    SAY(recvmmsg(one, received, 4, MSG_DONTWAIT, 0));
    SAY(recvmmsg(0, received, 4, 0, 0));
    SAY(syscall(SYS_sendmmsg, three, 8, 1, 0));
    close(one), close(two), close(three);
}

static void interfaces(void) {
    struct ifaddrs *all, *each;
    SAY(getifaddrs(&all));
    // Others than lo are not everywhere.
    for (each = all; each; each = each->ifa_next)
        if (!strcmp(each->ifa_name, "lo") && each->ifa_addr && each->ifa_addr->sa_family != AF_INET6) {
            char text[64] = "";
            if (each->ifa_addr->sa_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in *)each->ifa_addr)->sin_addr, text, 64);
            printf("lo family %d flags %x %s\n", each->ifa_addr->sa_family, each->ifa_flags, text);
        }
    freeifaddrs(all);
    int fd = SAY(socket(AF_NETLINK, SOCK_RAW, 0));
    SAY(socket(AF_NETLINK, SOCK_STREAM, 0));
    close(fd);
}

int main(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    local.sin_addr.s_addr = inet_addr("127.0.0.1");
    making();
    streams();
    versions();
    datagrams();
    interfaces();
    return 0;
}
