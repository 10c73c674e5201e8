// Pseudo-terminals: the line discipline, settings, sessions and job control.
#include "say.h"
#include <pty.h>

static int master, slave;
static char *name;

static void settle(void);

// What the master can read now.
static void screen(void) {
    char text[4096];
    settle();
    long n = read(master, text, sizeof text);
    if (n < 0) {
        printf("screen: %s\n", strerrorname_np(errno));
        return;
    }
    printf("screen: \"");
    for (int i = 0; i < n; i++)
        if (text[i] >= ' ' && text[i] < 127) putchar(text[i]);
        else printf("\\%03o", (unsigned char)text[i]);
    printf("\"\n");
}

// Linux takes what is typed to the line discipline in a worker thread: it has to have run.
static void settle(void) { usleep(15000); }

static void type(const char *keys) {
    write(master, keys, strlen(keys));
    settle();
}

// What the slave reads now.
static void line(void) {
    char text[4096];
    long n = read(slave, text, sizeof text);
    if (n < 0) {
        printf("line: %s\n", strerrorname_np(errno));
        return;
    }
    printf("line: %ld \"", n);
    for (int i = 0; i < n; i++)
        if (text[i] >= ' ' && text[i] < 127) putchar(text[i]);
        else printf("\\%03o", (unsigned char)text[i]);
    printf("\"\n");
}

static void set(unsigned in, unsigned out, unsigned local, int min, int tenths) {
    struct termios t;
    tcgetattr(slave, &t);
    t.c_iflag = in, t.c_oflag = out, t.c_lflag = local;
    t.c_cc[VMIN] = min, t.c_cc[VTIME] = tenths;
    tcsetattr(slave, TCSANOW, &t);
}

#define SANE_IN (ICRNL | IXON)
#define SANE_OUT (OPOST | ONLCR)
#define SANE_LOCAL (ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN)

static void sane(void) { set(SANE_IN, SANE_OUT, SANE_LOCAL, 1, 0); }

static void making(void) {
    struct stat st;
    int lock = -1;
    unsigned number = -1;
    master = SAY(open("/dev/ptmx", O_RDWR | O_NOCTTY));
    SAY(ioctl(master, TIOCGPTLCK, &lock));
    printf("lock %d\n", lock);
    SAY(ioctl(master, TIOCGPTN, &number));
    name = ptsname(master);
    SAY(open(name, O_RDWR | O_NOCTTY));
    SAY(grantpt(master));
    SAY(unlockpt(master));
    SAY(ioctl(master, TIOCGPTLCK, &lock));
    printf("lock %d\n", lock);
    slave = SAY(open(name, O_RDWR | O_NOCTTY));
    SAY(isatty(master));
    SAY(isatty(slave));
    SAY(strcmp(ttyname(slave), name));
    SAY(fstat(slave, &st));
    printf("mode %o major %u minor matches %d\n", st.st_mode & S_IFMT, major(st.st_rdev), minor(st.st_rdev) == number);
    SAY(ioctl(slave, TIOCGPTN, &number));
    SAY(ioctl(slave, TIOCSPTLCK, &lock));
    SAY(lseek(slave, 0, SEEK_SET));
    int peer = SAY(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY) >= 0);
    struct termios t;
    SAY(tcgetattr(slave, &t));
    printf("%x %x %x %x |", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
    for (int i = 0; i < NCCS && i < 17; i++) printf(" %d", t.c_cc[i]);
    printf("\n");
    SAY(cfgetospeed(&t) == B38400);
    SAY(tcgetattr(master, &t));
    SAY(ioctl(0, TCGETS, &t));
    SAY(ioctl(slave, TCGETS, 8));
    SAY(ioctl(slave, 0x5499, 0));
    int discipline = -1;
    SAY(ioctl(slave, TIOCGETD, &discipline));
    fcntl(master, F_SETFL, O_NONBLOCK);
    fcntl(slave, F_SETFL, O_NONBLOCK);
}

static void sizes(void) {
    struct winsize size = {1, 2, 3, 4};
    SAY(ioctl(slave, TIOCGWINSZ, &size));
    printf("%d %d %d %d\n", size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel);
    size.ws_row = 30, size.ws_col = 100;
    SAY(ioctl(master, TIOCSWINSZ, &size));
    SAY(ioctl(slave, TIOCGWINSZ, &size));
    printf("%d %d\n", size.ws_row, size.ws_col);
    SAY(ioctl(slave, TIOCGWINSZ, 8));
}

