// Rows of another length than there are particles are refused by everything that writes one, before it does;
// so is a row without data where numbers are written.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <diamond/align/self_guidance.hpp>
#include <diamond/density/exact_density.hpp>
#include <diamond/density/flow_density.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/trained_network.hpp>
#include <diamond/oracle/checkerboard.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/value/moment_value.hpp>
#include <diamond/value/point_values.hpp>
#include <diamond/value/posterior_value.hpp>
#include <diamond/value/weighted_value.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"

namespace value_rows_test {

using diamond::index_t;

namespace {
using batch = diamond::eigen::batch<double>;
using linear = diamond::linear_schedule;
using row_type = diamond::row_t<batch>;
constexpr index_t n = 5;
constexpr diamond::no_condition none;
} // namespace

TEST_CASE("rows of another length are refused") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto x = batches::normal<batch>(context, 2, n, 3);
    batch out(context, 2, n);
    const diamond::gaussian<batch, linear> gaussian(context, {}, {0.1, 0.2}, {1.0, 0.3, 0.3, 0.5});
    const diamond::gaussian_mixture<batch, linear> mixture(context, {}, {0.7, 0.3}, {-1.0, 0.5, 1.5, -0.5},
                                                           {0.3, 0.1});
    const diamond::checkerboard<batch, linear> board(context, {});
    const diamond::linear_reward<batch> reward(context, std::vector<double>{1.0, -1.0});
    const diamond::gaussian_flow_map flow{gaussian};
    const diamond::gaussian_diamond_map map{gaussian};
    // The numbers and guards on both sides of them say whether anything was written in spite of the refusal.
    std::vector<double> memory(3 * n, -7.0);
    const auto untouched = [&] { return memory == std::vector<double>(3 * n, -7.0); };
    const auto refused = [&](const char* what, const auto& call) {
        INFO(std::string(what));
        const row_type right(memory.data() + n, n, &context), shorter(memory.data() + n, n - 1, &context),
            longer(memory.data() + n, n + 1, &context), absent;
        for (const row_type& wrong : {shorter, longer, absent}) {
            std::fill(memory.begin(), memory.end(), -7.0);
            CHECK_THROWS_AS(call(wrong), std::invalid_argument);
            CHECK(untouched());
        }
        CHECK_NOTHROW(call(right));
        CHECK_FALSE(untouched());
    };

    refused("reward", [&](row_type r) { diamond::evaluate_reward(reward, x.read(), none, r); });
    const auto pointwise = [](const auto& z) { return z[0]; };
    refused("pointwise reward", [&](row_type r) { diamond::evaluate_reward(pointwise, x.read(), none, r); });
    auto of_gaussian = gaussian.make_workspace(context, n);
    refused("gaussian", [&](row_type r) { gaussian.log_density(x, 0.5, none, of_gaussian, r); });
    refused("gaussian's divergence", [&](row_type r) { gaussian.divergence(x, 0.5, none, of_gaussian, r); });
    auto of_mixture = mixture.make_workspace(context, n);
    refused("mixture", [&](row_type r) { mixture.log_density(x, 0.5, none, of_mixture, r); });
    refused("mixture's divergence", [&](row_type r) { mixture.divergence(x, 0.5, none, of_mixture, r); });
    auto of_board = board.make_workspace(context, n);
    refused("checkerboard", [&](row_type r) { board.log_density(x, 0.5, none, of_board, r); });
    refused("checkerboard's divergence", [&](row_type r) { board.divergence(x, 0.5, none, of_board, r); });

    diamond::gaussian_flow_map of_flow{gaussian};
    refused("flow map", [&](row_type r) { of_flow(x, {0.1, 0.8}, none, out, r); });
    diamond::gaussian_diamond_map of_map{gaussian};
    refused("Diamond map", [&](row_type r) { of_map(x, {0.1, 0.8}, x, 0.3, none, out, r); });
    diamond::flow_density density{flow};
    refused("flow density", [&](row_type r) { density(x, 0.6, none, r); });
    diamond::diamond_map_posterior draws{map};
    refused("draws with density", [&](row_type r) {
        draws.draw_with_density(x, 0.4, none, diamond::philox{1}.stream(diamond::purpose::value, 1), out, r);
    });
    diamond::early_stop_kernel kernel{map};
    refused("transitions with density", [&](row_type r) {
        kernel.draw_with_density(x, {0.2, 0.5}, none, diamond::philox{1}.stream(diamond::purpose::value, 1),
                                 out, r);
    });
    diamond::corrected_kernel corrected{kernel, diamond::exact_density{linear{}, gaussian}};
    refused("begin", [&](row_type r) { corrected.begin(x, none, r); });

    const auto value_of = [&](const char* what, auto estimate) {
        const auto stream = diamond::philox{1}.stream(diamond::purpose::value, 1);
        for (const double t : {0.5, 1.0})
            refused(what, [&](row_type r) { estimate(x, t, none, stream, {.value = r}); });
        diamond::rebind_t<batch, double> v(context, 1, n), wrong(context, 1, n - 1);
        CHECK_THROWS_AS(estimate(x, 0.5, none, stream, {.value = row(v), .standard_error = row(wrong)}),
                        std::invalid_argument);
        CHECK_THROWS_AS(estimate(x, 0.5, none, stream, {.value = row(v), .ess = row(wrong)}),
                        std::invalid_argument);
        CHECK_THROWS_AS(estimate(x, 0.5, none, stream, {.value = row(v), .ess_base = row(wrong)}),
                        std::invalid_argument);
    };
    value_of("posterior value", diamond::posterior_value{draws, reward, {.samples = 2}});
    value_of("pathwise posterior value", diamond::pathwise_posterior_value{draws, reward, {.samples = 2}});
    value_of("moment value",
             diamond::moment_value{draws, diamond::gaussian_measurement_reward{
                                              context, diamond::mask_measurement<batch>{context, 2, {0}},
                                              std::vector<double>{0.5}, 0.3}});
    diamond::weighted_value weighted{
        diamond::exact_density{linear{}, gaussian}, flow, reward, {.samples = 2}};
    value_of("weighted value", weighted);
    value_of("look-ahead value", diamond::look_ahead_value{linear{}, flow, reward});
    value_of("denoised value", diamond::denoised_value{linear{}, gaussian, reward});
    value_of("exact value", diamond::exact_value{gaussian, reward});
    refused("tilted density", [&](row_type r) {
        weighted.log_tilted_density(x, 0.5, none, diamond::philox{1}.stream(diamond::purpose::value, 1), r);
    });

    using architecture = diamond::diamond_mlp_with_divergence<batch, linear>;
    const architecture network({}, diamond::gaussian_frame<batch>(context, {{0.0, 0.0}, {1.0, 1.0}, {}}),
                               {.mlp = {.width = 8, .blocks = 1}});
    batch theta(context, network.parameters(), 1);
    network.initialise(diamond::philox{1}, theta.mutable_view());
    diamond::network_flow_map learned{diamond::trained_network(network, std::move(theta))};
    refused("network", [&](row_type r) { learned(x, {0.1, 0.8}, diamond::labels(), out, r); });
    diamond::rebind_t<batch, double> wrong(context, 1, n - 1);
    CHECK_THROWS_WITH_AS(learned.vjp(x, {0.1, 0.8}, diamond::labels(), x, row(wrong), out),
                         doctest::Contains("a row of 4 numbers for 5 columns"), std::invalid_argument);
    CHECK_NOTHROW(learned.vjp(x, {0.1, 0.8}, diamond::labels(), x, {}, out));
}

} // namespace value_rows_test
