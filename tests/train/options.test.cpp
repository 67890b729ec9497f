// Options of a training that mean nothing are refused by their name, with the number, before the first step;
// and so are data in units that no training sees anything of.
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include <diamond/diamond.hpp>

#include "support/back_ends.hpp"

namespace train_options_test {

using diamond::diamond_mlp, diamond::diamond_trainer, diamond::diamond_training_options,
    diamond::gaussian_frame, diamond::index_t, diamond::linear_schedule, diamond::philox,
    diamond::training_set;

namespace {

using batch = diamond::eigen::batch<float>;

const diamond::eigen::context& where() {
    static const diamond::eigen::context context{.threads = 1};
    return context;
}
auto points(double scale, double mean = 0.0) {
    std::vector<float> numbers;
    for (const double x : {-2.0, 0.0, 2.0, 1.0, 1.5, -2.0})
        numbers.push_back(static_cast<float>(mean + scale * x));
    return diamond::from_host<float>(where(), 2, 3, numbers);
}
diamond_mlp<batch, linear_schedule> network() {
    return {
        {}, gaussian_frame<batch>(where(), {{0.0, 0.0}, {2.0, 2.0}, {}}), {.mlp = {.width = 6, .blocks = 1}}};
}

/// What the trainer's constructor says of these options and policies; nothing if it takes them.
template <class... Policies>
std::string said(const diamond_training_options& options, Policies... policies) {
    const training_set<batch> data(points(1.0), 0.1);
    try {
        diamond_trainer trainer(network(), data, philox{1}, options, policies...);
        return "";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}
constexpr diamond_training_options brief{.steps = 5, .batch = 8};
/// Sets a number of the options, or of a policy, each bad one refused by name with its digits, each good one
/// taken.
template <class Options = diamond_training_options, class Set>
void check(const std::string& name, const std::vector<double>& bad, const std::vector<double>& good,
           const Set& set) {
    CAPTURE(name);
    const auto with = [&](double number) {
        if constexpr (std::is_same_v<Options, diamond_training_options>) {
            auto options = brief;
            set(options, number);
            return said(options);
        } else {
            Options policy;
            set(policy, number);
            return said(brief, policy);
        }
    };
    for (const double number : bad) {
        const std::string message = with(number);
        CAPTURE(number);
        CAPTURE(message);
        CHECK(message.find(name + " is " + diamond::digits_of(number)) != std::string::npos);
    }
    for (const double number : good) CHECK(with(number) == "");
}
const std::vector<double> no_shares{-1e-9, -1.0, 1.0 + 1e-9, 2.0, NAN, INFINITY, -INFINITY},
    shares{0.0, 0.5, 1.0};
const std::vector<double> negative{-1e-9, -1.0, NAN, INFINITY, -INFINITY}, not_negative{0.0, 1e-9, 3.0};
const std::vector<double> not_positive{0.0, -0.1, NAN, INFINITY}, positive{1e-9, 3.0};

} // namespace

TEST_CASE("every option of a training is refused by its name where it means nothing") {
    const auto count = [](double x) { return static_cast<index_t>(x); };
    CHECK(said({.steps = 0, .batch = 8}).find("training of 0 steps of 8 columns") != std::string::npos);
    CHECK(said({.steps = 5, .batch = -3}).find("training of 5 steps of -3 columns") != std::string::npos);
    check("report_every", {0, -3}, {1, 7}, [&](auto& o, double x) { o.report_every = count(x); });
    check("diagonal", no_shares, shares, [](auto& o, double x) { o.diagonal = x; });
    check("diagonal_first", no_shares, shares, [](auto& o, double x) { o.diagonal_first = x; });
    check("condition_dropout", no_shares, shares, [](auto& o, double x) { o.condition_dropout = x; });
    check("variance_floor", negative, not_negative, [](auto& o, double x) { o.variance_floor = x; });
    check("off_diagonal", negative, not_negative, [](auto& o, double x) { o.off_diagonal = x; });
    check("divergence", negative, not_negative, [](auto& o, double x) { o.divergence = x; });
    check("average", no_shares, shares, [](auto& o, double x) { o.average = x; });
    check("rate.peak", negative, not_negative, [](auto& o, double x) { o.rate.peak = x; });
    check("rate.warm_up", {-1}, {0, 3}, [&](auto& o, double x) { o.rate.warm_up = count(x); });
    check("rate.decay", no_shares, shares, [](auto& o, double x) { o.rate.decay = x; });
    check("optimiser.beta_1", {-0.1, 1.0, 2.0, NAN}, {0.0, 0.9},
          [](auto& o, double x) { o.optimiser.beta_1 = x; });
    check("optimiser.beta_2", {-0.1, 1.0, 2.0, NAN}, {0.0, 0.9},
          [](auto& o, double x) { o.optimiser.beta_2 = x; });
    check("optimiser.epsilon", {0.0, -1e-8, 1e-50, NAN, INFINITY}, {1e-30, 1e-8},
          [](auto& o, double x) { o.optimiser.epsilon = x; }); // 1e-50 is 0 in float
    check("optimiser.weight_decay", negative, not_negative,
          [](auto& o, double x) { o.optimiser.weight_decay = x; });
    check("optimiser.clip", {-1.0, NAN, -INFINITY}, {0.0, 1.0, INFINITY},
          [](auto& o, double x) { o.optimiser.clip = x; });
    check<diamond::adaptive_weight>("weighting.power", negative, not_negative,
                                    [](auto& o, double x) { o.power = x; });
    check<diamond::adaptive_weight>("weighting.c", not_positive, positive,
                                    [](auto& o, double x) { o.c = x; });
    check<diamond::adaptive_weight>("weighting.random_power", negative, not_negative,
                                    [](auto& o, double x) { o.random_power = x; });
    check<diamond::uniform_time>("uniform_time: at_zero", no_shares, shares,
                                 [](auto& o, double x) { o.at_zero = x; });
    check<diamond::triangle_pair>("triangle_pair: at_zero", no_shares, shares,
                                  [](auto& o, double x) { o.at_zero = x; });
    check<diamond::triangle_pair>("triangle_pair: at_one", no_shares, shares,
                                  [](auto& o, double x) { o.at_one = x; });

    check<diamond::logit_normal_time>("logit_normal_time: at_zero", no_shares, shares,
                                      [](auto& o, double x) { o.at_zero = x; });
    check<diamond::logit_normal_time>("logit_normal_time: mean", {NAN, INFINITY}, {-3.0, 0.0},
                                      [](auto& o, double x) { o.mean = x; });
    check<diamond::logit_normal_time>("logit_normal_time: deviation", negative, not_negative,
                                      [](auto& o, double x) { o.deviation = x; });
    check<diamond::both_ways_pair>("both_ways_pair: at_end", {-0.1, 0.6, NAN}, {0.0, 0.5},
                                   [](auto& o, double x) { o.at_end = x; });
    check<diamond::both_ways_pair>("both_ways_pair: whole", no_shares, shares,
                                   [](auto& o, double x) { o.whole = x; });
    check<diamond::learned_weight>("weighting.width", {0, -4}, {1, 5},
                                   [&](auto& o, double x) { o.width = count(x); });
    check<diamond::square_pair>("square_pair: at_zero", no_shares, shares,
                                [](auto& o, double x) { o.at_zero = x; });

    // An optimiser of one's own loop, too.
    batch four[] = {batch(where(), 2, 1), batch(where(), 2, 1), batch(where(), 2, 1), batch(where(), 2, 1)};
    diamond::clipped_norm norm;
    CHECK_THROWS_WITH_AS(diamond::adam_w<batch>({.beta_1 = 1.5}, {.k = 0, .rate = 0.1},
                                                {four[0], four[1], four[2]}, four[3].read(), &norm),
                         doctest::Contains("optimiser.beta_1 is 1.5"), std::invalid_argument);
}

TEST_CASE("and so is the shape of a network") {
    const gaussian_frame<batch> frame(where(), {{0.0}, {1.0}, {}});
    const auto with = [&](const diamond::diamond_mlp_options& options) {
        diamond_mlp<batch, linear_schedule> network({}, frame, options);
    };
    CHECK_NOTHROW(with({.mlp = {.width = 1, .blocks = 0}}));
    CHECK_THROWS_WITH_AS(with({.mlp = {.width = 0}}), doctest::Contains("width is 0"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.mlp = {.width = -8}}), doctest::Contains("width is -8"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.mlp = {.width = index_t{1} << 40}}),
                         doctest::Contains("width is 1099511627776"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.mlp = {.blocks = -1}}), doctest::Contains("blocks are -1"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.mlp = {.blocks = 1 << 20}}), doctest::Contains("blocks are 1048576"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.mlp = {.nonlinearity = static_cast<diamond::activation>(7)}}),
                         doctest::Contains("nonlinearity is 7"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.mlp = {.norm = static_cast<diamond::normalisation>(3)}}),
                         doctest::Contains("norm is 3"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.mlp = {.norm = diamond::normalisation::rms, .norm_epsilon = 0.0}}),
                         doctest::Contains("a norm of epsilon 0"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with({.classes = -1}), doctest::Contains("-1 classes"), std::invalid_argument);
}