static void editing(void) {
    line();
    type("abc");
    line();
    screen();
    type("\177\177x\r");
    screen(), line();
    type("one two  \027three\r");
    screen(), line();
    type("gone\025here\n");
    screen(), line();
    type("a\026\003b\026\177\r");
    screen(), line();
    type("tab\tx\177\177y\r");
    screen(), line();
    type("a\tb\t\177\177\177\r");
    screen(), line();
    type("re\022print\n");
    screen(), line();
    type("ctrl\001\002\177\r");
    screen(), line();
    type("\177\177\025\027\r");
    screen(), line();
    type("end\004");
    screen(), line();
    type("\004");
    screen(), line(), line();
    type("two\nlines\n");
    int n = -1;
    SAY(ioctl(slave, FIONREAD, &n));
    printf("%d bytes\n", n);
    screen(), line(), line(), line();
    char part[4] = "";
    type("partial\n");
    SAY(read(slave, part, 3));
    line();
    type("abc\004def\n");
    SAY(read(slave, part, 3));
    line(), line();
    SAY(read(slave, part, 0));
    screen();
    SAY(tcflush(slave, TCIFLUSH));
    type("lost\n");
    SAY(tcflush(slave, TCIFLUSH));
    line();
    screen();
    SAY(tcflush(slave, 7));
    char many[5000];
    memset(many, 'm', sizeof many);
    printf("wrote %ld\n", (long)write(master, many, sizeof many));
    type("\n");
    printf("read %ld\n", (long)read(slave, many, sizeof many));
    printf("read %ld\n", (long)read(slave, many, sizeof many));
    while (read(master, many, sizeof many) > 0) {}
}

static void echoing(void) {
    set(SANE_IN, SANE_OUT, SANE_LOCAL & ~ECHO, 1, 0);
    type("quiet\025q\177\r");
    screen(), line();
    set(SANE_IN, SANE_OUT, SANE_LOCAL & ~ECHO | ECHONL, 1, 0);
    type("newline\r");
    screen(), line();
    set(SANE_IN, SANE_OUT, SANE_LOCAL & ~ECHOE, 1, 0);
    type("ab\177c\r");
    screen(), line();
    set(SANE_IN, SANE_OUT, SANE_LOCAL & ~ECHOKE, 1, 0);
    type("ab\025c\r");
    screen(), line();
    set(SANE_IN, SANE_OUT, SANE_LOCAL & ~(ECHOKE | ECHOK), 1, 0);
    type("ab\025c\r");
    screen(), line();
    set(SANE_IN, SANE_OUT, SANE_LOCAL & ~ECHOCTL, 1, 0);
    type("a\001b\177\177c\r");
    screen(), line();
    set(SANE_IN, SANE_OUT, SANE_LOCAL | ECHOPRT, 1, 0);
    type("abc\177\177d\r");
    screen(), line();
    set(SANE_IN, SANE_OUT, SANE_LOCAL & ~IEXTEN, 1, 0);
    type("a b\027\026\r");
    screen(), line();
    set(SANE_IN | IUTF8, SANE_OUT, SANE_LOCAL, 1, 0);
    type("\303\244\303\266\177\r");
    screen(), line();
    type("w\303\244 \303\266\027\r");
    screen(), line();
    set(0, SANE_OUT, SANE_LOCAL, 1, 0);
    type("a\rb\n");
    screen(), line();
    set(IGNCR | INLCR, SANE_OUT, SANE_LOCAL, 1, 0);
    type("a\rb\nc\004");
    screen(), line();
    set(ISTRIP | ICRNL, SANE_OUT, SANE_LOCAL, 1, 0);
    type("\341\r");
    screen(), line();
    set(IUCLC | ICRNL, SANE_OUT, SANE_LOCAL, 1, 0);
    type("AbC\r");
    screen(), line();
    struct termios t;
    sane();
    tcgetattr(slave, &t);
    t.c_cc[VEOL] = ';';
    t.c_cc[VEOL2] = ':';
    tcsetattr(slave, TCSADRAIN, &t);
    type("a;b:c\n");
    screen(), line(), line(), line();
    t.c_cc[VEOL] = t.c_cc[VEOL2] = 0;
    tcsetattr(slave, TCSAFLUSH, &t);
}

static void output(void) {
    struct { unsigned flags; const char *text; } rows[] = {
        {OPOST | ONLCR, "a\nb\tc\rd"}, {OPOST, "a\nb"}, {0, "a\nb\t"}, {OPOST | OCRNL, "a\rb"},
        {OPOST | ONOCR, "\rab\r\rc"}, {OPOST | ONLRET, "ab\n\tc"}, {OPOST | XTABS, "ab\tc\n\td\b\te"}, {OPOST | OLCUC, "Abc"},
        {OPOST | ONLCR | XTABS, "\303\244\tx"},
    };
    for (int i = 0; i < sizeof rows / sizeof *rows; i++) {
        set(SANE_IN, rows[i].flags, SANE_LOCAL, 1, 0);
        SAY(write(slave, "\r\n", 2));
        screen();
        SAY(write(slave, rows[i].text, strlen(rows[i].text)));
        screen();
    }
    sane();
}

