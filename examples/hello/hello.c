/* The image that ships with hoist: shows that files, arguments, environment and arithmetic are the guest's own. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;

static int answer(void) {
    FILE *file = fopen("/etc/motd", "r");
    char line[80];
    if (!file) {
        perror("/etc/motd");
        return 1;
    }
    while (fgets(line, sizeof line, file)) fputs(line, stdout);
    fclose(file);
    return 0;
}

int main(int argc, char **argv) {
    struct utsname name;
    if (answer()) return 1;
    uname(&name);
    printf("%s %s, process %d\n", name.sysname, name.machine, (int)getpid());
    for (int i = 1; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
    for (char **e = environ; *e; e++) printf("environment: %s\n", *e);
    double sum = 0;
    for (int i = 1; i <= 1000000; i++) sum += 1.0 / ((double)i * i);
    printf("sum of 1/n^2: %.15f\n", sum);
    return argc > 1 ? atoi(argv[argc - 1]) : 0;
}
