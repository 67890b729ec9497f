// One step of sequential Monte Carlo, resampling included: the driver's own work against the traffic it
// cannot do without, and a step on the exact model of a data set against the products in it.
#include <optional>
#include <vector>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <diamond/align/smc.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/posterior_value.hpp>

#include "against.hpp"

namespace {

using diamond::index_t;
using diamond_benchmarks::against;
using batch = diamond::eigen::batch<float>;
using view = diamond::view_t<batch>;
using const_view = diamond::const_view_t<batch>;

constexpr diamond::philox rng{1};
constexpr double always = 2.0; // times N: every step resamples

/// Copies the particles: the cheapest transition.
struct stay {
    using batch_type = batch;
    index_t d;

    [[nodiscard]] index_t dimension() const { return d; }
    [[nodiscard]] bool exact() const { return false; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    void operator()(const_view x, diamond::interval, diamond::no_condition, diamond::noise_stream, view out) {
        diamond::combine(diamond::coefficients<1>(diamond::numbers<1>{{1.0}}), out, x);
    }
};

/// V = the first coordinate: the cheapest value.
struct first_coordinate {
    using batch_type = batch;
    struct reward_type {
        template <class Column>
        double operator()(const Column& z) const {
            return static_cast<double>(z[0]);
        }
    };
    index_t d;
    reward_type own_reward;

    [[nodiscard]] index_t dimension() const { return d; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    [[nodiscard]] reward_type& reward() { return own_reward; }
    void operator()(const_view x, double, diamond::no_condition, diamond::noise_stream,
                    diamond::value_rows<diamond::backend_of_t<batch_type>> values) {
        x.context().for_each(x.columns(), [=](index_t j) { values.value[j] = static_cast<double>(x(0, j)); });
    }
};

/// A run that takes one step a call, and starts again when it is done.
template <class Sampler>
class one_step {
public:
    one_step(const diamond::eigen::context& context, Sampler sampler)
        : context_(context), sampler_(std::move(sampler)) {}
    void operator()() {
        if (!state_ || state_->step() + 1 == state_->steps()) state_.emplace(sampler_.start(context_, rng));
        sampler_.step(*state_);
    }

private:
    const diamond::eigen::context& context_;
    Sampler sampler_;
    std::optional<typename Sampler::state> state_;
};

void driver_against_memory(benchmark::State& state) {
    const index_t d = state.range(0), columns = state.range(1);
    const diamond::eigen::context context{.threads = 1};
    one_step step(
        context, diamond::smc{stay{d},
                              first_coordinate{d, {}},
                              {.particles = columns, .steps = 4096, .threshold = always, .log_delta = -1.0}});
    // Bytes a particle: the transition reads and writes 8 d, the value 12, weights 32 (V, V before and log w
    // read, log w written); ancestors 12; gathering 8 d + 16 + 8 and 12 for the ancestors; weights of 1, 8.
    const double traffic = 16.0 * static_cast<double>(d) + 12 + 32 + 12 + 16 + 8 + 12 + 8;
    against(
        state, "copy", [&] { step(); },
        diamond_benchmarks::copy_ceiling(traffic * static_cast<double>(columns)));
}
BENCHMARK(driver_against_memory)
    ->ArgNames({"d", "columns"})
    ->Args({2, 1000000})
    ->Args({64, 100000})
    ->Apply(diamond_benchmarks::in_milliseconds);

/// A DDPM transition and a value of 4 samples, both by exact posterior draws: the logits of the old
/// particles, and of the new ones.
void smc_step_against_products(benchmark::State& state) {
    const index_t d = state.range(0), components = state.range(1), columns = state.range(2), block = 256;
    const diamond::eigen::context context{.threads = 1};
    batch points(context, d, components);
    diamond::draw_normal(rng.stream(diamond::purpose::data), points.mutable_view());
    const diamond::exact_posterior posterior{
        diamond::data_mixture(context, diamond::linear_schedule{}, points.read(), 0.5)};
    const diamond::linear_reward reward{context, std::vector<float>(static_cast<std::size_t>(d), 0.1f)};
    one_step step(
        context, diamond::smc{diamond::ddpm_posterior_kernel{posterior},
                              diamond::posterior_value{posterior, reward, {.samples = 4}},
                              {.particles = columns, .steps = 4096, .threshold = always, .log_delta = -1.0}});

    const Eigen::MatrixXf features = Eigen::MatrixXf::Random(d + 2, components),
                          x = Eigen::MatrixXf::Random(d + 2, columns);
    Eigen::MatrixXf logits(components, block);
    against(
        state, "products", [&] { step(); },
        [&] {
            for (int times = 0; times < 2; ++times)
                for (index_t first = 0; first < columns; first += block) {
                    const index_t count = std::min(block, columns - first);
                    logits.leftCols(count).noalias() = features.transpose() * x.middleCols(first, count);
                    benchmark::DoNotOptimize(logits.data());
                }
        });
}
BENCHMARK(smc_step_against_products)
    ->ArgNames({"d", "components", "columns"})
    ->Args({64, 1437, 10000})
    ->Apply(diamond_benchmarks::in_milliseconds);

} // namespace
