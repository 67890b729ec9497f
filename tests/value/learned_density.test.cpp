/// Weighted Diamond by a flow map with divergence that was trained for seconds: its density adds less than a
/// third of what [DM]'s trapezoid adds to the error of V.
#include <chrono>
#include <cstdio>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/density/flow_density.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/map/network_velocity.hpp>
#include <diamond/map/stepped_flow_map.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/trained_network.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/train/diamond_trainer.hpp>
#include <diamond/value/weighted_value.hpp>

#include "support/batches.hpp"
#include "support/models.hpp"
#include "support/unlabelled.hpp"
#include "tilts.hpp"

namespace value_learned_density_test {

using diamond::index_t, diamond::linear_schedule, diamond::philox, diamond::purpose;
using batch = diamond::eigen::batch<float>;
using field = models::mixture<batch, linear_schedule>;
using network = diamond::trained_network<diamond::diamond_mlp_with_divergence<batch, linear_schedule>>;
using list = std::vector<double>;

namespace {

/// Draws of the mixture, by the oracle.
diamond::training_set<batch> draws(const diamond::eigen::context& context, index_t count) {
    const models::mixture_numbers n;
    list means, variances;
    for (index_t k = 0; k < n.count; ++k)
        for (index_t i = 0; i < 2; ++i) {
            means.push_back(n.mean[k][i]);
            variances.push_back(n.variance[k][i]);
        }
    const diamond::gaussian_mixture<batch, linear_schedule> law(context, {}, {n.weight, n.weight + n.count},
                                                                means, variances);
    batch drawn(context, 2, count);
    law.draw(philox{1}.stream(purpose::data), drawn.mutable_view());
    return {std::move(drawn), 0.0};
}
/// The mixture's Gaussian, without its correlation.
diamond::gaussian_frame_numbers frame_numbers() {
    const models::mixture_numbers n;
    diamond::gaussian_frame_numbers result{{0.0, 0.0}, {0.0, 0.0}, {}};
    for (std::size_t i = 0; i < 2; ++i) {
        for (index_t k = 0; k < n.count; ++k) {
            result.mean[i] += n.weight[k] * n.mean[k][i];
            result.variance[i] += n.weight[k] * (n.variance[k][i] + diamond::square(n.mean[k][i]));
        }
        result.variance[i] -= diamond::square(result.mean[i]);
    }
    return result;
}
/// Distilled from the exact velocity and its divergence, both ways: the flow of the data alone, t = 0.
network train(const diamond::eigen::context& context, index_t steps) {
    const auto data = draws(context, 1 << 16);
    const diamond::diamond_mlp_with_divergence<batch, linear_schedule> architecture(
        {}, diamond::gaussian_frame<batch>(context, frame_numbers()), {.mlp = {.width = 64, .blocks = 2}});
    diamond::diamond_training_options options{
        .steps = steps, .batch = 512, .diagonal_first = 0.2, .rate = {.peak = 5e-3}, .average = 0.998};
    options.rate.warm_up = std::min(options.rate.warm_up, steps / 10);
    diamond::diamond_trainer trainer(architecture, data, philox{2}, options,
                                     diamond::uniform_time{.at_zero = 1.0}, diamond::both_ways_pair{},
                                     diamond::semigroup_loss{.midpoint = true}, diamond::exact_trace{},
                                     diamond::flow_teacher{diamond::exact_divergence{field({})}});
    auto state = trainer.start();
    trainer.run(state);
    return {trainer.network(), trainer.averaged(state)};
}

} // namespace

TEST_CASE("the learned density's own part of the error of V is below a third of the trapezoid's; of a "
          "network hardly trained it is not") {
    // All estimates draw the same noise and look ahead by the same map, so that they differ by the density
    // alone. No bound of chance is needed: the parts are sums over 2 x 2 x 60 states of differences that 400
    // draws know well, and the learned density's came out at an eighth here.
    const diamond::eigen::context context{.threads = 2};
    const auto begin = std::chrono::steady_clock::now();
    const network flow = train(context, 3000), novice = train(context, 30);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

    const tilts::reward reward;
    const auto data = draws(context, 60);
    double learned = 0.0, ruled = 0.0, untaught = 0.0;
    for (const double t : {0.3, 0.6})
        for (const bool matched : {true, false}) {
            batch x(context, 2, 60);
            diamond::draw_normal(philox{3}.stream(purpose::user), x.mutable_view());
            diamond::combine(diamond::coefficients<2>(diamond::numbers<2>{{t, 1.0 - t}}), x.mutable_view(),
                             data.points().read(), x.read());
            const auto values = [&](auto density) {
                diamond::weighted_value estimator(
                    std::move(density), diamond::network_flow_map{flow}, reward,
                    {.samples = 400, .kappa = matched ? std::nullopt : std::optional<double>(5.0)});
                diamond::rebind_t<batch, double> value(context, 1, 60);
                estimator(x.read(), t, {}, philox{4}.stream(purpose::value, 1), {.value = row(value)});
                return diamond::to_host(value);
            };
            const auto by_network = [&](const network& net) {
                return values(
                    diamond::flow_density{diamond::stepped_flow_map{diamond::network_flow_map{net}}});
            };
            const list exact = values(
                labelled::unlabelled{diamond::exact_density{linear_schedule{}, field({})}});
            const auto square_error = [&](const list& value) {
                double sum = 0.0;
                for (std::size_t j = 0; j < exact.size(); ++j)
                    sum += diamond::square(value[j] - exact[j]) / 60.0;
                return sum;
            };
            const double of_rule = square_error(values(
                             labelled::unlabelled{diamond::trapezoid_density{linear_schedule{}, field({})}})),
                         of_joint = square_error(by_network(flow));
            std::printf("t = %.1f, kappa %s: root mean square error of V by the density alone %.4f learned, "
                        "%.4f trapezoid\n",
                        t, matched ? "default" : "5", std::sqrt(of_joint), std::sqrt(of_rule));
            learned += of_joint;
            ruled += of_rule;
            untaught += square_error(by_network(novice));
        }
    std::printf("in all %.4f against %.4f, and %.4f hardly trained; after %.1f s of training\n",
                std::sqrt(learned / 4.0), std::sqrt(ruled / 4.0), std::sqrt(untaught / 4.0), seconds);
    CHECK(std::sqrt(learned) < std::sqrt(ruled) / 3.0);
    CHECK(std::sqrt(untaught) > std::sqrt(ruled) / 3.0);
}

} // namespace value_learned_density_test
