// The losses at the exact map and beside it, the law of the training states, the same bits on any number of
// threads and after a resume, and a short training on a mixture whose posterior is known.
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/train/diamond_trainer.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/numbers.hpp"
#include "support/statistics.hpp"

namespace train_diamond_trainer_test {

using diamond::diamond_mlp, diamond::diamond_trainer, diamond::gaussian_frame, diamond::index_t,
    diamond::linear_schedule, diamond::philox, diamond::training_set;

namespace {

/// One point: with a bandwidth, the law is a Gaussian, whose own map the network is when its last layer is 0.
template <class Batch, class Context>
training_set<Batch> one_point(const Context& context) {
    return {diamond::from_host<typename Batch::value_type>(
                context, 2, 1, {typename Batch::value_type(0.5), typename Batch::value_type(-1)}),
            0.7};
}
template <class Batch, class Context>
diamond_mlp<Batch, linear_schedule> small_network(const Context& context, index_t classes = 0) {
    return {{},
            gaussian_frame<Batch>(context, {{0.5, -1.0}, {0.49, 0.49}, {}}),
            {.mlp = {.width = 16, .blocks = 1}, .classes = classes}};
}

} // namespace

TEST_CASE_TEMPLATE(
    "at the exact map every loss with a deterministic target is 0 and its gradient vanishes; beside it, not",
    back, DOUBLE_BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    const auto data = one_point<batch>(context);
    const auto check = [&](const auto& loss) {
        diamond_trainer trainer{small_network<batch>(context),
                                data,
                                philox{1},
                                {.steps = 10, .batch = 300, .diagonal = 0.0, .diagonal_first = 0.0},
                                loss,
                                diamond::square_pair{}};
        auto state = trainer.start();
        trainer.step(state);
        const auto report = trainer.report(state);
        CHECK(report.off_diagonal_loss < 1e-20);
        CHECK(report.gradient_norm < 1e-8);
        state = trainer.start();
        batches::perturb(state.theta, 0.1);
        trainer.step(state);
        const auto beside = trainer.report(state);
        CHECK(beside.off_diagonal_loss > 1e-5);
        CHECK(beside.gradient_norm > 1e-3);
    };
    check(diamond::lagrangian_loss{});
    check(diamond::eulerian_loss{});
    check(diamond::eulerian_loss{.fixed = diamond::held_fixed::average});
    check(diamond::semigroup_loss{});
    check(diamond::semigroup_loss{.midpoint = true, .fixed = diamond::held_fixed::student});
    // With GLASS of the exact velocity as the teacher the same holds, on the diagonal, too.
    const diamond::gaussian<batch, linear_schedule> exact(context, {}, {0.5, -1.0}, {0.49, 0.0, 0.0, 0.49});
    diamond_trainer taught(small_network<batch>(context), data, philox{1},
                           {.steps = 10, .batch = 300, .diagonal_first = 0.0},
                           diamond::glass_teacher(linear_schedule{}, exact));
    auto state = taught.start();
    taught.step(state);
    const auto lesson = taught.report(state);
    CHECK(lesson.diagonal_loss < 1e-20);
    CHECK(lesson.off_diagonal_loss < 1e-20);
    CHECK(lesson.gradient_norm < 1e-8);
}

namespace {
/// How many standard errors the mean gradient of the last layer's two biases is from 0, over 400 steps of
/// other noise.
template <class Loss>
std::array<double, 2> gradient_deviation(const diamond::eigen::context& context,
                                         const diamond::diamond_training_options& options, Loss loss,
                                         double offset) {
    using batch = diamond::eigen::batch<double>;
    const auto data = one_point<batch>(context);
    std::array<std::vector<double>, 2> gradients;
    for (std::uint64_t run = 0; run < 400; ++run) {
        diamond_trainer trainer(small_network<batch>(context), data, philox{2}.split(run), options, loss);
        auto state = trainer.start();
        const index_t bias = state.theta.size() - 2;
        state.theta.data()[bias] += offset;
        trainer.step(state);
        // with beta_1 = 0, AdamW's mean is the gradient
        for (const index_t i : {0, 1})
            gradients[static_cast<std::size_t>(i)].push_back(state.mean.data()[bias + i]);
    }
    std::array<double, 2> result{};
    for (const std::size_t i : {0U, 1U}) {
        const auto mean = statistics::average(
            400, [&](index_t k) { return gradients[i][static_cast<std::size_t>(k)]; });
        result[i] = std::abs(mean.value) / mean.standard_error;
    }
    return result;
}
} // namespace

TEST_CASE("with random targets the expected gradient vanishes at the exact map") {
    // Within 4.5 standard errors (7 in a million for each of four numbers), and not for a network beside the
    // truth: flow matching, and MeanFlow.
    const diamond::eigen::context context{.threads = 2};
    const diamond::adam_w_options plain{.beta_1 = 0.0, .clip = 0.0};
    const auto check = [&](const diamond::diamond_training_options& options, auto loss) {
        const auto exact = gradient_deviation(context, options, loss, 0.0),
                   beside = gradient_deviation(context, options, loss, 0.3);
        CHECK(exact[0] < 4.5);
        CHECK(exact[1] < 4.5);
        CHECK(beside[0] > 20.0);
        CHECK(beside[1] < 4.5);
    };
    check({.steps = 10, .batch = 64, .diagonal = 1.0, .optimiser = plain}, diamond::lagrangian_loss{});
    check({.steps = 10, .batch = 64, .diagonal = 0.0, .diagonal_first = 0.0, .optimiser = plain},
          diamond::mean_flow_loss{});
}

TEST_CASE("no bit of a training depends on the threads, or on a stop") {
    using batch = diamond::eigen::batch<float>;
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2, 3}) {
        const diamond::eigen::context context{.threads = threads};
        training_set<batch> data(diamond::from_host<float>(context, 2, 3, {0, 1, 2, -1, -2, 0.5f}), 0.3,
                                 {0, 1, 1});
        const diamond::diamond_training_options options{.steps = 12, .batch = 700};
        diamond_trainer trainer(small_network<batch>(context, 2), data, philox{5}, options);
        auto state = trainer.start();
        trainer.run(state, [](const auto& report) { return report.step < 5; });
        CHECK(state.step == 6);
        // Another trainer goes on where the first stopped.
        diamond_trainer another(small_network<batch>(context, 2), data, philox{5}, options);
        another.run(state);
        CHECK(state.step == 12);
        results.push_back(diamond::to_host(state.average));
        auto whole = trainer.start();
        trainer.run(whole);
        CHECK(diamond::to_host(whole.theta) == diamond::to_host(state.theta));
        CHECK(diamond::to_host(whole.average) == results.back());
    }
    CHECK(results[0] == results[1]);
    CHECK(results[0] == results[2]);
}

