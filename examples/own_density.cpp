// A marginal density of your own corrects a Diamond map that learned something else: draws by the map get
// importance weights, and sequential Monte Carlo that carries them is exact for the density. The map stands
// for a network; it is that of N(1, 0.5 I), and the density is that of N(0.7, 0.25 I).
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <numbers>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<double>;
using diamond::index_t;
constexpr double mean = 0.7, variance = 0.25;

// [density]
/// One coordinate's share of log p_t(x).
DIAMOND_HD inline double log_normal(double x, double t) {
    const double spread = t * t * variance + (1 - t) * (1 - t);
    return -0.5 * (diamond::square(x - t * mean) / spread + std::log(2 * std::numbers::pi * spread));
}

class normal_density {
public:
    using batch_type = batch;

    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return {.forward = columns_}; }
    [[nodiscard]] bool exact() const { return true; } // it is the density of the model that is meant

    void operator()(diamond::const_view_t<batch> x, double t, diamond::no_condition,
                    diamond::row_t<batch> out) {
        columns_ += x.columns();
        diamond::assign(out, diamond::column_sums(diamond::elementwise<log_normal>(x, t)));
    }

private:
    std::int64_t columns_ = 0;
};
// [/density]

int run() {
    const diamond::eigen::context context{.threads = 2};
    const diamond::gaussian<batch, diamond::linear_schedule> other{
        context, {}, {1.0, 1.0}, {0.5, 0.0, 0.0, 0.5}};

    // [program]
    const diamond::gaussian_diamond_map map{other}; // it has a divergence, so that its draws know their
                                                    // density
    const diamond::linear_reward reward{context, std::vector<double>{2.0, 1.0}};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}};
    diamond::smc as_learned{diamond::early_stop_kernel{map}, value, {.particles = 2048, .steps = 8}};
    diamond::smc corrected{diamond::corrected_kernel{diamond::early_stop_kernel{map}, normal_density{}},
                           value,
                           {.particles = 2048, .steps = 8}};
    const auto before = as_learned(context, diamond::philox{42});
    const auto after = corrected(context, diamond::philox{42});
    // [/program]

    const double exact = 3.0 * mean + 0.5 * 5.0 * variance;
    std::printf("log Z by the map alone %.3f\n", before.log_z);
    std::printf("log Z corrected %.3f +- %.3f, exactly %.3f\n", after.log_z, after.log_z_standard_error,
                exact);
    for (const auto& warning : after.warnings) std::printf("warning: %s\n", warning.c_str());
    return std::fabs(after.log_z - exact) < 0.25 ? 0 : 1;
}

int main() { return examples::run_main("own_density", run); }
