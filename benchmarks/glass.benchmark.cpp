// One step of the GLASS kernel, 8 evaluations of an exact model by the midpoint method, against what it
// cannot do without: the products in the evaluations, by bare Eigen; the exponentials; and the traffic of
// states, of which an evaluation reads two and writes one.
#include <algorithm>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/map/glass_kernel.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/linear.hpp>

#include "against.hpp"

namespace {

using diamond::index_t;
using diamond_benchmarks::against;
using batch = diamond::eigen::batch<float>;
using model = diamond::gaussian_mixture<batch, diamond::linear_schedule>;

constexpr diamond::explicit_midpoint solver{.steps = 4};
constexpr index_t evaluations = 8;

/// A data set of `components` normal points in dimension d, smoothed.
model make_model(const diamond::eigen::context& context, index_t d, index_t components) {
    batch points(context, d, components);
    diamond::draw_normal(diamond::philox{1}.stream(diamond::purpose::data), points.mutable_view());
    return diamond::data_mixture(context, diamond::linear_schedule{}, points.read(), 0.5);
}

struct step {
    diamond::eigen::context context{.threads = 1};
    diamond::glass_kernel<diamond::linear_schedule, model, diamond::explicit_midpoint> kernel;
    batch x, next;

    step(index_t d, index_t components, index_t columns)
        : kernel{diamond::linear_schedule{}, make_model(context, d, components), solver},
          x(context, d, columns),
          next(context, d, columns) {
        diamond::draw_normal(diamond::philox{2}.stream(diamond::purpose::initial), x.mutable_view());
    }
    void operator()() {
        kernel(x, {0.4, 0.5}, {}, diamond::philox{3}.stream(diamond::purpose::transition, 1), next);
    }
};

void glass_against_memory(benchmark::State& state) {
    step s(state.range(0), state.range(1), state.range(2));
    against(
        state, "copy", [&] { s(); },
        diamond_benchmarks::copy_ceiling(3.0 * 4.0 * static_cast<double>(evaluations * s.x.size())));
}
BENCHMARK(glass_against_memory)
    ->ArgNames({"d", "components", "columns"})
    ->Args({2, 3, 100000})
    ->Args({64, 3, 10000})
    ->Apply(diamond_benchmarks::in_milliseconds);

void glass_against_exponentials(benchmark::State& state) {
    step s(state.range(0), state.range(1), state.range(2));
    const index_t count = state.range(1) * state.range(2);
    Eigen::ArrayXf exponents = -Eigen::ArrayXf::Random(count).abs(), terms(count);
    against(
        state, "exp", [&] { s(); },
        [&] {
            for (index_t k = 0; k < evaluations; ++k) terms = exponents.exp();
            benchmark::DoNotOptimize(terms.data());
        });
}
BENCHMARK(glass_against_exponentials)
    ->ArgNames({"d", "components", "columns"})
    ->Args({2, 3, 100000})
    ->Args({2, 64, 100000})
    ->Apply(diamond_benchmarks::in_milliseconds);

/// An evaluation is a product with the transposed means for the logits, one with the means for their mixture.
void glass_against_products(benchmark::State& state) {
    step s(state.range(0), state.range(1), state.range(2));
    const index_t d = state.range(0), components = state.range(1), columns = state.range(2), block = 256;
    const Eigen::MatrixXf features = Eigen::MatrixXf::Random(d + 2, components),
                          means = Eigen::MatrixXf::Random(d, components),
                          x = Eigen::MatrixXf::Random(d + 2, columns);
    Eigen::MatrixXf logits(components, block), out(d, columns);
    against(
        state, "products", [&] { s(); },
        [&] {
            for (index_t k = 0; k < evaluations; ++k)
                for (index_t first = 0; first < columns; first += block) {
                    const index_t count = std::min(block, columns - first);
                    logits.leftCols(count).noalias() = features.transpose() * x.middleCols(first, count);
                    out.middleCols(first, count).noalias() = means * logits.leftCols(count);
                }
            benchmark::DoNotOptimize(out.data());
        });
}
BENCHMARK(glass_against_products)
    ->ArgNames({"d", "components", "columns"})
    ->Args({64, 1437, 10000})
    ->Apply(diamond_benchmarks::in_milliseconds);

} // namespace
