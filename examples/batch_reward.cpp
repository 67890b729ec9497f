// A reward that takes whole batches and has a gradient, by which guidance bends the velocity.
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;

// [reward]
/// r(z) = -q |z - y|^2 / 2, for d x n samples at once, in lines that run on every back end.
class near_a_target {
public:
    near_a_target(const diamond::eigen::context& context, const std::vector<float>& y, double q)
        : y_(std::make_shared<const batch>(
              diamond::from_host(context, static_cast<diamond::index_t>(y.size()), 1, y))),
          q_(q) {}

    void operator()(diamond::const_view_t<batch> z, diamond::row_t<batch> values) const {
        assign(values, column_sums(-0.5 * q_ * square(z - each_column(*y_))));
    }
    void gradient(diamond::const_view_t<batch> z, diamond::view_t<batch> out) const {
        assign(out, q_ * (each_column(*y_) - z));
    }

private:
    std::shared_ptr<const batch> y_; // rewards are copied: copies share what is large
    double q_;
};
// [/reward]

int run() {
    const diamond::eigen::context context{.threads = 2};
    const diamond::linear_schedule schedule;
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, schedule, {0.5, 0.5}, {-1, 0, 1, 1}, {0.3, 0.3}};

    // [program]
    const diamond::glass_diamond_map map{schedule, model, diamond::explicit_midpoint{.steps = 4}};
    const near_a_target reward{context, {0.5f, 1.0f}, 2.0};
    // b(t) grad V is the mean of the reward's gradient, pulled back through posterior draws.
    const diamond::pathwise_posterior_value value{
        diamond::diamond_map_posterior{map}, reward, {.samples = 8}};
    diamond::guidance sampler{model, value, {.particles = 512, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // [/program]

    const auto x = to_host(result.particles);
    double mean = 0.0;
    for (std::size_t k = 0; k < x.size(); k += 2) mean += 2.0 * x[k] / static_cast<double>(x.size());
    // The same r as constant + linear . z - sum curvature z^2 / 2.
    const auto tilted = model.tilted({.constant = -1.25, .linear = {1.0, 2.0}, .curvature = {2.0, 2.0}})
                            .tilted;
    std::printf("mean of x %.3f, exactly %.3f; without the reward %.3f\n", mean, tilted.mean()[0],
                model.mean()[0]);
    return std::abs(mean - tilted.mean()[0]) < 0.1 ? 0 : 1;
}

int main() { return examples::run_main("batch_reward", run); }
