// C++ exceptions within one file: thrown deep, through destructors, rethrown, out of a constructor, nested, by type.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

struct Guard {
    const char *name;
    ~Guard() { std::printf("~%s\n", name); }
};

struct Base { virtual ~Base() = default; };
struct Derived : Base { int value = 5; };
struct Throws { Guard guard{"member"}; Throws() { throw Derived(); } };

__attribute__((noinline)) static long deep(int n, int kind) {
    std::string text(n % 50, 'x');
    if (n == 0) {
        switch (kind) {
            case 0: throw 42;
            case 1: throw std::runtime_error("deep");
            case 2: throw Derived();
            case 3: throw 2.5;
        }
        return 0;
    }
    return deep(n - 1, kind) + text.size();
}

static void nested() {
    try {
        deep(10, 1);
    } catch (...) {
        std::throw_with_nested(std::logic_error("outer"));
    }
}

static void quiet() noexcept { deep(3, 0); }

int main(int argc, char **) {
    for (int kind = 0; kind < 5; kind++) {
        try {
            Guard guard{"main"};
            std::printf("%ld\n", deep(1000, kind));
        } catch (int value) {
            std::printf("int %d\n", value);
        } catch (const std::exception &error) {
            std::printf("exception %s\n", error.what());
        } catch (const Base &base) {
            std::printf("base %d\n", dynamic_cast<const Derived &>(base).value);
        } catch (...) {
            std::printf("other\n");
        }
    }
    try { Throws throws; } catch (const Derived &derived) { std::printf("constructor %d\n", derived.value); }
    try {
        nested();
    } catch (const std::exception &error) {
        std::printf("%s", error.what());
        try { std::rethrow_if_nested(error); } catch (const std::exception &inner) { std::printf(" around %s\n", inner.what()); }
    }
    int count = 0;
    for (int i = 0; i < 5000; i++) try { deep(5, i % 4); } catch (...) { count++; }
    std::printf("%d\n", count);
    std::set_terminate([] { std::puts("terminate"); std::fflush(stdout); std::abort(); });
    if (argc > 1) quiet();
    return 3;
}
