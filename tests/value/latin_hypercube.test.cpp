// posterior_value with draws of a Latin hypercube: exp V is unbiased, V has less variance than by independent
// draws or pairs, guidance is right where the tilt is weak, and log Z of SMC errs no more. It prints the
// figures of docs/mathematics.md.
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/smc.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/time_grid.hpp>
#include <diamond/value/posterior_value.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/statistics.hpp"

namespace value_latin_hypercube_test {

using diamond::index_t, diamond::philox, diamond::purpose;
using linear = diamond::linear_schedule;
using back = back_ends::eigen<double>;
using batch = back::batch;
using options = diamond::posterior_value_options;

namespace {

/// N(0, I), or two parts of means -1 and 1 and variances 0.5 and 0.3, of which half of the coordinates are
/// seen as 1 with s = 0.2.
diamond::gaussian_mixture<batch, linear> data(const diamond::eigen::context& context, index_t d, bool parts) {
    const auto size = static_cast<std::size_t>(d);
    if (!parts) return {context, {}, {1.0}, std::vector<double>(size, 0.0), {1.0}};
    std::vector<double> means(size, -1.0);
    means.resize(2 * size, 1.0);
    return {context, {}, {0.5, 0.5}, means, {0.5, 0.3}};
}
auto seen(const diamond::eigen::context& context, index_t d) {
    std::vector<index_t> half;
    for (index_t i = 0; i < d / 2; ++i) half.push_back(i);
    return diamond::gaussian_measurement_reward(context, diamond::mask_measurement<batch>(context, d, half),
                                                std::vector<double>(static_cast<std::size_t>(d / 2), 1.0),
                                                0.2);
}
/// The three kinds of noise, of M draws.
std::array<options, 3> kinds(index_t samples) {
    return {options{.samples = samples}, options{.samples = samples, .antithetic = true},
            options{.samples = samples, .latin_hypercube = true}};
}
struct spread {
    double of_value, of_exponential; ///< variances of V and of exp V over its square, means over particles
    statistics::estimate ratio;      ///< of exp V and the exact one
};
/// Of `repeats` values of each of so many particles that the tilted law has at time t.
template <class Model, class Reward>
spread spread_of(const diamond::eigen::context& context, const Model& model, const Reward& reward, double t,
                 const options& noise) {
    constexpr index_t particles = 100, repeats = 60;
    const index_t d = model.dimension();
    const auto tilted = model.tilted(reward.quadratic_form()).tilted;
    batch z(context, d, particles), eps(context, d, particles), x(context, d, particles * repeats);
    tilted.draw(philox{1}.stream(purpose::data), z.mutable_view());
    diamond::draw_normal(philox{2}.stream(purpose::data), eps.mutable_view());
    assign(z, t * z + (1.0 - t) * eps);
    diamond::repeat_columns(z.read(), repeats, x.mutable_view());
    diamond::rebind_t<batch, double> found(context, 1, particles * repeats), exact(context, 1, particles);
    diamond::posterior_value value{diamond::exact_posterior{model}, reward, noise};
    value(x.read(), t, {}, philox{3}.stream(purpose::value, 1), {.value = row(found)});
    diamond::exact_value truth{model, reward};
    truth(z.read(), t, {}, {}, {.value = row(exact)});
    spread result{};
    std::vector<double> ratios;
    for (index_t j = 0; j < particles; ++j) {
        double sums[4] = {};
        for (index_t k = 0; k < repeats; ++k) {
            const double v = found.data()[j * repeats + k] - exact.data()[j];
            const double terms[] = {v, v * v, std::exp(v), std::exp(2.0 * v)};
            for (int i = 0; i < 4; ++i) sums[i] += terms[i] / static_cast<double>(repeats);
        }
        result.of_value += (sums[1] - sums[0] * sums[0]) / static_cast<double>(particles);
        result.of_exponential += (sums[3] - sums[2] * sums[2]) / static_cast<double>(particles);
        ratios.push_back(sums[2]);
    }
    result.ratio = statistics::average(ratios);
    return result;
}

} // namespace

TEST_CASE("exp V is unbiased, and V varies less than by independent draws and by pairs") {
    const auto context = back::make(2);
    for (const bool parts : {false, true})
        for (const index_t d : {2, 8, 16})
            for (const double t : {0.75, 0.85, 0.93}) // posterior variances 0.1, 0.03, 0.006
                for (const index_t samples : {4, 16}) {
                    const auto model = data(context, d, parts);
                    const auto reward = seen(context, d);
                    std::array<spread, 3> of{};
                    for (std::size_t k = 0; k < 3; ++k)
                        of[k] = spread_of(context, model, reward, t, kinds(samples)[k]);
                    MESSAGE(std::string(parts ? "two parts" : "N(0, I)"), ", d ", d, ", t ", t, ", M ",
                            samples, ": var V ", of[0].of_value, ", pairs ", of[1].of_value / of[0].of_value,
                            ", hypercube ", of[2].of_value / of[0].of_value, "; var exp V ",
                            of[0].of_exponential, ", pairs ", of[1].of_exponential / of[0].of_exponential,
                            ", hypercube ", of[2].of_exponential / of[0].of_exponential);
                    CHECK(of[2].of_value < 0.85 * of[0].of_value);
                    CHECK(of[2].of_value < 1.05 * of[1].of_value);
                    // Where exp V has a relative variance below 1 its mean has a normal law.
                    if (of[2].of_exponential < 1.0) CHECK(statistics::within(of[2].ratio, 1.0));
                }
}

TEST_CASE("guidance: the covariance of stratified draws needs no factor M/(M - 1); no standard error") {
    const auto context = back::make(2);
    const auto model = data(context, 2, false);
    const diamond::linear_reward<batch> gentle(context, std::vector<double>{0.05, -0.03});
    constexpr index_t n = 40'000;
    const auto x = batches::repeat<batch>(context, n, {0.4, -0.1});
    batch out(context, 2, n);
    const auto guidance = [&](const options& noise) {
        diamond::posterior_value value{diamond::exact_posterior{model}, gentle, noise};
        value.guidance(x.read(), 0.5, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
        const auto found = diamond::to_host(out);
        return statistics::average(n, [&](index_t j) { return found[2 * static_cast<std::size_t>(j)]; });
    };
    // Cov(z, r) = a/2 at t = 1/2 and the factor alpha' - alpha sigma'/sigma is 2: a. The mean of four
    // stratified draws has 1 - (1.271^2 + 0.325^2)/2 = 0.14 of the variance of one over 4, so that 3.5 % are
    // missing; with the factor of independent draws it would be 29 % too large.
    const auto of = guidance({.samples = 4, .latin_hypercube = true}), independent = guidance({.samples = 4});
    CHECK(statistics::within(of, 0.965 * 0.05, 4.5, 1e-4));
    MESSAGE("variance of guidance over that of independent draws: ",
            diamond::square(of.standard_error / independent.standard_error));
    CHECK(of.standard_error < 0.9 * independent.standard_error);

    diamond::posterior_value value{
        diamond::exact_posterior{model}, gentle, {.samples = 4, .latin_hypercube = true}};
    diamond::rebind_t<batch, double> v(context, 1, n), error(context, 1, n);
    value(x.read(), 0.5, {}, philox{3}.stream(purpose::value, 1),
          {.value = row(v), .standard_error = row(error)});
    CHECK(std::isnan(error.data()[0]));
}

TEST_CASE("log Z errs no more") {
    // Runs whose values are many nats off, by any noise, do not gain: what few draws do not see is missing.
    const auto context = back::make(2);
    constexpr index_t d = 16, samples = 16;
    for (const bool parts : {false, true}) {
        const auto model = data(context, d, parts);
        const auto reward = seen(context, d);
        const double log_z = model.tilted(reward.quadratic_form()).log_z;
        const diamond::ddpm_posterior_kernel kernel{diamond::exact_posterior{model}};
        const auto times = diamond::noise_ratio_time_grid(linear{}, 16, {.first = 3.0, .last = 0.1});
        std::array<double, 3> errors{};
        for (std::size_t kind = 0; kind < 3; ++kind) {
            diamond::smc sampler{
                kernel,
                diamond::posterior_value{diamond::exact_posterior{model}, reward, kinds(samples)[kind]},
                {.particles = 64, .times = times}};
            for (std::uint64_t k = 0; k < 64; ++k)
                errors[kind] += diamond::square(sampler(context, philox{11}.split(k)).log_z - log_z) / 64.0;
        }
        MESSAGE(std::string(parts ? "two parts" : "N(0, I)"), ": errors of log Z ", std::sqrt(errors[0]),
                ", pairs ", std::sqrt(errors[1]), ", hypercube ", std::sqrt(errors[2]));
        CHECK(errors[2] < 1.2 * errors[0]);
    }
}

TEST_CASE("a Latin hypercube beside pairs is refused") {
    const auto context = back::make(1);
    CHECK_THROWS_WITH_AS(
        diamond::posterior_value(diamond::exact_posterior{data(context, 2, false)}, seen(context, 2),
                                 {.samples = 4, .antithetic = true, .latin_hypercube = true}),
        doctest::Contains("antithetic or of a Latin hypercube, not both"), std::invalid_argument);
}

} // namespace value_latin_hypercube_test
