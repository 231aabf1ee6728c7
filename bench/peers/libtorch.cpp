// PyTorch without Python: chains of small operations, the small perceptrons, the tape of scalars.
#include "serve.hpp"

#include <cstdlib>
#include <torch/torch.h>

static uint32_t mixed(uint32_t x) { // as in bench/support.c
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ x >> 16;
}

static uint32_t hash(const std::string &name) {
    uint32_t h = 2166136261u;
    for (char c : name) h = (h ^ static_cast<uint8_t>(c)) * 16777619u;
    return h;
}

static torch::Tensor uniform(const std::string &name, std::vector<int64_t> shape, double scale) {
    auto t = torch::empty(shape);
    float *v = t.data_ptr<float>();
    for (int64_t i = 0; i < t.numel(); i++)
        v[i] = static_cast<float>((static_cast<double>(mixed(static_cast<uint32_t>(i) + hash(name)) >> 8) * 0x1p-23 - 1) * scale);
    return t;
}

static torch::Tensor indices(const std::string &name, int64_t bound, int64_t n) {
    auto t = torch::empty({n}, torch::kInt64);
    for (int64_t i = 0; i < n; i++) t.data_ptr<int64_t>()[i] = mixed(static_cast<uint32_t>(i) + hash(name)) % bound;
    return t;
}

static Work chain(const std::string &op, const std::string &size, const std::string &part) {
    constexpr int CHAIN = 2000;
    const std::vector<int64_t> shape = size == "1024" ? std::vector<int64_t>{1024} : std::vector<int64_t>{};
    auto x = torch::full(shape, 1.0, torch::requires_grad()), k = torch::full(shape, 0.999), ones = torch::ones(shape);
    auto timed = [=]() mutable {
        double start = now();
        auto y = x;
        for (int i = 0; i < CHAIN; i++) y = op == "mul" ? y * k : y + k;
        const double forward = now() - start;
        start = now();
        y.backward(ones, true);
        const double backward = now() - start;
        start = now();
        y = torch::Tensor();
        const double freeing = now() - start;
        x.mutable_grad() = torch::Tensor();
        return (part == "forward" ? forward : part == "backward" ? backward : freeing) / CHAIN;
    };
    auto y = x;
    for (int i = 0; i < CHAIN; i++) y = op == "mul" ? y * k : y + k;
    auto g = torch::autograd::grad({y}, {x}, {ones})[0].to(torch::kFloat64).reshape(-1);
    double signs = 0;
    for (int64_t i = 0; i < g.numel(); i++) signs += (mixed(static_cast<uint32_t>(i)) & 1 ? 1 : -1) * g[i].item<double>();
    return {timed, {g.norm().item<double>(), signs}};
}

static Work mlp(int64_t batch, std::vector<int64_t> widths, bool classify) {
    std::vector<torch::Tensor> parameters;
    for (size_t i = 1; i < widths.size(); i++) {
        const std::string name = "fc" + std::to_string(i);
        const double scale = 1 / std::sqrt(static_cast<double>(widths[i - 1]));
        parameters.push_back(uniform(name + ".weight", {widths[i], widths[i - 1]}, scale).requires_grad_());
        parameters.push_back(uniform(name + ".bias", {widths[i]}, scale).requires_grad_());
    }
    auto x = uniform("x", {batch, widths[0]}, 1), target = classify ? indices("target", 10, batch) : uniform("target", {batch, 1}, 1);
    auto optim = std::make_shared<torch::optim::SGD>(parameters, torch::optim::SGDOptions(0.01));
    auto loss = [=] {
        auto h = x;
        for (size_t i = 0; i < parameters.size(); i += 2) {
            h = torch::linear(h, parameters[i], parameters[i + 1]);
            if (i + 2 < parameters.size()) h = torch::relu(h);
        }
        return classify ? torch::nn::functional::cross_entropy(h, target) : torch::mse_loss(h, target);
    };
    std::vector<double> results;
    for (int i = 0; i < 3; i++) {
        auto l = loss();
        l.backward();
        double squares = 0;
        for (auto &p : parameters) squares += p.grad().to(torch::kFloat64).square().sum().item<double>();
        results.push_back(l.item<double>());
        results.push_back(std::sqrt(squares));
        optim->step();
        optim->zero_grad();
    }
    return work([=] {
        loss().backward();
        optim->step();
        optim->zero_grad();
    }, results);
}

static Work tape(bool with_gradient) {
    auto x = (torch::arange(1000, torch::kFloat64) * 0.001 + 0.5).requires_grad_();
    auto function = [=] {
        auto xs = x.unbind();
        auto y = torch::tensor(0.1, torch::kFloat64);
        for (int sweep = 0; sweep < 100; sweep++)
            for (auto &xi : xs) y = 0.5 * y + torch::sin(xi * y) + xi / (1 + y * y);
        return y;
    };
    auto gradient = [=] {
        auto y = function();
        return std::make_pair(y, torch::autograd::grad({y}, {x})[0]);
    };
    auto [y, dx] = gradient();
    const std::vector<double> results{y.item<double>(), dx.norm().item<double>()};
    if (with_gradient) return work([=] { gradient(); }, results);
    return work([=] {
        torch::NoGradGuard guard;
        function();
    }, results);
}

static Work startup(const std::string &self) {
    return {[self] {
                const double start = wall();
                if (std::system((self + " hello > /dev/null").c_str())) throw std::runtime_error("cannot start itself");
                return wall() - start;
            },
            {}};
}

int main(int argc, char **argv) {
    if (argc > 1 && std::string(argv[1]) == "hello") {
        auto w = torch::full({}, 2.0, torch::requires_grad());
        (w * w).backward();
        std::cout << w.grad().item<float>() << "\n";
        return 0;
    }
    if (argc > 2) at::set_num_threads(std::atoi(argv[2]));
    const std::string self = argv[0];
    return serve("libtorch " TORCH_VERSION, [self](const std::vector<std::string> &word) -> Work {
        const std::string name = word.size() > 1 ? word[1] : "";
        if (word[0] == "chain") return chain(word[1], word[2], word[3]);
        if (word[0] == "tape") return tape(name == "gradient");
        if (word[0] == "startup") return startup(self);
        if (word[0] != "train") return {};
        if (name == "mlp-32x16-32-32-1") return mlp(32, {16, 32, 32, 1}, false);
        if (name == "mlp-64x784-128-10") return mlp(64, {784, 128, 10}, true);
        return {};
    });
}
