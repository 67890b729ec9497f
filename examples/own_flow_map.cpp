// A flow map of your own, with its mean divergence: densities and the values of a reward follow from it. The
// data are N(m, v I), so that every number has an exact answer.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<double>;
using view = diamond::view_t<batch>;
using const_view = diamond::const_view_t<batch>;
constexpr double mean = 0.7, variance = 0.25;

// [map]
/// The variance of x_t = t z + (1 - t) eps.
DIAMOND_HD constexpr double spread(double t) { return t * t * variance + (1 - t) * (1 - t); }
/// One coordinate of X_{t,s}(x).
DIAMOND_HD inline double moved(double x, double t, double s) {
    return s * mean + std::sqrt(spread(s) / spread(t)) * (x - t * mean);
}

class gaussian_map {
public:
    using batch_type = batch;
    [[nodiscard]] diamond::index_t dimension() const { return 3; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return {.forward = columns_}; }

    void operator()(const_view x, diamond::interval span, diamond::no_condition, view out) {
        columns_ += x.columns();
        diamond::assign(out, diamond::elementwise<moved>(x, span.from, span.to));
    }
    /// What makes it a flow_map_with_divergence: +div u, the mean along the way.
    void operator()(const_view x, diamond::interval span, diamond::no_condition none, view out,
                    diamond::row_t<batch> divergence) {
        (*this)(x, span, none, out);
        const double t = span.from, s = span.to;
        const double rate = s == t ? (t * variance - (1 - t)) / spread(t) // div u of one coordinate
                                   : 0.5 * std::log(spread(s) / spread(t)) / (s - t);
        diamond::assign(divergence, static_cast<double>(dimension()) * rate);
    }

private:
    std::int64_t columns_ = 0;
};
// [/map]

int run() {
    const diamond::eigen::context context{.threads = 1};
    // [program]
    const gaussian_map map;
    const std::vector<double> place{1.0, 0.5, 0.0};
    const batch point = diamond::from_host<double>(context, 3, 1, place);
    diamond::log_likelihood likelihood{map};
    batch density(context, 1, 1);
    likelihood(point.read(), {}, row(density));

    // V_t(x) by renoising and looking ahead: weighted Diamond, for any flow map with divergence.
    const diamond::linear_reward reward{context, std::vector<double>{1.0, 0.0, 0.0}};
    diamond::weighted_value value{diamond::flow_density{map}, map, reward, {.samples = 4096}};
    batch estimate(context, 1, 1);
    value(point.read(), 0.5, {}, diamond::philox{1}.stream(diamond::purpose::value), {row(estimate)});
    // [/program]

    double exact_density = -1.5 * std::log(2 * 3.141592653589793 * variance);
    for (const double z : place) exact_density -= 0.5 * diamond::square(z - mean) / variance;
    // z_0 given x_t is Gaussian, and so is log E exp z_0.
    const double gain = 0.5 * variance / spread(0.5), left = variance * 0.25 / spread(0.5);
    const double exact_value = mean + gain * (place[0] - 0.5 * mean) + 0.5 * left;
    std::printf("log p(z) %.6f, exactly %.6f\n", density.data()[0], exact_density);
    std::printf("V_t(x) %.3f, exactly %.3f\n", estimate.data()[0], exact_value);
    const bool same = std::fabs(density.data()[0] - exact_density) < 1e-9;
    return same && std::fabs(estimate.data()[0] - exact_value) < 0.1 ? 0 : 1;
}

int main() { return examples::run_main("own_flow_map", run); }
