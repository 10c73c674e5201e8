#pragma once
#include <stdexcept>
#include <string>

/// Defined here, so that its type information exists in both files and the runtime must match them.
struct Odd : std::runtime_error {
    int number;
    explicit Odd(int number);
    ~Odd() override;
};

/// Prints when it goes.
struct Noisy {
    std::string name;
    ~Noisy();
};

/// Throws Odd from `depth` frames deep if `number` is odd.
int only_even(int number, int depth);

/// Calls back; an exception of the callback's goes through this library's frames.
int call_back(int (*function)(int), int argument);
