#include "thrower.hpp"
#include <iostream>

Odd::Odd(int number) : std::runtime_error("odd: " + std::to_string(number)), number(number) {}
Odd::~Odd() = default;
Noisy::~Noisy() { std::cout << "~" << name << "\n"; }

__attribute__((noinline)) int only_even(int number, int depth) {
    if (depth == 0) {
        if (number % 2) throw Odd(number);
        return number;
    }
    std::string grows(depth, 'x');
    return only_even(number, depth - 1) + (grows.size() == static_cast<size_t>(depth) ? 0 : 1);
}

int call_back(int (*function)(int), int argument) {
    Noisy noisy{"library"};
    try {
        return function(argument);
    } catch (const std::logic_error &error) {
        std::cout << "rethrown: " << error.what() << "\n";
        throw;
    }
}
