// Training networks with divergence: every loss is zero at the exact joint map and stands still there; beside
// it, not. The exact thing is the network whose last layer is 0, the Gaussian's own joint map
// (tests/nn/diamond_mlp_with_divergence.test.cpp), the thing beside it the same with its parameters moved.
#include <array>
#include <cmath>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/train/diamond_trainer.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/numbers.hpp"
#include "support/statistics.hpp"

namespace train_divergence_losses_test {

using diamond::diamond_trainer, diamond::gaussian_frame, diamond::index_t,
    diamond::diamond_mlp_with_divergence, diamond::linear_schedule, diamond::philox, diamond::training_set;

namespace {

/// One point: with a bandwidth, the law is a Gaussian.
template <class Batch, class Context>
training_set<Batch> one_point(const Context& context) {
    return {diamond::from_host<typename Batch::value_type>(
                context, 2, 1, {typename Batch::value_type(0.5), typename Batch::value_type(-1)}),
            0.7};
}
template <class Batch, class Context>
diamond_mlp_with_divergence<Batch, linear_schedule> small_network(const Context& context) {
    return {{},
            gaussian_frame<Batch>(context, {{0.5, -1.0}, {0.49, 0.49}, {}}),
            {.mlp = {.width = 16, .blocks = 1}}};
}
using options = diamond::diamond_training_options;
/// A trainer of the small network on both directions of time.
template <class Batch, class Context, class... Policies>
auto trainer_of(const Context& context, const training_set<Batch>& data, const options& chosen,
                Policies... policies) {
    return diamond_trainer(small_network<Batch>(context), data, philox{1}, chosen, diamond::both_ways_pair{},
                           policies...);
}
/// The exact velocity and its divergence: a teacher of flow maps.
template <class Batch, class Context>
auto gaussian_teacher(const Context& context) {
    return diamond::flow_teacher{diamond::exact_divergence{
        diamond::gaussian<Batch, linear_schedule>(context, {}, {0.5, -1.0}, {0.49, 0.0, 0.0, 0.49})}};
}

} // namespace

TEST_CASE_TEMPLATE("at the exact joint map every loss with a deterministic target is 0 and its gradient "
                   "vanishes; beside it, not",
                   back, DOUBLE_BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    const auto data = one_point<batch>(context);
    const auto check = [&](auto trainer) {
        auto state = trainer.start();
        trainer.step(state);
        const auto report = trainer.report(state);
        CHECK(report.off_diagonal_loss < 1e-20);
        CHECK(report.off_diagonal_divergence_loss < 1e-20);
        CHECK(report.gradient_norm < 1e-8);
        state = trainer.start();
        batches::perturb(state.theta, 0.1);
        trainer.step(state);
        const auto beside = trainer.report(state);
        CHECK(beside.off_diagonal_loss > 1e-5);
        CHECK(beside.off_diagonal_divergence_loss > 1e-5);
        CHECK(beside.gradient_norm > 1e-3);
        // the divergence's own row alone: the velocity is right, and its loss does not notice. A weight, and
        // no bias: m + c l(s, r) has the semigroup property as m does, and agrees with a head that is its own
        // teacher; the diagonal alone can say that it is wrong
        state = trainer.start();
        const auto& last = trainer.network().layers().back();
        const auto theta = diamond::to_host(state.theta);
        for (index_t k = 0; k < last.inputs; ++k) {
            const index_t at = last.offset + 2 + 3 * k;
            batches::put(state.theta, at, numbers::at(theta, at) + 0.1);
        }
        trainer.step(state);
        const auto row = trainer.report(state);
        CHECK(row.off_diagonal_loss < 1e-20);
        CHECK(row.off_diagonal_divergence_loss > 1e-5);
        CHECK(row.gradient_norm > 1e-3);
    };
    const auto alone = [&](auto loss, auto trace) {
        check(trainer_of(context, data, {.steps = 10, .batch = 300, .diagonal = 0.0, .diagonal_first = 0.0},
                         loss, trace));
    };
    const diamond::exact_trace exact;
    alone(diamond::lagrangian_loss{}, exact); // LSD-F2D2
    alone(diamond::lagrangian_loss{.divergence_tangent = diamond::tangent_gradient::stopped}, exact);
    alone(diamond::eulerian_loss{}, exact);
    alone(diamond::eulerian_loss{.fixed = diamond::held_fixed::average}, exact);
    alone(diamond::semigroup_loss{}, exact);
    alone(diamond::semigroup_loss{.midpoint = true}, exact); // Shortcut-F2D2
    alone(diamond::semigroup_loss{.midpoint = true, .fixed = diamond::held_fixed::student}, exact);
    // The divergences are those of the average's head.
    alone(diamond::lagrangian_loss{}, diamond::on_diagonal<diamond::exact_trace>{});
    // Every probe gives the trace of a multiple of I exactly.
    alone(diamond::lagrangian_loss{}, diamond::hutchinson_trace<>{.probes = 2});
    // With a teacher, on the diagonal, too: Shortcut-Distill-F2D2 and the Lagrangian. At t = 0, where flow
    // maps live.
    const auto taught = [&](auto loss) {
        const auto trainer = [&] {
            return trainer_of(context, data, {.steps = 10, .batch = 300, .diagonal_first = 0.0}, loss, exact,
                              diamond::uniform_time{.at_zero = 1.0}, gaussian_teacher<batch>(context));
        };
        check(trainer());
        auto whole = trainer();
        auto state = whole.start();
        whole.step(state);
        const auto report = whole.report(state);
        CHECK(report.diagonal_loss < 1e-20);
        CHECK(report.diagonal_divergence_loss < 1e-20);
    };
    taught(diamond::semigroup_loss{.midpoint = true});
    taught(diamond::lagrangian_loss{});
}

namespace {
/// How many standard errors the mean gradient of each of the last layer's biases, v's two and m's, is from 0,
/// over 400 steps of other noise.
template <class Loss>
std::array<double, 3> gradient_deviation(const diamond::eigen::context& context, const options& chosen,
                                         Loss loss, double of_velocity, double of_divergence) {
    using batch = diamond::eigen::batch<double>;
    const auto data = one_point<batch>(context);
    std::array<std::vector<double>, 3> gradients;
    for (std::uint64_t run = 0; run < 400; ++run) {
        diamond_trainer trainer(small_network<batch>(context), data, philox{2}.split(run), chosen, loss,
                                diamond::both_ways_pair{}, diamond::exact_trace{});
        auto state = trainer.start();
        const index_t bias = state.theta.size() - 3;
        state.theta.data()[bias] += of_velocity;
        state.theta.data()[bias + 2] += of_divergence;
        trainer.step(state);
        // with beta_1 = 0, AdamW's mean is the gradient
        for (const index_t i : {0, 1, 2})
            gradients[static_cast<std::size_t>(i)].push_back(state.mean.data()[bias + i]);
    }
    std::array<double, 3> result{};
    for (const std::size_t i : {0U, 1U, 2U}) {
        const auto mean = statistics::average(
            400, [&](index_t k) { return gradients[i][static_cast<std::size_t>(k)]; });
        result[i] = mean.standard_error > 0.0 ? std::abs(mean.value) / mean.standard_error : 0.0;
    }
    return result;
}
} // namespace

TEST_CASE("with random targets the expected gradient vanishes at the exact joint map") {
    // Within 4.5 standard errors (7 in a million for each of a dozen numbers), and not beside the truth.
    // MeanFlow-F2D2 with a probe for the trace, whose own error vanishes here; what makes m's target random
    // is grad m . (z - eps'), of which the Gaussian's m has none: so the network's m is moved by a number,
    // whose gradient is then found.
    const diamond::eigen::context context{.threads = 2};
    const diamond::adam_w_options plain{.beta_1 = 0.0, .clip = 0.0};
    const auto check = [&](const options& chosen, auto loss) {
        const auto exact = gradient_deviation(context, chosen, loss, 0.0, 0.0),
                   velocity = gradient_deviation(context, chosen, loss, 0.3, 0.0),
                   divergence = gradient_deviation(context, chosen, loss, 0.0, 0.3);
        for (const double deviation : exact) CHECK(deviation < 4.5);
        CHECK(velocity[0] > 20.0);
        CHECK(velocity[1] < 4.5);
        CHECK(divergence[0] < 4.5);
        CHECK(divergence[2] > 20.0);
    };
    check({.steps = 10, .batch = 64, .diagonal = 0.0, .diagonal_first = 0.0, .optimiser = plain},
          diamond::mean_flow_loss{});
    // flow matching with a trace
    check({.steps = 10, .batch = 64, .diagonal = 1.0, .optimiser = plain}, diamond::lagrangian_loss{});
}

TEST_CASE("a trace of no probes, and a flow teacher off t = 0, are refused") {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 1};
    const auto data = one_point<batch>(context);
    CHECK_THROWS_WITH_AS(trainer_of(context, data, {}, diamond::hutchinson_trace<>{.probes = 0}),
                         doctest::Contains("0 probes"), std::invalid_argument);
    // and so is a teacher of flow maps where states of t > 0 are drawn, which it would be asked about as if
    // they were of t = 0
    CHECK_THROWS_WITH_AS(
        trainer_of(context, data, {}, gaussian_teacher<batch>(context), diamond::exact_trace{}),
        doctest::Contains("t = 0 alone"), std::invalid_argument);
}

