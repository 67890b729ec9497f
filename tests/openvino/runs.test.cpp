// Runs, values and densities with networks from ONNX files. SMC is held against SMC with the library's own
// network of the same weights and the same seeds: the networks differ by rounding, and so do the runs.
#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/openvino/diamond_network.hpp>

#include "data.hpp"

namespace openvino_runs_test {

using diamond::index_t, diamond::linear_schedule, diamond_test::batch;

namespace {

using network = diamond::openvino_diamond_network<batch, linear_schedule, linear_schedule, diamond::labels>;
using differentiable = diamond::differentiable_openvino_diamond_network<batch, linear_schedule,
                                                                        linear_schedule, diamond::labels>;

network loaded(const diamond::eigen::context& context) {
    return network(context, diamond_test::file("diamond.onnx"), {}, {},
                   {.condition = {.classes = 4, .none = -1}});
}
/// A run whose reward makes it resample.
template <class Network>
auto run(const diamond::eigen::context& context, const Network& net, index_t particles) {
    const diamond::network_diamond_map map{net};
    const diamond::linear_reward reward{context, std::vector<float>{1.5f, -1.0f, 0.5f}};
    diamond::smc sampler{
        diamond::early_stop_kernel{map},
        diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}},
        {.particles = particles, .steps = 8, .record_ancestors = true}};
    return sampler(context, diamond::philox{.seed = 5}, diamond::labels(2));
}
template <class Result>
std::size_t first_resampling(const Result& result) {
    std::size_t k = 0;
    while (k < result.ancestors.size() && result.ancestors[k].empty()) ++k;
    REQUIRE(k < result.ancestors.size());
    return k;
}

} // namespace

TEST_CASE("SMC with a network from a file is SMC with the library's own") {
    const diamond::eigen::context context{.threads = 2};
    const auto theirs = loaded(context);
    const auto ours = diamond::io::load_network<batch>(context, diamond_test::own_network());

    const auto few = run(context, theirs, 64), few_of_ours = run(context, ours, 64);
    static_cast<void>(first_resampling(few));
    CHECK(few.ancestors == few_of_ours.ancestors);
    CHECK(std::abs(few.log_z - few_of_ours.log_z) < 1e-3);

    const auto many = run(context, theirs, 4096), many_of_ours = run(context, ours, 4096);
    const std::size_t k = first_resampling(many);
    REQUIRE(k == first_resampling(many_of_ours));
    index_t moved = 0;
    for (std::size_t j = 0; j < 4096; ++j) moved += many.ancestors[k][j] != many_of_ours.ancestors[k][j];
    MESSAGE("slots of the first resampling that differ: " << moved << " of 4096, log Z " << many.log_z
                                                          << " and " << many_of_ours.log_z);
    CHECK(moved <= 4);
    CHECK(std::abs(many.log_z - many_of_ours.log_z) < 1e-3);
    CHECK(many.spent.forward == many_of_ours.spent.forward);
}
TEST_CASE("gradients of values through a network from files are those through the library's own") {
    const diamond::eigen::context context{.threads = 2};
    const differentiable theirs(context, diamond_test::file("diamond.onnx"), {}, {},
                                {.condition = {.classes = 4, .none = -1}});
    const auto ours = diamond::io::load_network<batch>(context, diamond_test::own_network());
    constexpr index_t d = 3, n = 40;
    batch x(context, d, n);
    diamond::draw_normal(diamond::philox{9}.stream(diamond::purpose::user), x.mutable_view());
    const auto gradient = [&](const auto& net) {
        const diamond::network_diamond_map map{net};
        const diamond::linear_reward reward{context, std::vector<float>{1.5f, -1.0f, 0.5f}};
        diamond::pathwise_posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}};
        batch out(context, d, n);
        value.guidance(x, 0.6, diamond::labels(1), diamond::philox{3}.stream(diamond::purpose::value), out);
        return diamond::to_host(out);
    };
    const auto found = gradient(theirs), expected = gradient(ours);
    for (std::size_t i = 0; i < found.size(); ++i)
        CHECK(std::abs(found[i] - expected[i]) < 1e-4f * std::max(1.0f, std::abs(expected[i])));
}
TEST_CASE("the divergence of a field, by its tangents, is the trace of its Jacobian, by its cotangents") {
    const diamond::eigen::context context{.threads = 1};
    const diamond::differentiable_openvino_network<batch> net(context, diamond_test::file("flow.onnx"));
    constexpr index_t d = 3, n = 7;
    batch x(context, d, n), unit(context, d, n), pulled(context, d, n);
    diamond::draw_normal(diamond::philox{9}.stream(diamond::purpose::user), x.mutable_view());
    diamond::owning_batch<double, diamond::eigen::context> divergence(context, 1, n);
    diamond::exact_divergence{net}(x, 0.3, {}, diamond::row(divergence));
    std::vector<double> trace(n, 0.0);
    auto space = net.make_workspace(context, n);
    for (index_t i = 0; i < d; ++i) {
        for (index_t k = 0; k < d * n; ++k) unit.data()[k] = k % d == i ? 1.0f : 0.0f;
        net.vjp(x, 0.3, {}, unit, space, pulled);
        for (index_t j = 0; j < n; ++j)
            trace[static_cast<std::size_t>(j)] += static_cast<double>(pulled.data()[i + d * j]);
    }
    for (index_t j = 0; j < n; ++j)
        CHECK(std::abs(divergence.data()[j] - trace[static_cast<std::size_t>(j)]) < 1e-5);
}
TEST_CASE("threads that call one network at once are given what each is given alone") {
    const diamond::eigen::context context{.threads = 1};
    const auto net = loaded(context);
    constexpr int workers = 4, calls = 200;
    constexpr index_t d = 3;
    const auto evaluate = [&](int worker, int repeats) {
        const diamond::eigen::context own{.threads = 1};
        const index_t n = 20 + worker;
        batch xbar(own, d, n), x_t(own, d, n), out(own, d, n);
        auto space = net.make_workspace(own, n);
        std::vector<float> last;
        for (int call = 0; call < repeats; ++call) {
            const auto rng = diamond::philox{static_cast<std::uint64_t>(100 * worker + call % 2)};
            diamond::draw_normal(rng.stream(diamond::purpose::user), xbar.mutable_view());
            diamond::draw_normal(rng.split(1).stream(diamond::purpose::user), x_t.mutable_view());
            net({xbar.read(), x_t.read(), 0.1 * worker, 0.0, 1.0}, diamond::labels(worker % 4), space, out);
            last = diamond::to_host(out);
        }
        return last;
    };
    std::vector<std::vector<float>> together(workers);
    {
        std::vector<std::jthread> threads;
        for (int worker = 0; worker < workers; ++worker)
            threads.emplace_back(
                [&, worker] { together[static_cast<std::size_t>(worker)] = evaluate(worker, calls); });
    }
    for (int worker = 0; worker < workers; ++worker) {
        CAPTURE(worker);
        CHECK(together[static_cast<std::size_t>(worker)] == evaluate(worker, 2)); // of the same last inputs
    }
}

} // namespace openvino_runs_test