TEST_CASE(
    "a short training on an asymmetric mixture comes near its posterior, with a teacher and without one") {
    // Posterior means at t = 0.5 against the exact D, root mean square in units of the exact posterior's
    // deviation. The Gaussian that the network starts from misses by more than 0.6; 1000 small steps were
    // measured to leave 0.27 and 0.16.
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    const training_set<batch> data(diamond::from_host<float>(context, 2, 4, {-2, 0, 2, 1, 2, 1, 1.5f, -2}),
                                   0.3);
    const auto model = diamond::data_mixture(context, linear_schedule{}, data.points().read(),
                                             data.bandwidth());
    const gaussian_frame<batch> frame(context, diamond::fit_gaussian_frame(data));
    const auto inside = diamond::in_coordinates_of(frame, data);
    const auto rotated_model = diamond::data_mixture(context, linear_schedule{}, inside.points().read(),
                                                     data.bandwidth());
    const diamond_mlp<batch, linear_schedule> network(
        {}, gaussian_frame<batch>(context, diamond::in_own_coordinates(frame.numbers())),
        {.mlp = {.width = 64, .blocks = 2}});
    const diamond::diamond_training_options options{
        .steps = 1000, .batch = 512, .rate = {.peak = 1e-2}, .average = 0.99};

    const auto error_of = [&](const auto& trained_parameters) {
        const diamond_mlp<batch, linear_schedule> outside({}, frame, network.options());
        diamond::diamond_map_posterior draws{diamond::network_diamond_map{diamond::trained_network(
            outside, diamond::from_host<float>(context, network.parameters(), 1, trained_parameters))}};
        diamond::exact_posterior exact{model};
        const index_t n = 200, samples = 64;
        batch x(context, 2, n), z(context, 2, n), found(context, 2, n * samples),
            expected(context, 2, n * samples);
        model.draw(philox{3}.stream(diamond::purpose::user), z.mutable_view());
        diamond::draw_normal(philox{4}.stream(diamond::purpose::user), x.mutable_view());
        for (index_t e = 0; e < 2 * n; ++e) x.data()[e] = 0.5f * (x.data()[e] + z.data()[e]);
        draws(x.read(), 0.5, diamond::labels(), philox{5}.stream(diamond::purpose::value, 0, samples),
              found.mutable_view());
        exact(x.read(), 0.5, {}, philox{6}.stream(diamond::purpose::value, 0, samples),
              expected.mutable_view());
        double error = 0.0, variance = 0.0;
        for (index_t j = 0; j < n; ++j)
            for (index_t i = 0; i < 2; ++i) {
                const auto moments = [&](const batch& b) {
                    return statistics::average(samples, [&](index_t m) {
                        return static_cast<double>(b.data()[i + 2 * (j * samples + m)]);
                    });
                };
                const auto a = moments(found), b = moments(expected);
                error += diamond::square(a.value - b.value) - diamond::square(a.standard_error) -
                         diamond::square(b.standard_error);
                variance += diamond::square(b.standard_error) * static_cast<double>(samples);
            }
        return std::sqrt(std::max(error, 0.0) / variance);
    };
    diamond_trainer alone(network, inside, philox{1}, options);
    auto state = alone.start();
    CHECK(error_of(diamond::to_host(state.theta)) > 0.6);
    alone.run(state);
    const double without = error_of(diamond::to_host(state.average));
    diamond_trainer taught(network, inside, philox{1}, options,
                           diamond::glass_teacher(linear_schedule{}, rotated_model));
    state = taught.start();
    taught.run(state);
    const double with = error_of(diamond::to_host(state.average));
    MESSAGE("error of the posterior mean without a teacher ", without, ", with ", with);
    CHECK(without < 0.4);
    CHECK(with < 0.3);
}

