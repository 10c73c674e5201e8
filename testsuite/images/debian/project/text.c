#include "project.h"

const char *text(void) {
    return "made in the container";
}
