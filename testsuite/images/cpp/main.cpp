// C++ at work: exceptions through a shared library, destructors, dynamic_cast, streams, containers, iostream formatting.
#include "thrower.hpp"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <sstream>
#include <vector>

static int callback(int argument) {
    Noisy noisy{"callback"};
    switch (argument) {
        case 0: throw std::logic_error("from the program");
        case 1: throw Odd(77);
        case 2: throw 42;
        case 3: throw "text";
    }
    return argument;
}

static void exceptions() {
    for (int number = 0; number < 4; number++) {
        try {
            Noisy noisy{"frame " + std::to_string(number)};
            std::cout << only_even(number, 50) << " is even\n";
        } catch (const Odd &odd) {
            std::cout << odd.what() << " " << odd.number << "\n";
        }
    }
    for (int argument = 0; argument < 5; argument++) {
        try {
            std::cout << "result " << call_back(callback, argument) << "\n";
        } catch (const std::exception &error) {
            std::cout << "exception " << error.what() << "\n";
        } catch (int number) {
            std::cout << "int " << number << "\n";
        } catch (...) {
            std::cout << "something " << (std::current_exception() ? "current" : "none") << "\n";
        }
    }
    int caught = 0;
    for (int i = 0; i < 20000; i++) {
        try {
            only_even(i, 3);
        } catch (const Odd &) {
            caught++;
        }
    }
    std::cout << "caught " << caught << "\n";
    try {
        std::vector<int>(3).at(9);
    } catch (const std::out_of_range &error) {
        std::cout << error.what() << "\n";
    }
}

struct Base { virtual ~Base() = default; virtual std::string name() const { return "base"; } };
struct Left : virtual Base { std::string name() const override { return "left"; } };
struct Right : virtual Base {};
struct Both : Left, Right { std::string name() const override { return "both"; } };

static void library() {
    std::unique_ptr<Base> base = std::make_unique<Both>();
    std::cout << base->name() << " " << (dynamic_cast<Right *>(base.get()) != nullptr) << " " << typeid(*base).name() << "\n";
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), -500);
    std::sort(numbers.begin(), numbers.end(), [](int a, int b) { return a * 7919 % 1009 < b * 7919 % 1009; });
    std::cout << std::accumulate(numbers.begin(), numbers.begin() + 100, 0) << "\n";
    std::cout << std::setprecision(17) << 0.1 << " " << std::hexfloat << M_PI << std::defaultfloat << " " << std::setw(12)
              << std::setfill('*') << 1e100 << " " << 1.0L / 3.0L << "\n";
    std::map<std::string, int> words;
    std::istringstream text("the quick brown fox jumps over the lazy dog the end");
    for (std::string word; text >> word;) words[word]++;
    for (const auto &[word, count] : words) std::cout << word << "=" << count << " ";
    std::cout << "\n" << std::regex_replace(std::string("2024-01-31"), std::regex("(\\d+)-(\\d+)-(\\d+)"), "$3.$2.$1") << "\n";
    std::function<long(long)> collatz = [&](long n) { return n == 1 ? 0 : 1 + collatz(n % 2 ? 3 * n + 1 : n / 2); };
    std::cout << collatz(27) << "\n";
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (!std::strcmp(argv[i], "exceptions")) exceptions();
        else if (!std::strcmp(argv[i], "library")) library();
        else if (!std::strcmp(argv[i], "uncaught")) only_even(1, 2);
        else return 2;
    }
}
