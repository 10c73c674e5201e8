#include <stdio.h>
#include "project.h"

int main(int argc, char **argv) {
    printf("%s: %d\n", text(), add(argc, 41));
    return 7;
}