TEST_CASE("options and data that do not fit are refused") {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 1};
    const auto data = one_point<batch>(context);
    const auto with = [&](const diamond::diamond_training_options& options) {
        diamond_trainer trainer(small_network<batch>(context), data, philox{1}, options);
    };
    CHECK_THROWS_WITH_AS(with({.steps = 0}), doctest::Contains("0 steps of 512 columns"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.diagonal = 1.5}), doctest::Contains("1.5"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(training_set<batch>(diamond::from_host<double>(context, 2, 1, {0.0, 1.0}), -0.1),
                         doctest::Contains("bandwidth"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        training_set<batch>(diamond::from_host<double>(context, 2, 1, {0.0, 1.0}), 0.1, {1, 2}),
        doctest::Contains("1 points was given 2 labels"), std::invalid_argument);
    const gaussian_frame<batch> turned(context, {{0.0, 0.0}, {1.0, 1.0}, {0.0, 1.0, 1.0, 0.0}});
    CHECK_THROWS_WITH_AS(diamond_trainer(diamond_mlp<batch, linear_schedule>({}, turned), data, philox{1}),
                         doctest::Contains("rotate the points"), std::invalid_argument);
}

TEST_CASE("a learned weight becomes the logarithm of the loss, and joins the state") {
    // Diagonal losses alone: at t = 0, where the variance floor halves the loss, its mean is 1/2 for all s.
    // In 400 steps w comes from 0 to log 1/2; it is asked to within 0.42, which 0 is not.
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 2};
    const auto data = one_point<batch>(context);
    const diamond::diamond_training_options options{
        .steps = 400, .batch = 256, .diagonal = 1.0, .variance_floor = 0.49, .rate = {.peak = 1e-2}};
    const auto network = small_network<batch>(context);
    diamond_trainer trainer(network, data, philox{3}, options, diamond::learned_weight{});
    auto state = trainer.start();
    CHECK(state.theta.size() == trainer.parameters());
    CHECK(trainer.parameters() > network.parameters());
    trainer.run(state);
    // w at t = 0, where the spread is 0.49 and the floor halves the loss: log 0.5 for all s
    const diamond::dense_stack<batch> stack(diamond::mlp_layers(9, 1, {.width = 32, .blocks = 1}));
    diamond::dense_stack<batch>::workspace space;
    for (const double s : {0.2, 0.5, 0.8}) {
        batch in(context, 9, 1), w(context, 1, 1);
        diamond::detail::weight_inputs<batch>{.t = 0.0, .s = s, .r = s, .inputs = in}(0);
        stack.forward(context, state.theta.data() + network.parameters(), {in.data()}, 1, {w.data()}, space);
        CHECK(w.data()[0] == doctest::Approx(std::log(0.5)).epsilon(0.25));
    }
}

} // namespace train_diamond_trainer_test
