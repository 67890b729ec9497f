// Normals against a bare Philox loop of the same vector width, which makes the words they need and leaves
// them in memory: 4 words for 4 normals in float, for 2 in double, as many bytes as the normals. `of_bare` is
// the bare loop's time over the normals' (aim 0.5).
#include <algorithm>
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/backend/thrust_cpu.hpp>

#include "against.hpp"

namespace {

using diamond::index_t, diamond::noise_stream;

constexpr int lanes = diamond::detail::normal_lanes;

/// The images of `blocks` counters, as fill_normal makes them.
struct bare_philox {
    static constexpr const char* name = "bare_philox";
    noise_stream stream;
    std::vector<std::uint32_t> words;

    bare_philox(index_t blocks, noise_stream from)
        : stream(from), words(static_cast<std::size_t>(4 * (blocks + lanes))) {}
    void operator()() {
        alignas(64) std::uint32_t w[4][lanes];
        for (std::size_t word = 0, block = 0; word + 4 * lanes <= words.size();
             word += 4 * lanes, block += lanes) {
            for (int l = 0; l < lanes; ++l) {
                w[0][l] = 0;
                w[1][l] = static_cast<std::uint32_t>(block) + static_cast<std::uint32_t>(l);
                w[2][l] = stream.step;
                w[3][l] = 0;
            }
            diamond::detail::philox_lanes(w, lanes, stream.seed);
            std::copy_n(&w[0][0], 4 * lanes, words.data() + word);
        }
        benchmark::DoNotOptimize(words.data());
    }
};
/// The same by the scalar definition, left to the compiler.
struct plain_philox {
    static constexpr const char* name = "plain_philox";
    noise_stream stream;
    std::vector<std::uint32_t> words;

    plain_philox(index_t blocks, noise_stream from)
        : stream(from), words(static_cast<std::size_t>(4 * (blocks + lanes))) {}
    void operator()() {
        for (std::size_t word = 0, block = 0; word + 4 * lanes <= words.size();
             word += 4 * lanes, block += lanes) {
            alignas(64) std::uint32_t w[4][lanes];
            for (std::uint32_t l = 0; l < lanes; ++l) {
                const auto image = diamond::philox4x32_10(
                    {{0, static_cast<std::uint32_t>(block) + l, stream.step, 0}}, stream.seed);
                for (int k = 0; k < 4; ++k) w[k][l] = image.word[k];
            }
            std::copy_n(&w[0][0], 4 * lanes, words.data() + word);
        }
        benchmark::DoNotOptimize(words.data());
    }
};

/// x = (d, value samples); 2^20 numbers or so, in one thread.
template <class Real, class Context, class Other>
void normals_against(benchmark::State& state, const Context& context) {
    const index_t d = state.range(0), samples = state.range(1),
                  columns = (index_t{1} << 20) / (d * samples) * samples;
    const noise_stream stream = diamond::philox{1}.stream(diamond::purpose::value, 3, samples);
    diamond::owning_batch<Real, Context> out(context, d, columns);
    const index_t per_block = diamond::normals_per_block<Real>,
                  blocks = (d + per_block - 1) / per_block * columns;
    diamond_benchmarks::against(
        state, Other::name, [&] { context.template fill_normal<Real>(stream, out); }, Other(blocks, stream));
    state.counters["of_bare"] = 1.0 / state.counters["ratio"];
    state.counters["M_per_second"] = static_cast<double>(out.size()) / state.counters["fastest_ms"] * 1e-3;
}

template <class Real>
void eigen_normals_against_bare_philox(benchmark::State& state) {
    const diamond::eigen::context context{.threads = 1};
    normals_against<Real, diamond::eigen::context, bare_philox>(state, context);
}
template <class Real>
void thrust_normals_against_plain_philox(benchmark::State& state) {
    normals_against<Real, diamond::thrust_cpu::context, plain_philox>(state, {});
}

void shapes(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"d", "samples"})
        ->Args({2, 1})
        ->Args({3, 1})
        ->Args({4, 1})
        ->Args({4, 8})
        ->Args({64, 1})
        ->Args({64, 4})
        ->Args({784, 1});
    benchmark->UseManualTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK_TEMPLATE(eigen_normals_against_bare_philox, float)->Apply(shapes);
BENCHMARK_TEMPLATE(eigen_normals_against_bare_philox, double)->Apply(shapes);
BENCHMARK_TEMPLATE(thrust_normals_against_plain_philox, float)
    ->Args({64, 1})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(thrust_normals_against_plain_philox, double)
    ->Args({64, 1})
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// The bare loop against the definition left to the compiler: what philox_lanes is there for.
void bare_philox_against_plain_philox(benchmark::State& state) {
    constexpr index_t blocks = 1 << 18;
    const noise_stream stream = diamond::philox{1}.stream(diamond::purpose::user);
    diamond_benchmarks::against(state, "plain_philox", bare_philox(blocks, stream),
                                plain_philox(blocks, stream));
    state.counters["M_words_per_second"] = 4.0 * blocks / state.counters["fastest_ms"] * 1e-3;
}
BENCHMARK(bare_philox_against_plain_philox)->UseManualTime()->Unit(benchmark::kMillisecond);

} // namespace
