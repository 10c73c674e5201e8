// Landing pads: a handler and a cleanup.
#include <stdexcept>

struct Guard {
    int *count;
    ~Guard() { ++*count; }
};

__attribute__((noinline)) void thrower(int x)
{
    if (x > 1) throw std::runtime_error("x");
}

__attribute__((noinline)) int catcher(int x)
{
    int count = 0;
    try {
        Guard guard{&count};
        thrower(x);
    } catch (const std::exception &) {
        return count + 40;
    }
    return count;
}

int main(int argc, char **) { return catcher(argc); }
