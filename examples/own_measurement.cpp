// A measurement of your own, the mean of a sample's coordinates, and the reward of having seen it: the run
// draws the posterior of the data given what was seen. The data are N(m, v I), so that log Z has an exact
// answer.
#include <cmath>
#include <cstdio>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;
using view = diamond::view_t<batch>;
using const_view = diamond::const_view_t<batch>;
using diamond::index_t;

// [measurement]
/// Writes the mean of column j of z.
struct mean_of_column {
    const_view z;
    view out;
    DIAMOND_HD void operator()(index_t j) const {
        double sum = 0.0;
        for (index_t i = 0; i < z.rows(); ++i) sum += static_cast<double>(z(i, j));
        out(0, j) = static_cast<float>(sum / static_cast<double>(z.rows()));
    }
};

class mean_of_coordinates {
public:
    using batch_type = batch;
    explicit mean_of_coordinates(index_t dimension) : dimension_(dimension) {}
    [[nodiscard]] index_t dimension() const { return dimension_; }
    [[nodiscard]] index_t outputs() const { return 1; }

    /// A(z): z is d x n, out 1 x n.
    void operator()(const_view z, view out) const {
        z.context().for_each(z.columns(), mean_of_column{.z = z, .out = out});
    }
    /// (dA/dz)^T cotangent, from 1 x n to d x n: rewards on it then have a gradient.
    void vjp(const_view, const_view cotangent, view out) const {
        diamond::assign(out, diamond::row_of(cotangent, 0) / static_cast<double>(dimension_));
    }

private:
    index_t dimension_;
};
// [/measurement]

int run() {
    constexpr index_t d = 2;
    constexpr double mean = 0.7, variance = 0.25, seen = 1.2, deviation = 0.2;
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian<batch, diamond::linear_schedule> model{
        context, {}, {mean, mean}, {variance, 0, 0, variance}};

    // [program]
    diamond::gaussian_measurement_reward reward{context, mean_of_coordinates{d},
                                                std::vector<float>{static_cast<float>(seen)}, deviation};
    const diamond::gaussian_diamond_map map{model};
    diamond::smc sampler{
        diamond::early_stop_kernel{map},
        diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}},
        {.particles = 4096, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // [/program]
    // The mean of d coordinates is N(m, v/d), and r the logarithm of a Gaussian without its constant.
    const double spread = variance / d, both = spread + deviation * deviation;
    const double exact = std::log(deviation / std::sqrt(both)) - 0.5 * (seen - mean) * (seen - mean) / both;
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, exact);
    const batch zero = diamond::from_host<float>(context, d, 1, std::vector<float>(d));
    batch gradient(context, d, 1);
    reward.gradient(zero.read(), gradient.mutable_view());
    const double slope = seen / (deviation * deviation) / d;
    std::printf("dr/dz at 0 is %.3f, exactly %.3f\n", static_cast<double>(gradient.data()[0]), slope);
    return std::fabs(result.log_z - exact) < 0.1 && std::fabs(gradient.data()[0] - slope) < 1e-3 ? 0 : 1;
}

int main() { return examples::run_main("own_measurement", run); }
