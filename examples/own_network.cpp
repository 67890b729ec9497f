// A velocity network of your own, written by hand, whose columns are spread over the context's threads; its
// Diamond map is found by GLASS.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;
using diamond::index_t;

// [network]
/// The velocity of data around m and -m, N(+-m, v I), under the linear schedule: one tanh unit,
/// u(x, t) = ((t v - s) x + s tanh(t m.x / V) m) / V with s = 1 - t and V = t^2 v + s^2.
class two_clusters {
public:
    using batch_type = batch;
    struct workspace {}; // for whatever a call needs beside its arguments

    two_clusters(std::vector<float> m, float v)
        : m_(std::make_shared<const std::vector<float>>(std::move(m))), v_(v) {}

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(m_->size()); }
    [[nodiscard]] workspace make_workspace(const diamond::eigen::context&, index_t) const { return {}; }

    void operator()(diamond::const_view_t<batch> x, diamond::time_view t, diamond::no_condition, workspace&,
                    diamond::view_t<batch> out) const {
        constexpr index_t block = 64; // columns that one task evaluates, whatever the number of threads
        const index_t tasks = (x.columns() + block - 1) / block;
        x.context().lanes(tasks, [&](auto& /*lane*/, index_t task, index_t /*worker*/) {
            const index_t last = std::min((task + 1) * block, x.columns());
            for (index_t j = task * block; j < last; ++j)
                evaluate(x.column(j), static_cast<float>(t[j]), out.column(j));
        });
    }

private:
    void evaluate(diamond::column_view<const float> x, float t, diamond::column_view<float> out) const {
        const std::vector<float>& m = *m_;
        const float s = 1.0f - t, variance = t * t * v_ + s * s;
        float projection = 0.0f;
        for (index_t i = 0; i < x.size(); ++i) projection += m[static_cast<std::size_t>(i)] * x[i];
        const float hidden = s * std::tanh(t * projection / variance);
        for (index_t i = 0; i < x.size(); ++i)
            out[i] = ((t * v_ - s) * x[i] + hidden * m[static_cast<std::size_t>(i)]) / variance;
    }

    std::shared_ptr<const std::vector<float>> m_; // copies share the weights
    float v_;
};
// [/network]

int run() {
    // [program]
    const diamond::eigen::context context{.threads = 2};
    const diamond::linear_schedule schedule;
    const two_clusters network{{1.5f, -0.5f}, 0.2f};

    const diamond::glass_diamond_map map{schedule, network, diamond::explicit_midpoint{.steps = 8}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}};
    diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.particles = 2048, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    // [/program]

    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model{
        context, schedule, {0.5, 0.5}, {1.5, -0.5, -1.5, 0.5}, {0.2, 0.2}};
    const double exact = model.tilted(reward.quadratic_form()).log_z;
    std::printf("log Z %.3f +- %.3f, exactly %.3f\n", result.log_z, result.log_z_standard_error, exact);
    return std::abs(result.log_z - exact) < 5.0 * result.log_z_standard_error ? 0 : 1;
}

int main() { return examples::run_main("own_network", run); }
