// A Diamond map of your own, X_{s,r}(xbar | x_t, t): sequential Monte Carlo moves and looks ahead by it. The
// data are N(m, v I), whose posteriors are Gaussian, so that the map has a closed form and log Z an exact
// answer. A network of the mean velocity makes one by network_diamond_map.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;
constexpr double mean = 0.7, variance = 0.25;

// [map]
/// One coordinate of X_{s,r}(xbar | x_t, t) for the posterior N(m_t, v_t), both schedules linear.
DIAMOND_HD inline double moved(double xbar, double x_t, double t, double s, double r) {
    const double noised = t * t * variance + (1 - t) * (1 - t);
    const double m_t = mean + t * variance / noised * (x_t - t * mean);
    const double v_t = variance * (1 - t) * (1 - t) / noised;
    const double before = s * s * v_t + (1 - s) * (1 - s), after = r * r * v_t + (1 - r) * (1 - r);
    // At t = 1 the posterior is the point x_t, and at s = 1 the map has already arrived.
    return r * m_t + (before > 0 ? std::sqrt(after / before) : 1.0) * (xbar - s * m_t);
}

class gaussian_posterior_map {
public:
    using batch_type = batch;
    using view = diamond::view_t<batch>;
    using const_view = diamond::const_view_t<batch>;

    [[nodiscard]] diamond::index_t dimension() const { return 2; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::linear_schedule inner_schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return {.forward = columns_}; }

    /// t is one time or one a column; `elementwise` takes it as it is.
    void operator()(const_view xbar, diamond::interval inner, const_view x_t, diamond::time_view t,
                    diamond::no_condition, view out) {
        columns_ += xbar.columns();
        diamond::assign(out, diamond::elementwise<moved>(xbar, x_t, t, inner.from, inner.to));
    }

private:
    std::int64_t columns_ = 0;
};
// [/map]

int run() {
    const diamond::eigen::context context{.threads = 2};

    // [program]
    const gaussian_posterior_map map;
    const diamond::linear_reward reward{context, std::vector<float>{2.0f, 1.0f}};
    diamond::smc sampler{
        diamond::early_stop_kernel{map},
        diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}},
        {.particles = 4096, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // [/program]

    const double exact = 3.0 * mean + 0.5 * 5.0 * variance;
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, exact);
    return std::fabs(result.log_z - exact) < 0.1 ? 0 : 1;
}

int main() { return examples::run_main("own_diamond_map", run); }
