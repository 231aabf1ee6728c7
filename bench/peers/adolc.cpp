// ADOL-C, which records scalars on a tape: see bench/tape.c. Recording is part of an iteration, as it is for Ebb.
#include "serve.hpp"

#include <adolc/adolc.h>
#include <cmath>

static Work tape() {
    constexpr int INPUTS = 1000, SWEEPS = 100;
    std::vector<double> x(INPUTS), gradient_(INPUTS);
    for (int i = 0; i < INPUTS; i++) x[i] = 0.5 + 0.001 * i;
    auto once = [x, gradient_]() mutable {
        double result;
        trace_on(1);
        {
            std::vector<adouble> xs(INPUTS);
            for (int i = 0; i < INPUTS; i++) xs[i] <<= x[i];
            adouble y = 0.1;
            for (int sweep = 0; sweep < SWEEPS; sweep++)
                for (int i = 0; i < INPUTS; i++) y = 0.5 * y + sin(xs[i] * y) + xs[i] / (1 + y * y);
            y >>= result;
        }
        trace_off();
        gradient(1, INPUTS, x.data(), gradient_.data());
        double squares = 0;
        for (double g : gradient_) squares += g * g;
        return std::vector<double>{result, std::sqrt(squares)};
    };
    return work([once]() mutable { once(); }, once());
}

int main() {
    return serve("ADOL-C " ADOLC_VERSION_TEXT, [](const std::vector<std::string> &word) -> Work {
        if (word[0] == "tape" && word.size() > 1 && word[1] == "gradient") return tape();
        return {};
    });
}