static void raw(void) {
    set(0, 0, 0, 1, 0);
    type("\003\004a\r\177");
    screen(), line(), line();
    set(0, 0, 0, 3, 0);
    struct pollfd p = {slave, POLLIN | POLLOUT};
    type("ab");
    SAY(poll(&p, 1, 0));
    printf("%x\n", p.revents);
    type("c");
    SAY(poll(&p, 1, 0));
    printf("%x\n", p.revents);
    line();
    set(0, 0, 0, 0, 0);
    line();
    type("z");
    line();
    fcntl(slave, F_SETFL, 0);
    set(0, 0, 0, 0, 1);
    line();
    type("y");
    line();
    set(0, 0, 0, 5, 1);
    type("part");
    line();
    type("whole");
    line();
    fcntl(slave, F_SETFL, O_NONBLOCK);
    type("left");
    sane();
    line();
    type("half");
    set(0, 0, 0, 1, 0);
    line();
    screen();
    char many[30000];
    memset(many, 'm', sizeof many);
    long wrote = write(slave, many, sizeof many);
    printf("wrote some %d, not all %d\n", wrote > 4000, wrote < 30000);
    long total = 0, n;
    while ((n = read(master, many, sizeof many)) > 0) total += n;
    printf("all read %d\n", total == wrote);
    sane();
}

static void flow(void) {
    type("\023");
    SAY(write(slave, "held", 4));
    struct pollfd p = {slave, POLLOUT};
    screen();
    type("\021");
    SAY(write(slave, "sent", 4));
    screen();
    SAY(tcflow(slave, TCOOFF));
    SAY(write(slave, "held", 4));
    SAY(tcflow(slave, TCOON));
    SAY(write(slave, "sent", 4));
    screen();
    SAY(tcflow(slave, TCIOFF));
    screen();
    SAY(tcflow(slave, TCION));
    screen();
    SAY(tcflow(slave, 9));
    SAY(tcdrain(slave));
    SAY(tcsendbreak(slave, 0));
    set(SANE_IN | IXANY, SANE_OUT, SANE_LOCAL, 1, 0);
    type("\023");
    SAY(write(slave, "held", 4));
    type("k");
    SAY(write(slave, "sent", 4));
    screen();
    type("\n");
    line(), screen();
    int on = 1;
    SAY(ioctl(master, TIOCPKT, &on));
    SAY(ioctl(master, TIOCGPKT, &on));
    write(slave, "data", 4);
    screen();
    type("\023");
    screen();
    type("\021");
    screen();
    SAY(tcflush(slave, TCOFLUSH));
    screen();
    on = 0;
    SAY(ioctl(master, TIOCPKT, &on));
    sane();
}

static void got(int signal) {
    char text[] = "got 00\n";
    text[4] += signal / 10, text[5] += signal % 10;
    write(1, text, 7);
}

// In a session of its own: the controlling terminal.
static void session(void) {
    struct sigaction action = {.sa_handler = got, .sa_flags = SA_RESTART};
    int fd, n = -1;
    SAY(open("/dev/tty", O_RDWR));
    SAY(ioctl(slave, TIOCGSID, &n));
    SAY(tcgetpgrp(slave));
    SAY(ioctl(slave, TIOCNOTTY, 0));
    SAY(ioctl(slave, TIOCSCTTY, 0));
    SAY(setsid() == getpid());
    SAY(ioctl(slave, TIOCSCTTY, 0));
    SAY(ioctl(slave, TIOCSCTTY, 0));
    SAY(tcgetpgrp(slave) == getpid());
    SAY(tcgetsid(slave) == getpid());
    SAY(tcgetpgrp(master) == getpid());
    fd = SAY(open("/dev/tty", O_RDWR) >= 0);
    fflush(stdout);
    for (int i = 1; i < 32; i++) if (i != SIGCHLD && i != SIGCONT) sigaction(i, &action, 0);
    type("x\003y\032\034z\r");
    screen(), line();
    set(SANE_IN, SANE_OUT, SANE_LOCAL | NOFLSH, 1, 0);
    type("x\003y\r");
    screen(), line();
    struct winsize size = {50, 60};
    SAY(ioctl(master, TIOCSWINSZ, &size));
    SAY(ioctl(master, TIOCSWINSZ, &size));
    SAY(ioctl(master, TIOCSIG, SIGUSR1));
    SAY(ioctl(master, TIOCSIG, SIGQUIT));
    SAY(ioctl(master, TIOCSIG, 0));
    SAY(tcsetpgrp(slave, 99999));
    SAY(tcsetpgrp(slave, -1));
    SAY(tcsetpgrp(slave, getppid()));
    SAY(ioctl(slave, TIOCSTI, "q"));
    SAY(ioctl(slave, TIOCSTI, "\r"));
    line(), screen();
    SAY(setsid());
    sane();
}

