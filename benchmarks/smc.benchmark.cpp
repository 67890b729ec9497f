// One step of sequential Monte Carlo, resampling included: the driver's own work against the traffic it
// cannot do without, and a step on the exact model of a data set against the products in it.
#include <cmath>
#include <fstream>
#include <optional>
#include <vector>

#include <Eigen/Core>
#include <benchmark/benchmark.h>
#include <unistd.h>

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

/// Bytes of this process that are in memory.
double resident_bytes() {
    std::ifstream file("/proc/self/statm");
    double pages = 0.0;
    file >> pages >> pages;
    return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

/// A step of an exact mixture of three parts, by DDPM transitions and values of one draw, on all threads:
/// does the time a particle depend on their number? `ratio` is to that of 10^5 particles in the same run;
/// `bytes_a_particle` is what the run has in memory.
void smc_step_by_particles(benchmark::State& state) {
    const index_t d = state.range(0), columns = state.range(1), few = 100'000;
    const diamond::eigen::context context;
    std::vector<double> means(static_cast<std::size_t>(3 * d));
    for (std::size_t k = 0; k < means.size(); ++k) means[k] = std::sin(static_cast<double>(k));
    const diamond::exact_posterior posterior{diamond::gaussian_mixture<batch, diamond::linear_schedule>{
        context, {}, {0.5, 0.3, 0.2}, means, {0.1, 0.2, 0.3}}};
    const diamond::linear_reward reward{context, std::vector<float>(static_cast<std::size_t>(d), 0.1f)};
    const auto sampler_of = [&](index_t particles) {
        return one_step(context, diamond::smc{diamond::ddpm_posterior_kernel{posterior},
                                              diamond::posterior_value{posterior, reward, {.samples = 1}},
                                              {.particles = particles, .steps = 65, .log_delta = -4.0}});
    };
    auto small = sampler_of(few);
    small();
    const double before = resident_bytes();
    auto large = sampler_of(columns);
    large();
    double fastest = 1e300, fastest_small = 1e300;
    for (auto _ : state) {
        for (index_t k = 0; k < columns; k += few)
            fastest_small = std::min(fastest_small,
                                     diamond_benchmarks::seconds(diamond_benchmarks::wall_time, small));
        const double taken = diamond_benchmarks::seconds(diamond_benchmarks::wall_time, large);
        fastest = std::min(fastest, taken);
        state.SetIterationTime(taken);
    }
    state.counters["fastest_ms"] = 1e3 * fastest;
    state.counters["of_1e5_ms"] = 1e3 * fastest_small;
    state.counters["ratio"] = fastest / fastest_small * static_cast<double>(few) /
                              static_cast<double>(columns);
    state.counters["bytes_a_particle"] = (resident_bytes() - before) / static_cast<double>(columns);
}
BENCHMARK(smc_step_by_particles)
    ->ArgNames({"d", "columns"})
    ->ArgsProduct({{2, 64}, {1'000'000, 4'000'000}})
    ->Apply(diamond_benchmarks::in_milliseconds);

} // namespace