namespace {
/// Times of a user's own, of which some are none.
struct wild_time {
    [[nodiscard]] double operator()(double, double u) const { return 1.5 * u; }
};
} // namespace

TEST_CASE("a sampler that draws times outside [0, 1] is found at the step, which changes nothing") {
    const training_set<batch> data(points(1.0), 0.1);
    diamond_trainer trainer(network(), data, philox{1}, {.steps = 5, .batch = 32}, wild_time{});
    auto state = trainer.start();
    const auto before = diamond::to_host(state.theta);
    CHECK_THROWS_WITH_AS(trainer.step(state), doctest::Contains("a time outside [0, 1]"),
                         diamond::numeric_error);
    CHECK(state.step == 0);
    CHECK(diamond::to_host(state.theta) == before);
}

TEST_CASE("data in units that no training sees anything of are refused, and those that are not numbers") {
    const auto trained = [](batch of, double bandwidth) {
        const training_set<batch> data(std::move(of), bandwidth);
        const gaussian_frame<batch> frame(where(), diamond::fit_gaussian_frame(data));
        const auto inside = diamond::in_coordinates_of(frame, data);
        diamond_trainer trainer(
            diamond_mlp<batch, linear_schedule>(
                {}, gaussian_frame<batch>(where(), diamond::in_own_coordinates(frame.numbers())),
                {.mlp = {.width = 6, .blocks = 1}}),
            inside, philox{1}, {.steps = 3, .batch = 16});
        auto state = trainer.start();
        trainer.run(state);
        for (const float parameter : diamond::to_host(trainer.averaged(state)))
            CHECK(std::isfinite(parameter));
    };
    CHECK_NOTHROW(trained(points(1.0), 0.1));
    CHECK_NOTHROW(trained(points(0.02), 0.002));
    CHECK_NOTHROW(trained(points(40.0), 4.0));
    CHECK_NOTHROW(trained(points(1.0, 1e4), 0.1));
    for (const double scale : {1e-3, 1e-8, 1e-20, 1e-37, 1e3, 1e8, 1e20, 1e36}) {
        CAPTURE(scale);
        CHECK_THROWS_WITH_AS(trained(points(scale), 0.1 * scale), doctest::Contains("deviation"),
                             std::invalid_argument);
    }
    CHECK_THROWS_WITH_AS(trained(points(1.0, 1e7), 0.1), doctest::Contains("subtract the mean"),
                         std::invalid_argument);
    // The variances are 1 + 1/4 and 1/4.
    const training_set<batch> known(diamond::from_host<float>(where(), 2, 2, {1, 5, 3, 5}), 0.5);
    CHECK(known.deviation() == doctest::Approx(std::sqrt(0.75)));
    CHECK(known.largest_mean() == 5.0);

    for (const float bad : {NAN, INFINITY, -INFINITY}) {
        auto spoilt = points(1.0);
        spoilt.data()[3] = bad;
        CHECK_THROWS_WITH_AS(
            training_set<batch>(std::move(spoilt), 0.1),
            doctest::Contains(("point 1 has " + diamond::digits_of(bad) + " as coordinate 1").c_str()),
            std::invalid_argument);
    }
    for (const double bandwidth :
         {-0.1, static_cast<double>(NAN), static_cast<double>(INFINITY), 1e39}) // 1e39 is infinite in float
        CHECK_THROWS_WITH_AS(training_set<batch>(points(1.0), bandwidth), doctest::Contains("bandwidth"),
                             std::invalid_argument);
    CHECK_THROWS_WITH_AS(training_set<batch>(batch(where(), 2, 0), 0.1), doctest::Contains("needs points"),
                         std::invalid_argument);

    // A sample is noise of 1 and what is added to it: of 1e-8 float has no digit left, double has.
    CHECK_THROWS_WITH_AS(gaussian_frame<batch>(where(), {{0.0}, {1e-16}, {}}),
                         doctest::Contains("a Gaussian frame of deviation 1e-08"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(gaussian_frame<batch>(where(), {{1e39}, {1.0}, {}}),
                         doctest::Contains("largest number 1e+39"), std::invalid_argument);
    CHECK_NOTHROW(gaussian_frame<diamond::eigen::batch<double>>(where(), {{0.0}, {1e-16}, {}}));
    // a direction in which the data hardly differ
    CHECK_NOTHROW(gaussian_frame<batch>(where(), {{0.0, 0.0}, {1e-16, 1.0}, {}}));
}

namespace {
/// A network whose inner flow is not the one that a training draws along.
struct other_inner_flow : diamond_mlp<batch, linear_schedule> {
    [[nodiscard]] diamond::cosine_schedule inner_schedule() const { return {}; }
};
} // namespace

TEST_CASE("a network with another inner schedule is refused: it would be trained on the wrong law") {
    const training_set<batch> data(points(1.0), 0.1);
    CHECK_THROWS_WITH_AS((diamond_trainer{other_inner_flow{network()}, data, philox{1}, brief}),
                         doctest::Contains("the linear inner schedule"), std::invalid_argument);
}

} // namespace train_options_test