// What a child in the background gets.
static void background(void) {
    int status;
    fcntl(slave, F_SETFL, 0);
    pid_t child = CHILD({
        setpgid(0, 0);
        char c;
        signal(SIGTTIN, SIG_DFL);
        long n = read(slave, &c, 1);
        printf("then read %ld %c\n", n, c);
    });
    setpgid(child, child);
    SAY(waitpid(child, &status, WUNTRACED) == child);
    printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    SAY(tcsetpgrp(slave, child));
    SAY(tcgetpgrp(slave) == child);
    type("go\n");
    // Who says something first, is open.
    kill(child, SIGCONT);
    ended(child);
    signal(SIGTTOU, SIG_IGN);
    SAY(tcsetpgrp(slave, getpid()));
    signal(SIGTTOU, SIG_DFL);
    line();
    child = CHILD({
        setpgid(0, 0);
        signal(SIGTTIN, SIG_IGN);
        char c;
        SAY(read(slave, &c, 1));
        SAY(write(slave, "w", 1));
        signal(SIGTTOU, SIG_IGN);
        SAY(tcsetpgrp(slave, getpgrp()));
        SAY(tcsetpgrp(slave, getppid()));
        signal(SIGTTOU, SIG_DFL);
        fflush(stdout);
        tcsetpgrp(slave, getpgrp());
        printf("went on\n");
    });
    waitpid(child, &status, WUNTRACED);
    printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    kill(child, SIGKILL);
    ended(child);
    set(SANE_IN, SANE_OUT, SANE_LOCAL | TOSTOP, 1, 0);
    child = CHILD({
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        write(slave, "late", 4);
    });
    waitpid(child, &status, WUNTRACED);
    printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    sane();
    kill(child, SIGCONT);
    ended(child);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    screen();
    // ^C reaches the foreground alone.
    int gate[2];
    pipe(gate);
    child = CHILD({
        setpgid(0, 0);
        signal(SIGINT, SIG_DFL);
        write(gate[1], "g", 1);
        pause();
    });
    char c;
    read(gate[0], &c, 1);
    tcsetpgrp(slave, child);
    type("\003");
    ended(child);
    signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(slave, getpid());
    screen();
}

static void in_session(void) {
    session();
    background();
    // Of what the master leaves behind.
    struct pollfd p = {slave, POLLIN | POLLOUT};
    char c;
    SAY(close(master));
    SAY(read(slave, &c, 1));
    SAY(write(slave, &c, 1));
    SAY(tcgetpgrp(slave));
    struct termios t;
    SAY(tcgetattr(slave, &t));
    SAY(poll(&p, 1, 0));
    printf("%x\n", p.revents);
    SAY(open("/dev/tty", O_RDWR));
    SAY(open(name, O_RDWR | O_NOCTTY));
}

static void closing(void) {
    struct pollfd p = {master, POLLIN | POLLOUT};
    write(slave, "last", 4);
    close(slave);
    for (int fd = 3; fd < 20; fd++) if (fd != master) close(fd);
    SAY(poll(&p, 1, 0));
    printf("%x\n", p.revents);
    screen();
    screen();
    slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
    screen();
    type("again\n");
    line(), screen();
}

// A session whose leader ends.
static void leaving(void) {
    int report[2];
    pipe(report);
    int m, s;
    SAY(openpty(&m, &s, 0, 0, 0));
    pid_t leader = CHILD({
        setsid();
        ioctl(s, TIOCSCTTY, 0);
        int status;
        if (fork() == 0) {
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGHUP);
            sigprocmask(SIG_BLOCK, &set, 0);
            char c = 'r';
            int signal;
            write(report[1], &c, 1);
            sigwait(&set, &signal);
            c = 'h';
            write(report[1], &c, 1);
            _exit(0);
        }
        char c;
        read(report[0], &c, 1);
    });
    ended(leader);
    char c;
    SAY(read(report[0], &c, 1));
    printf("%c\n", c);
    leader = CHILD({
        setsid();
        ioctl(s, TIOCSCTTY, 0);
        signal(SIGHUP, SIG_DFL);
        close(m);
        write(report[1], "x", 1);
        pause();
    });
    close(s);
    read(report[0], &c, 1);
    close(m);
    ended(leader);
}

int main(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    making();
    sizes();
    editing();
    echoing();
    output();
    raw();
    flow();
    closing();
    pid_t child = CHILD(in_session());
    close(master);
    ended(child);
    leaving();
    return 0;
}
