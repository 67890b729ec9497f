/// Gradient-free guidance by few draws has the right mean to first order in the reward, whatever their
/// number, in pairs and by weights; what stronger rewards leave of it is known, and said.
///
/// A reward that varies by 0.02 among the draws leaves relative errors of 4e-4; N particles of the same x
/// measure the mean with its own standard error, and bounds are 5 of these.
#include <doctest/doctest.h>

#include <diamond/random/draw.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/posterior_value.hpp>

#include "estimates.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"

namespace value_few_draws_test {

using diamond::index_t;

namespace {

constexpr index_t particles = 20'000;

template <class View>
struct bend {
    double by;
    View z;
    DIAMOND_HD void operator()(index_t j) const {
        z(0, j) = static_cast<typename View::value_type>(z(0, j) + by * z(0, j) * z(0, j));
    }
};
struct unequal_weights {
    double* out;
    DIAMOND_HD void operator()(index_t m) const { out[m] = m % 2 == 0 ? 0.0 : 1.0; }
};
/// z = e + by e^2, whatever x is: variance 1 + 2 by^2, of which pairs of opposite noise share the last part.
template <class Batch>
struct bent_draws {
    using batch_type = Batch;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    double by;
    [[nodiscard]] index_t dimension() const { return 1; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    [[nodiscard]] bool exact() const { return true; }
    void operator()(const_view, double, diamond::no_condition, diamond::noise_stream stream, view out) const {
        diamond::draw_normal(stream, out);
        out.context().for_each(out.columns(), bend<view>{by, out});
    }
};
/// These are bent_draws of which every other draw is counted e times: its weights say nothing of z.
template <class Batch>
struct weighted_draws : bent_draws<Batch> {
    using typename bent_draws<Batch>::view;
    using typename bent_draws<Batch>::const_view;
    void operator()(const_view x, double t, diamond::no_condition c, diamond::noise_stream stream, view out,
                    diamond::row_t<Batch> log_weights) const {
        bent_draws<Batch>::operator()(x, t, c, stream, out);
        out.context().for_each(out.columns(), unequal_weights{log_weights.data()});
    }
};
template <class Real>
struct slope {
    static constexpr bool column_parallel = true;
    double by;
    DIAMOND_HD double operator()(diamond::column_view<const Real> z) const {
        return by * static_cast<double>(z[0]);
    }
};

/// All but what no draw reaches is forbidden.
template <class Real>
struct beyond_all_draws {
    static constexpr bool column_parallel = true;
    DIAMOND_HD double operator()(diamond::column_view<const Real> z) const {
        return z[0] > Real{100} ? 0.0 : -diamond::infinity;
    }
};

/// Guidance over what it stands for to first order, 1/(1 - t) times `by` times the variance of z.
template <class Back, class Sampler>
auto share(const typename Back::context& context, const Sampler& sampler, double reward,
           diamond::posterior_value_options options, std::vector<std::string>* warnings = nullptr) {
    typename Back::batch x(context, 1, particles), out(context, 1, particles);
    diamond::combine(diamond::coefficients<1>(diamond::numbers<1>{{0.0}}), x.mutable_view(), x.read());
    diamond::posterior_value value{sampler, slope<typename Back::real>{reward}, options};
    constexpr double t = 0.5;
    value.guidance(x, t, {}, diamond::philox{3}.stream(diamond::purpose::value, 1), out);
    if (warnings) *warnings = value.guidance_warnings();
    const auto host = diamond::to_host(out);
    return statistics::average(particles, [&](index_t j) {
        return static_cast<double>(host[static_cast<std::size_t>(j)]) * (1.0 - t) /
               (reward * (1.0 + 2.0 * sampler.by * sampler.by));
    });
}

/// E f(e), e ~ N(0, 1), by the trapezoid, which is exact here.
template <class F>
double normal_mean(const F& f) {
    constexpr double step = 0.01;
    double sum = 0.0;
    for (double e = -10.0; e <= 10.0; e += step)
        sum += f(e) * std::exp(-0.5 * e * e) * step / std::sqrt(2.0 * diamond::pi);
    return sum;
}

} // namespace

TEST_CASE_TEMPLATE(
    "guidance by few draws has the right mean where the reward is weak: plain, in pairs, by weights", back,
    BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    constexpr double weak = 0.02;
    const auto check = [&](const auto& sampler, diamond::posterior_value_options options) {
        CAPTURE(options.samples);
        CAPTURE(options.antithetic);
        const auto found = share<back>(context, sampler, weak, options);
        CHECK(std::abs(found.value - 1.0) < 5.0 * found.standard_error + 0.01);
        CHECK(found.standard_error < 0.05);
    };
    for (const index_t samples : {2, 3, 8}) {
        check(bent_draws<batch>{0.0}, {.samples = samples});
        check(bent_draws<batch>{0.6}, {.samples = samples});
        check(weighted_draws<batch>{{0.6}}, {.samples = samples});
    }
    check(bent_draws<batch>{0.0}, {.samples = 2, .antithetic = true});
    for (const index_t samples : {4, 8}) {
        check(bent_draws<batch>{0.6}, {.samples = samples, .antithetic = true});
        check(weighted_draws<batch>{{0.6}}, {.samples = samples, .antithetic = true});
    }
    // One pair does not know what its draws share.
    const auto one_pair = share<back>(context, bent_draws<batch>{0.6}, weak,
                                      {.samples = 2, .antithetic = true});
    CHECK(std::abs(one_pair.value - 1.0 / 1.72) < 5.0 * one_pair.standard_error + 0.01);
}

TEST_CASE_TEMPLATE("what a strong reward leaves of guidance by two draws is known, and warned of", back,
                   TWO_BACK_ENDS) {
    // Two draws: the difference of the soft weights is tanh of half that of the rewards, D ~ N(0, 2 s^2), and
    // E D tanh(D/2) = 2 s^2 E 1/2 sech^2(D/2).
    const auto context = back::make(2);
    const bent_draws<typename back::batch> draws{0.0};
    for (const double strong : {0.5, 1.0, 3.0}) {
        CAPTURE(strong);
        std::vector<std::string> warnings;
        const auto found = share<back>(context, draws, strong, {.samples = 2}, &warnings);
        const double wanted = normal_mean(
            [&](double e) { return 1.0 / diamond::square(std::cosh(std::sqrt(0.5) * strong * e)); });
        CHECK(std::abs(found.value - wanted) < 5.0 * found.standard_error);
        REQUIRE(warnings.size() == 1);
        char said[16];
        std::snprintf(said, sizeof said, "%.2g", wanted);
        CAPTURE(warnings[0]);
        const auto at = warnings[0].find("about ");
        REQUIRE(at != std::string::npos);
        // two digits, and the spread of the mean
        CHECK(std::abs(std::stod(warnings[0].substr(at + 6)) - wanted) < 0.015);
    }
    std::vector<std::string> warnings;
    static_cast<void>(share<back>(context, draws, 1.0, {.samples = 128}, &warnings));
    CHECK(warnings.empty());
    static_cast<void>(share<back>(context, draws, 0.1, {.samples = 2}, &warnings));
    CHECK(warnings.empty());
    // One pair: the weights differ by tanh of the reward.
    const auto pair = share<back>(context, draws, 1.0, {.samples = 2, .antithetic = true}, &warnings);
    CHECK(std::abs(pair.value - normal_mean([](double e) { return 1.0 / diamond::square(std::cosh(e)); })) <
          5.0 * pair.standard_error);
    CHECK(warnings.size() == 1);
}

TEST_CASE_TEMPLATE("guidance by draws that are all forbidden is none of the tilt, and is warned of", back,
                   TWO_BACK_ENDS) {
    const auto context = back::make(2);
    typename back::batch x(context, 1, 10), out(context, 1, 10);
    diamond::draw_normal(diamond::philox{4}.stream(diamond::purpose::initial), x.mutable_view());
    for (const bool pairs : {false, true}) {
        diamond::posterior_value value{bent_draws<typename back::batch>{0.0},
                                       beyond_all_draws<typename back::real>{},
                                       {.samples = 4, .antithetic = pairs}};
        value.guidance(x, 0.5, {}, diamond::philox{3}.stream(diamond::purpose::value, 1), out);
        for (const auto g : diamond::to_host(out)) CHECK(std::abs(g) < 1e-5);
        const std::vector<std::string> warnings = value.guidance_warnings();
        REQUIRE(warnings.size() == 1);
        CAPTURE(warnings[0]);
        CHECK(warnings[0].find("a share of about 0 of the tilt") != std::string::npos);
    }
}

} // namespace value_few_draws_test
