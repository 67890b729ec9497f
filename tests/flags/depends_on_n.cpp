// Returns 0 if a particle's result does not depend on how many there are: guidance, a chain and values of 100
// particles against the first 100 of 1,000.
#include <cmath>
#include <cstdio>
#include <vector>

#include <diamond/align/chain.hpp>
#include <diamond/align/guidance.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/posterior_value.hpp>

using namespace diamond;

namespace {
struct bowl {
    template <class Column>
    double operator()(const Column& z) const {
        return -0.5 * (square(z[0] - 2) + square(z[1] - 1));
    }
};

template <class Real>
std::size_t differing() {
    constexpr index_t d = 64, parts = 700;
    const eigen::context context{.threads = 2};
    std::vector<double> means(d * parts);
    for (std::size_t i = 0; i < means.size(); ++i)
        means[i] = std::sin(0.37 * static_cast<double>(i * i % 10007));
    const gaussian_mixture<eigen::batch<Real>, linear_schedule> model{
        context, {}, std::vector<double>(parts, 1.0), means, std::vector<double>(parts, 0.05)};
    const exact_posterior draws{model};
    const auto run = [&](index_t n) {
        std::vector<std::vector<double>> all;
        const auto keep = [&](const auto& numbers) {
            all.emplace_back(numbers.begin(),
                             numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size()) / n * 100);
        };
        keep(to_host(guidance{model,
                              posterior_value{draws, bowl{}, posterior_value_options{.samples = 4}},
                              {.particles = n, .steps = 3}}(context, philox{3})
                         .particles));
        const auto walked = chain{ddpm_posterior_kernel{draws}, {.particles = n, .steps = 3}}(context,
                                                                                              philox{4});
        keep(to_host(walked.particles));
        posterior_value value{draws, bowl{}, posterior_value_options{.samples = 4}};
        eigen::batch<double> values(context, 1, n);
        value(walked.particles.read(), 0.7, no_condition{}, philox{5}.stream(purpose::value),
              {.value = row(values)});
        keep(to_host(values));
        return all;
    };
    const auto few = run(100), many = run(1000);
    std::size_t count = 0;
    for (std::size_t k = 0; k < few.size(); ++k)
        for (std::size_t i = 0; i < few[k].size(); ++i) count += few[k][i] != many[k][i];
    return count;
}
} // namespace

int main() {
    const std::size_t of_float = differing<float>(), of_double = differing<double>();
    std::printf("%zu and %zu numbers differ\n", of_float, of_double);
    return of_float + of_double > 0;
}
