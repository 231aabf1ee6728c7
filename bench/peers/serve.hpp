// One side of the benchmark in C++: requests one a line, answers one a line, as in serve.py.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>
#if defined(__linux__)
#include <csignal>
#include <sys/prctl.h>
#endif

// A case that is set up: one iteration, which gives its figure in seconds, and results to compare.
struct Work {
    std::function<double()> timed;
    std::vector<double> results;
};

inline double wall() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// On the wall, or of this process's work: see --cpu.
inline double now() {
    static const char *clock = std::getenv("EBB_BENCH_CLOCK");
    if (!clock || std::string(clock) != "cpu") return wall();
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

inline Work work(std::function<void()> once, std::vector<double> results) {
    return {[once] {
                const double start = now();
                once();
                return now() - start;
            },
            results};
}

inline std::vector<std::string> split(const std::string &text) {
    std::vector<std::string> words;
    std::stringstream in(text);
    for (std::string word; std::getline(in, word, '/');) words.push_back(word);
    return words;
}

inline long long peak() {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.rfind("VmHWM:", 0) == 0) return 1024 * std::stoll(line.substr(6));
    return 0;
}

// setup gives a Work without `timed` for a case that this side does not have.
inline int serve(const std::string &version, std::function<Work(const std::vector<std::string> &)> setup) {
#if defined(__linux__)
    prctl(PR_SET_PDEATHSIG, SIGKILL); // stopped, it would not see the end of the requests
#endif
    Work current;
    for (std::string line; std::getline(std::cin, line);) {
        const std::string word = line.substr(0, line.find(' ')), rest = line.size() > word.size() ? line.substr(word.size() + 1) : "";
        std::ostringstream answer;
        answer.precision(17);
        try {
            if (word == "version") {
                answer << "ok " << version;
            } else if (word == "setup") {
                std::ofstream("/proc/self/clear_refs") << "5";
                current = setup(split(rest));
                answer << (current.timed ? "ok" : "none");
                if (current.timed)
                    for (double v : current.results) answer << ' ' << v;
            } else if (word == "run") {
                const long rounds = std::stol(rest);
                const double start = wall();
                double figure = 0;
                for (long i = 0; i < rounds; i++) figure += current.timed();
                answer << "ok " << figure / static_cast<double>(rounds) << ' ' << wall() - start;
            } else if (word == "peak") {
                answer << "ok " << peak();
            } else {
                current = {};
                answer << "ok";
            }
        } catch (const std::exception &e) {
            std::string text = e.what();
            answer.str("error " + text.substr(0, text.find('\n')));
        }
        std::cout << answer.str() << std::endl;
    }
    return 0;
}