TEST_CASE("Hutchinson's probes teach the trace on average") {
    // A network whose Jacobian is not diagonal: the mean of 4000 one-probe estimates of div v at one state,
    // against the exact trace, within 4.5 standard errors; each estimate is by other random signs.
    using back = back_ends::eigen<double>;
    using batch = back::batch;
    const auto context = back::make(2);
    const auto network = small_network<batch>(context);
    batch theta(context, network.parameters(), 1);
    network.initialise(philox{1}, theta.mutable_view());
    batches::perturb(theta, 0.5);
    constexpr index_t n = 4000;
    batch xbar(context, 2, n), x_t(context, 2, n), exact(context, 3, n), probed(context, 3, n);
    for (index_t e = 0; e < 2 * n; ++e) {
        xbar.data()[e] = e % 2 == 0 ? 0.4 : -0.7;
        x_t.data()[e] = 0.0;
    }
    const diamond::diamond_arguments<batch> at{xbar.read(), x_t.read(), diamond::time_view(0.0),
                                               diamond::time_view(0.6), diamond::time_view(0.6)};
    typename diamond_mlp_with_divergence<batch, linear_schedule>::workspace space;
    diamond::detail::loss_targets<diamond_mlp_with_divergence<batch, linear_schedule>, diamond::no_teacher,
                                  diamond::exact_trace>
        by_trace({}, {});
    diamond::detail::loss_targets<diamond_mlp_with_divergence<batch, linear_schedule>, diamond::no_teacher,
                                  diamond::hutchinson_trace<>>
        by_probe({}, {});
    const diamond::detail::network_with_parameters<diamond_mlp_with_divergence<batch, linear_schedule>>
        average{.network = network, .parameters = theta.data(), .workspace = space};
    by_trace.off_diagonal(average, at, diamond::labels(), {}, exact.mutable_view());
    by_probe.off_diagonal(average, at, diamond::labels(), philox{4}.stream(diamond::purpose::data),
                          probed.mutable_view());
    const auto mean = statistics::average(n, [&](index_t j) { return probed.data()[2 + 3 * j]; });
    CHECK(mean.standard_error > 1e-4);
    CHECK(std::abs(mean.value - exact.data()[2]) < 4.5 * mean.standard_error);
    CHECK(probed.data()[0] == exact.data()[0]);

    // and the exact one is the divergence of the velocity, by central differences
    double trace = 0.0;
    for (index_t i = 0; i < 2; ++i) {
        constexpr double step = 1e-5;
        double values[2];
        for (const int side : {0, 1}) {
            const double kept = xbar.data()[i];
            xbar.data()[i] = kept + (side == 1 ? step : -step);
            network(theta.data(), at, diamond::labels(), space, probed.mutable_view());
            xbar.data()[i] = kept;
            values[side] = probed.data()[i];
        }
        trace += (values[1] - values[0]) / (2 * step);
    }
    CHECK(exact.data()[2] == doctest::Approx(trace).epsilon(1e-6));
}

TEST_CASE("no bit of a joint training depends on the threads, or on a stop; learned weights are two") {
    using batch = diamond::eigen::batch<float>;
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2}) {
        const diamond::eigen::context context{.threads = threads};
        const auto data = one_point<batch>(context);
        const auto make = [&] {
            return diamond_trainer{small_network<batch>(context),
                                   data,
                                   philox{5},
                                   {.steps = 8, .batch = 300},
                                   diamond::learned_weight{},
                                   diamond::both_ways_pair{},
                                   diamond::hutchinson_trace<>{}};
        };
        auto trainer = make();
        CHECK((trainer.parameters() - trainer.network().parameters()) % 2 == 0);
        auto state = trainer.start();
        trainer.run(state, [](const auto& report) { return report.step < 3; });
        auto another = make();
        another.run(state);
        auto whole = trainer.start();
        trainer.run(whole);
        CHECK(diamond::to_host(whole.theta) == diamond::to_host(state.theta));
        results.push_back(diamond::to_host(whole.average));
    }
    CHECK(results[0] == results[1]);
}

} // namespace train_divergence_losses_test
