// A posterior sampler of your own: of data that are a finite set of points, for which it needs no network.
// Sequential Monte Carlo with it tilts the points by a reward, and log Z is a sum.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;
using view = diamond::view_t<batch>;
using const_view = diamond::const_view_t<batch>;
using diamond::index_t;
// [sampler]
struct choose_point { // writes one point, drawn by its probability given x_t, into column c of `out`
    static constexpr index_t relative_cost = 1000; // in copies of a number: helps to spread the work
    const_view points, x_t;
    double alpha, sigma;
    diamond::noise_stream stream;
    view out;
    DIAMOND_HD void operator()(index_t c) const {
        const index_t j = c / stream.samples; // draw c belongs to particle j
        double best = -diamond::infinity;
        index_t chosen = 0;
        for (index_t k = 0; k < points.columns(); ++k) {
            double sum = 0.0;
            for (index_t i = 0; i < x_t.rows(); ++i) sum += diamond::square(x_t(i, j) - alpha * points(i, k));
            // The largest of log weight + Gumbel noise is a draw by the weights.
            const double score = -0.5 * sum / (sigma * sigma) - std::log(-std::log(stream.uniform(c, k)));
            if (score <= best) continue;
            best = score;
            chosen = k;
        }
        for (index_t i = 0; i < out.rows(); ++i) out(i, c) = points(i, chosen);
    }
};

class posterior_of_points {
public:
    using batch_type = batch;
    explicit posterior_of_points(std::shared_ptr<const batch> points) : points_(std::move(points)) {}
    [[nodiscard]] index_t dimension() const { return points_->rows(); }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return {.forward = draws_}; }
    [[nodiscard]] bool exact() const { return true; }
    /// x_t is d x N and out d x (N M), M = stream.samples; at t = 1 the posterior is x_t itself.
    void operator()(const_view x_t, double t, diamond::no_condition, diamond::noise_stream stream, view out) {
        draws_ += out.columns();
        if (t >= 1.0) return diamond::repeat_columns(x_t, stream.samples, out);
        out.context().for_each(out.columns(), choose_point{points_->read(), x_t, t, 1.0 - t, stream, out});
    }

private:
    std::shared_ptr<const batch> points_; // copies share them
    std::int64_t draws_ = 0;
};
// [/sampler]
int run() {
    const diamond::eigen::context context{.threads = 2};
    const std::vector<float> coordinates{-2, 0, 1, 2, 2, -1, 0, 0, -1, -1};
    const auto points = std::make_shared<const batch>(diamond::from_host<float>(context, 2, 5, coordinates));
    // [program]
    const posterior_of_points posterior{points};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    diamond::smc sampler{diamond::ddpm_posterior_kernel{posterior},
                         diamond::posterior_value{posterior, reward, {.samples = 4}},
                         {.particles = 4096, .steps = 16}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // [/program]
    double z = 0.0;
    for (std::size_t k = 0; k < 10; k += 2) z += std::exp(coordinates[k] + 0.5 * coordinates[k + 1]) / 5.0;
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, std::log(z));
    return std::fabs(result.log_z - std::log(z)) < 0.1 ? 0 : 1;
}
int main() { return examples::run_main("own_posterior_sampler", run); }
