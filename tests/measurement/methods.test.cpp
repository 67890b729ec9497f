// Each measurement with each method, for few steps, on Gaussian data whose posterior is known: guidance by
// the denoiser (diffusion posterior sampling), by draws and by moments, SMC by draws, by moments, guided and
// by weighted Diamond values, and renoise chains; and noise whose variance is not known.
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <Eigen/Dense>
#include <doctest/doctest.h>

#include <diamond/align/guidance.hpp>
#include <diamond/align/measurement_guided_kernel.hpp>
#include <diamond/align/renoise_chain.hpp>
#include <diamond/align/smc.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/any_measurement.hpp>
#include <diamond/measurement/blur_measurement.hpp>
#include <diamond/measurement/down_sampling_measurement.hpp>
#include <diamond/measurement/function_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/measurement/sparse_measurement.hpp>
#include <diamond/measurement/student_measurement.hpp>
#include <diamond/measurement/whitened_measurement.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/denoised_moment_value.hpp>
#include <diamond/value/moment_value.hpp>
#include <diamond/value/point_values.hpp>
#include <diamond/value/posterior_value.hpp>
#include <diamond/value/weighted_value.hpp>

#include "../reward/checks.hpp"

namespace measurement_methods_test {

namespace {

using diamond::index_t, diamond::philox, diamond::square;
using batch = diamond::eigen::batch<double>;
using const_view = diamond::const_view_t<batch>;
using view = diamond::view_t<batch>;
using any = diamond::any_measurement<batch>;
using model_type = diamond::gaussian<batch, diamond::linear_schedule>;
const diamond::eigen::context context{.threads = 1};
constexpr index_t d = 16;
constexpr double variance = 0.6, deviation = 0.4;

model_type model() {
    std::vector<double> covariance(d * d), mean;
    for (index_t i = 0; i < d; ++i) {
        covariance[static_cast<std::size_t>(i * (d + 1))] = variance;
        mean.push_back(0.3 * std::cos(static_cast<double>(i)));
    }
    return {context, {}, mean, covariance};
}

/// A reward of any type, so that a method is compiled once.
class any_reward {
public:
    template <class Reward>
    explicit any_reward(Reward of) {
        const auto held = std::make_shared<Reward>(std::move(of));
        value_ = [held](const_view z, diamond::row_t<batch> values) { (*held)(z, values); };
        gradient_ = [held](const_view z, view out) { held->gradient(z, out); };
    }
    void operator()(const_view z, diamond::row_t<batch> values) { value_(z, values); }
    void gradient(const_view z, view out) { gradient_(z, out); }

private:
    std::function<void(const_view, diamond::row_t<batch>)> value_;
    std::function<void(const_view, view)> gradient_;
};

/// Each coordinate, bent: no matrix measures so.
struct bent {
    const_view z;
    view out;
    void operator()(index_t k, index_t j) const { out(k, j) = z(k, j) + 0.2 * std::sin(z(k, j)); }
};
struct bent_vjp {
    const_view z, cotangent;
    view out;
    void operator()(index_t i, index_t j) const {
        out(i, j) = (1.0 + 0.2 * std::cos(z(i, j))) * cotangent(i, j);
    }
};

struct named {
    std::string name;
    any of;
    bool affine = true;
};
/// All measurements of images of 4 x 4.
std::vector<named> measurements() {
    const diamond::image_shape shape{1, 4, 4};
    const diamond::mask_measurement<batch> mask{context, d, {0, 1, 2, 3, 9}};
    diamond::sparse_matrix chords{4, d, {}};
    for (index_t i = 0; i < d; ++i) chords.entries.push_back({i % 4, i, 0.4});
    std::vector<double> matrix;
    for (index_t k = 0; k < 3 * d; ++k) matrix.push_back(0.4 * std::sin(static_cast<double>(k)));
    const diamond::blur_measurement<batch> blur{context, shape, diamond::gaussian_blur(0.7, 3)};
    return {{"mask", mask},
            {"down-sampling", diamond::down_sampling_measurement<batch>{shape, 2}},
            {"blur", blur},
            {"dense", diamond::affine_measurement<batch>{context, matrix, {0.1, 0.2, -0.3}}},
            {"sparse", diamond::sparse_measurement<batch>{context, chords}},
            {"pair of functions",
             diamond::operator_measurement<batch>{context, d, d, [blur](auto z, auto out) { blur(z, out); },
                                                  [blur](auto y, auto out) { blur.vjp(y, y, out); }}},
            {"noise of each pixel",
             diamond::whitened_measurement{context, mask, std::vector<double>{1.0, 0.8, 1.5, 1.0, 2.0}}},
            {"differentiable functions",
             diamond::function_measurement<batch>{d, d,
                                                  [](const_view z, view out) {
                                                      context.for_each(d, z.columns(), bent{z, out});
                                                  },
                                                  [](const_view z, const_view y, view out) {
                                                      context.for_each(d, z.columns(), bent_vjp{z, y, out});
                                                  }},
             false}};
}

/// The mean of the data given y, and log Z of the reward, by the matrix of an affine measurement.
struct solution {
    Eigen::VectorXd mean;
    double log_z;
};
solution solve(any of, const std::vector<double>& seen) {
    std::vector<double> units(d * (d + 1));
    for (std::size_t i = 0; i < d; ++i) units[i * (d + 1)] = 1.0;
    const batch points = diamond::from_host(context, d, d + 1, units); // and 0
    const index_t m = of.outputs();
    batch out(context, m, d + 1);
    of(points.read(), out.mutable_view());
    const Eigen::MatrixXd all = Eigen::Map<const Eigen::MatrixXd>(out.data(), m, d + 1);
    const Eigen::MatrixXd w = all.leftCols(d).colwise() - all.col(d);
    Eigen::VectorXd prior(d);
    for (index_t i = 0; i < d; ++i) prior(i) = 0.3 * std::cos(static_cast<double>(i));
    const Eigen::VectorXd miss = Eigen::Map<const Eigen::VectorXd>(seen.data(), m) - all.col(d) - w * prior;
    const Eigen::MatrixXd total = variance * w * w.transpose() +
                                  square(deviation) * Eigen::MatrixXd::Identity(m, m);
    const Eigen::LLT<Eigen::MatrixXd> factor(total);
    const Eigen::VectorXd solved = factor.solve(miss);
    const Eigen::MatrixXd l = factor.matrixL();
    double log_z = -0.5 * miss.dot(solved);
    for (index_t k = 0; k < m; ++k) log_z -= std::log(l(k, k) / deviation);
    return {prior + variance * w.transpose() * solved, log_z};
}

/// What is seen of a draw of the model.
std::vector<double> seen_by(any of) {
    const index_t m = of.outputs();
    batch z(context, d, 1), noise(context, m, 1), y(context, m, 1);
    const auto gaussian = model();
    gaussian.draw(philox{31}.stream(diamond::purpose::data), z.mutable_view());
    context.fill_normal(philox{32}.stream(diamond::purpose::user), noise.mutable_view());
    of(z.read(), y.mutable_view());
    assign(y, y + deviation * noise);
    return diamond::to_host(y);
}

/// A run's mean and the number of independent particles in it, and its log Z with standard error where it has
/// one.
struct outcome {
    Eigen::VectorXd mean;
    double independent, log_z = NAN, standard_error = NAN;
};
template <class Result>
outcome weighted_outcome(const Result& result) {
    const auto weights = result.weights();
    const auto x = Eigen::Map<const Eigen::MatrixXd>(result.particles.data(), d, result.particles.columns());
    return {x * Eigen::Map<const Eigen::VectorXd>(weights.data(), x.cols()),
            1.0 / diamond::family_square(weights, result.families), result.log_z,
            result.log_z_standard_error};
}
template <class Result>
outcome even_outcome(const Result& result) {
    return {Eigen::Map<const Eigen::MatrixXd>(result.particles.data(), d, result.particles.columns())
                .rowwise()
                .mean(),
            static_cast<double>(result.particles.columns())};
}

/// Methods of any reward, and those of a Gaussian measurement alone.
using method = std::function<outcome(const any_reward&)>;
using gaussian_method = std::function<outcome(const diamond::gaussian_measurement_reward<any>&)>;
struct named_method {
    std::string name;
    bool unbiased; ///< Z-hat and, with many particles, the mean
    method run;
};
struct named_gaussian_method {
    std::string name;
    bool unbiased, affine;
    gaussian_method run;
};
constexpr diamond::smc_options few{.particles = 512, .steps = 6, .pilot_particles = 0};
constexpr diamond::guidance_options guided{.particles = 128, .steps = 8};

std::vector<named_method> methods() {
    const diamond::exact_posterior draws{model()};
    const diamond::ddpm_posterior_kernel kernel{draws};
    const philox rng{.seed = 5};
    return {{"diffusion posterior sampling", false,
             [=](const any_reward& reward) {
                 return even_outcome(diamond::guidance{
                     model(), diamond::denoised_value{diamond::linear_schedule{}, model(), reward},
                     guided}(context, rng));
             }},
            {"pathwise guidance", false,
             [=](const any_reward& reward) {
                 return even_outcome(diamond::guidance{
                     model(), diamond::pathwise_posterior_value{draws, reward, {.samples = 16}},
                     guided}(context, rng));
             }},
            {"SMC", true,
             [=](const any_reward& reward) {
                 return weighted_outcome(diamond::smc{
                     kernel, diamond::posterior_value{draws, reward, {.samples = 8}}, few}(context, rng));
             }},
            {"SMC by weighted Diamond values", true,
             [=](const any_reward& reward) {
                 const diamond::ode_flow_map flow{model(), diamond::explicit_midpoint{.steps = 4}};
                 return weighted_outcome(diamond::smc{
                     kernel,
                     diamond::weighted_value{diamond::best_density(diamond::linear_schedule{}, model()),
                                             flow,
                                             reward,
                                             {.samples = 8}},
                     few}(context, rng));
             }},
            {"a renoise chain", true, [=](const any_reward& reward) {
                 return even_outcome(diamond::renoise_chain{
                     draws, reward, {.particles = 128, .adaptation = 24, .steps = 48}}(context, rng));
             }}};
}
std::vector<named_gaussian_method> gaussian_methods() {
    using reward_type = diamond::gaussian_measurement_reward<any>;
    const diamond::exact_posterior draws{model()};
    const diamond::ddpm_posterior_kernel kernel{draws};
    const philox rng{.seed = 6};
    return {{"guidance by moments", false, false,
             [=](const reward_type& reward) {
                 return even_outcome(diamond::guidance{
                     model(), diamond::moment_value{draws, reward, {.samples = 8}}, guided}(context, rng));
             }},
            {"SMC by moments", true, false,
             [=](const reward_type& reward) {
                 return weighted_outcome(diamond::smc{
                     kernel, diamond::moment_value{draws, reward, {.samples = 8}}, few}(context, rng));
             }},
            {"SMC guided by the measurement", true, true, [=](const reward_type& reward) {
                 const diamond::measurement_guided_kernel proposal{
                     context, kernel, model(), reward, {.variance = variance}};
                 return weighted_outcome(diamond::smc{
                     proposal,
                     diamond::denoised_moment_value{
                         context, diamond::linear_schedule{}, model(), reward, {.variance = variance}},
                     few}(context, rng));
             }}};
}

/// Checks the mean and log Z of a run against the solution.
void check(const outcome& found, const solution& exact, bool unbiased) {
    const Eigen::VectorXd prior = [] {
        Eigen::VectorXd mean(d);
        for (index_t i = 0; i < d; ++i) mean(i) = 0.3 * std::cos(static_cast<double>(i));
        return mean;
    }();
    const double all = (exact.mean - prior).norm(), left = (found.mean - exact.mean).norm();
    if (unbiased) // |mean - exact|^2 is variance/independent times chi^2 of at most 16: 1e-6 are above 3.9 d
        CHECK(left < std::sqrt(3.9 * d * variance / found.independent));
    else // guidance has a bias; 128 draws err by 0.3
        CHECK(left < 0.7 * all + 0.3);
    if (!std::isnan(found.standard_error))
        CHECK(std::abs(found.log_z - exact.log_z) < 5.0 * found.standard_error);
    else if (!std::isnan(found.log_z)) // a run that says that it does not know its error
        CHECK(std::abs(found.log_z - exact.log_z) < 2.0);
}

} // namespace

TEST_CASE("each measurement works with each method") {
    for (const auto& [name, of, affine] : measurements()) {
        CAPTURE(name);
        const auto seen = seen_by(of);
        const diamond::gaussian_measurement_reward reward{context, of, seen, deviation};
        const solution exact = affine ? solve(of, seen) : solution{};
        const auto judge = [&](const std::string& method_name, const outcome& found, bool unbiased) {
            CAPTURE(method_name);
            REQUIRE(found.mean.allFinite());
            if (affine) check(found, exact, unbiased);
        };
        for (const auto& [method_name, unbiased, run] : methods())
            judge(method_name, run(any_reward{reward}), unbiased);
        for (const auto& [method_name, unbiased, only_affine, run] : gaussian_methods()) {
            if (affine || !only_affine)
                judge(method_name, run(reward), unbiased);
            else
                CHECK_THROWS_WITH_AS(run(reward), doctest::Contains("must be affine"), std::invalid_argument);
        }
    }
}

TEST_CASE("noise of unknown variance: the reward is the integral over it, and every method takes it") {
    const auto all = measurements();
    const diamond::inverse_gamma prior{.shape = 1.5, .scale = 0.4};
    for (const auto& [name, of, affine] : all) {
        CAPTURE(name);
        const auto seen = seen_by(of);
        const auto m = static_cast<double>(seen.size());
        diamond::student_measurement_reward reward{context, of, seen, prior};
        const auto z = checks::points<batch>(context, d, 6, 1.0, 17);
        CHECK(checks::gradient_error(reward, z) < 1e-6);
        // log of the integral of N(y; A z, s^2) times the prior over log s^2, by the rule of trapezia.
        batch measured(context, of.outputs(), 6);
        any copy = of;
        copy(z.read(), measured.mutable_view());
        const auto outputs = diamond::to_host(measured);
        std::vector<double> integral, mean;
        for (std::size_t j = 0; j < 6; ++j) {
            double miss = 0.0, sum = 0.0, moment = 0.0;
            for (std::size_t k = 0; k < seen.size(); ++k)
                miss += square(outputs[k + seen.size() * j] - seen[k]);
            for (double log_variance = -12.0; log_variance < 12.0; log_variance += 0.01) {
                const double s2 = std::exp(log_variance),
                             weight = std::exp(-(prior.shape + 0.5 * m) * log_variance -
                                               (prior.scale + 0.5 * miss) / s2);
                sum += 0.01 * weight;
                moment += 0.01 * weight * s2;
            }
            const double power = prior.shape + 0.5 * m; // what the reward leaves out
            integral.push_back(std::log(sum) - std::lgamma(power) + power * std::log(prior.scale));
            mean.push_back(moment / sum);
        }
        CHECK(checks::difference(checks::values(reward, z), integral) < 1e-9);
        diamond::rebind_t<batch, double> variances(context, 1, 6);
        reward.noise_variance(z.read(), diamond::row(variances));
        CHECK(checks::difference(diamond::to_host(variances), mean) < 1e-6);
        if (name == all.front().name || name == all.back().name)
            for (const auto& [method_name, unbiased, run] : methods()) {
                CAPTURE(method_name);
                CHECK(run(any_reward{reward}).mean.allFinite());
            }
    }
    // Of a prior that knows the variance it is the Gaussian reward.
    const auto seen = seen_by(all.front().of);
    diamond::student_measurement_reward sure{
        context, all.front().of, seen, {.shape = 1e9, .scale = 1e9 * square(deviation)}};
    diamond::gaussian_measurement_reward gaussian{context, all.front().of, seen, deviation};
    const auto z = checks::points<batch>(context, d, 6, 1.0, 18);
    CHECK(checks::difference(checks::values(sure, z), checks::values(gaussian, z)) < 1e-6);
    for (const diamond::inverse_gamma bad :
         {diamond::inverse_gamma{0.0, 1.0}, diamond::inverse_gamma{1.0, 0.0},
          diamond::inverse_gamma{std::nan(""), 1.0}, diamond::inverse_gamma{1.0, diamond::infinity}})
        CHECK_THROWS_WITH_AS((diamond::student_measurement_reward{context, all.front().of, seen, bad}),
                             doctest::Contains("both must be positive and finite"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        (diamond::student_measurement_reward{context, all.front().of, std::vector<double>{1.0}, prior}),
        doctest::Contains("1 numbers were seen"), std::invalid_argument);
    const diamond::mask_measurement<batch> one{context, d, {0}};
    diamond::student_measurement_reward flat{
        context, one, std::vector<double>{1.0}, {.shape = 0.5, .scale = 1.0}};
    diamond::rebind_t<batch, double> variances(context, 1, 6);
    CHECK_THROWS_WITH_AS(flat.noise_variance(z.read(), diamond::row(variances)),
                         doctest::Contains("must be above 1"), std::invalid_argument);
}

} // namespace measurement_methods_test
