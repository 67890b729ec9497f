/// Guided draws stand for those of their kernel: (eq. measurement-proposal), (eq. shifted-proposal). The
/// ratio averages to 1, the mean of a function is the kernel's, and on Gaussian data the guide is the
/// posterior itself, so that Z-hat has no variance at all.
#include <diamond/align/measurement_guided_kernel.hpp>
#include <diamond/align/value_guided_kernel.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/runge_kutta.hpp>
#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/schedule/cosine.hpp>
#include <diamond/value/denoised_moment_value.hpp>
#include <diamond/value/moment_value.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"

namespace align_guided_kernels_test {

using namespace cases;
using diamond::affine_measurement, diamond::ddpm_posterior_kernel, diamond::early_stop_kernel,
    diamond::exact_posterior, diamond::exact_value, diamond::gaussian_measurement_reward,
    diamond::linear_schedule, diamond::mask_measurement, diamond::measurement_guided_kernel,
    diamond::moment_value, diamond::no_condition, diamond::noise_stream, diamond::posterior_value,
    diamond::smc, diamond::smc_options, diamond::square, diamond::value_guided_kernel;

namespace {

using batch = diamond::eigen::batch<double>;
const diamond::eigen::context context{.threads = 1};

/// What is seen of the mixture in the plane: z_0 + 2 z_1 as 1.2 and 0.3 z_0 - 0.4 z_1 as 0.1, both +- s.
gaussian_measurement_reward<affine_measurement<batch>> seen_of_plane(double s) {
    return {context, affine_measurement<batch>{context, {1.0, 0.3, 2.0, -0.4}, {0.0, 0.5}}, {1.2, 0.6}, s};
}
/// log Z of a Gaussian measurement of a mixture with diagonal covariances, by its evidence.
double log_evidence(const std::vector<double>& weight, const std::vector<double>& mean,
                    const std::vector<double>& variance, double s) {
    // W and b of seen_of_plane
    const double w[2][2] = {{1.0, 2.0}, {0.3, -0.4}}, y[2] = {1.2, 0.6 - 0.5}, s2 = s * s;
    double total = 0.0;
    for (std::size_t p = 0; p < weight.size(); ++p) {
        double q[2][2], r[2];
        for (int a = 0; a < 2; ++a) {
            r[a] = y[a] - w[a][0] * mean[2 * p] - w[a][1] * mean[2 * p + 1];
            for (int b = 0; b < 2; ++b)
                q[a][b] = (a == b ? s2 : 0.0) + w[a][0] * w[b][0] * variance[2 * p] +
                          w[a][1] * w[b][1] * variance[2 * p + 1];
        }
        const double det = q[0][0] * q[1][1] - square(q[0][1]);
        const double form = (q[1][1] * square(r[0]) - 2.0 * q[0][1] * r[0] * r[1] + q[0][0] * square(r[1])) /
                            det;
        // the reward leaves out the constant of N(.; 0, s^2 I)
        total += weight[p] * std::exp(-0.5 * form) / std::sqrt(det) * s2;
    }
    return std::log(total);
}
double plane_log_z(double s) {
    return log_evidence({0.5, 0.3, 0.2}, {-1.0, 0.5, 1.5, -0.5, 0.2, -1.4},
                        {0.16, 0.36, 0.25, 0.09, 0.04, 0.49}, s);
}
/// The Diamond map of the mixture by its ODE.
auto mixture_map() {
    return diamond::glass_diamond_map{linear_schedule{}, mixture<batch>(context),
                                      diamond::runge_kutta_4{.steps = 4}};
}

/// The mean over many draws of f(x_t') times the ratio, and of f of the kernel's own draws.
template <class Guided>
void check_stands_for_kernel(const char* name, Guided guided, diamond::interval span) {
    CAPTURE(name);
    CAPTURE(span.to);
    constexpr index_t n = 20000;
    auto plain = guided.kernel();
    batch x(context, 2, n), out(context, 2, n);
    for (index_t j = 0; j < n; ++j) {
        x.data()[2 * j] = 0.35;
        x.data()[2 * j + 1] = -0.2;
    }
    diamond::owning_batch<double, diamond::eigen::context> log_ratio(context, 1, n);
    const noise_stream stream = philox{21}.stream(purpose::transition, 3);
    const auto f = [&](index_t j) {
        return out.data()[2 * j] + 2.0 * out.data()[2 * j + 1] + 0.1 * square(out.data()[2 * j]);
    };
    std::vector<double> ratio, weighted, own, unweighted;
    guided(x.read(), span, no_condition{}, stream, out.mutable_view(), row(log_ratio));
    for (index_t j = 0; j < n; ++j) {
        const double w = std::exp(log_ratio.data()[j]);
        ratio.push_back(w);
        weighted.push_back(w * f(j));
        unweighted.push_back(f(j));
    }
    plain(x.read(), span, no_condition{}, philox{22}.stream(purpose::transition, 3), out.mutable_view());
    for (index_t j = 0; j < n; ++j) own.push_back(f(j));
    const auto one = statistics::average(ratio), guess = statistics::average(weighted),
               truth = statistics::average(own), biased = statistics::average(unweighted);
    const auto agree = [](const auto& a, const auto& b) {
        return std::abs(a.value - b.value) < 4.0 * std::hypot(a.standard_error, b.standard_error);
    };
    CHECK(statistics::within(one, 1.0));
    CHECK(agree(guess, truth));
    CHECK(!agree(biased, truth)); // without its ratio the draw is another law's
}

template <class Sampler>
statistics::estimate many(Sampler sampler, std::uint64_t runs, double log_z) {
    std::vector<double> ratio;
    for (std::uint64_t run = 0; run < runs; ++run)
        ratio.push_back(std::exp(sampler(context, philox{99}.split(run)).log_z - log_z));
    const auto mean = statistics::average(ratio);
    MESSAGE("E[Z-hat]/Z = ", mean.value, " +- ", mean.standard_error);
    return mean;
}

/// The same draws, without their ratio: what must fail.
template <class Guided>
struct without_ratio : Guided {
    explicit without_ratio(Guided guided) : Guided(std::move(guided)) {}
    void operator()(typename Guided::const_view x, diamond::interval span, const no_condition& c,
                    noise_stream stream, typename Guided::view out, diamond::row_t<batch> log_ratio) {
        Guided::operator()(x, span, c, stream, out, log_ratio);
        assign(log_ratio, 0.0);
    }
};

} // namespace

TEST_CASE("a guided draw stands for the kernel's own, early stop and DDPM's, at every kind of step") {
    const auto reward = seen_of_plane(1.5);
    const exact_posterior draws{mixture<batch>(context)};
    const auto model = mixture<batch>(context);
    const ddpm_posterior_kernel ddpm{draws};
    const early_stop_kernel early{mixture_map()};
    const posterior_value value{draws, reward, {.samples = 3}};
    for (const diamond::interval span : {diamond::interval{0.2, 0.5}, diamond::interval{0.6, 0.8}}) {
        for (const double variance : {0.2, 1.5}) {
            const diamond::measurement_guided_kernel_options options{.variance = variance};
            const diamond::value_guided_kernel_options shift{.variance = variance, .trust = 1.5};
            check_stands_for_kernel("measurement, DDPM",
                                    measurement_guided_kernel{context, ddpm, model, reward, options}, span);
            check_stands_for_kernel("measurement, early stop",
                                    measurement_guided_kernel{context, early, model, reward, options}, span);
            check_stands_for_kernel("value, DDPM", value_guided_kernel{ddpm, value, shift}, span);
            check_stands_for_kernel("value, early stop", value_guided_kernel{early, value, shift}, span);
        }
    }
    check_stands_for_kernel("measurement, early stop",
                            measurement_guided_kernel{context, early, model, reward, {.variance = 0.05}},
                            {0.8, 1.0});
}

TEST_CASE("on Gaussian data the guided early stop draws the posterior: Z-hat has no variance") {
    // Data N(m, v I), of which a mask shows some coordinates.
    const index_t d = 5;
    const double v = 0.7;
    const std::vector<double> mean{0.3, -0.2, 0.5, 1.0, -0.8};
    std::vector<double> covariance(25, 0.0);
    for (std::size_t i = 0; i < 5; ++i) covariance[i + 5 * i] = v;
    const gaussian_of<batch> model{context, {}, mean, covariance};
    const early_stop_kernel kernel{diamond::gaussian_diamond_map{model}};
    const auto check = [&](const auto& reward, double log_z) {
        const measurement_guided_kernel guided{context, kernel, model, reward, {.variance = v}};
        const exact_value value{model, reward};
        smc sampler{guided, value, smc_options{.particles = 4, .steps = 3, .pilot_particles = 0}};
        const auto result = sampler(context, philox{3});
        CHECK(std::abs(result.log_z - log_z) < 1e-9);
        CHECK(std::abs(result.ess - 4.0) < 1e-6);
        // Another v guides elsewhere, and has variance.
        smc other{measurement_guided_kernel{context, kernel, model, reward, {.variance = 2.0}}, value,
                  smc_options{.particles = 4, .steps = 3, .pilot_particles = 0}};
        CHECK(std::abs(other(context, philox{3}).log_z - log_z) > 1e-3);
    };
    const gaussian_measurement_reward mask{context, mask_measurement<batch>{context, d, {0, 3, 4}},
                                           std::vector<double>{2.0, -1.0, 0.7}, 0.25};
    check(mask, model.tilted(mask.quadratic_form()).log_z);
}

TEST_CASE("Z-hat is unbiased by every guide, and not without the ratio") {
    const auto reward = seen_of_plane(1.0);
    const auto model = mixture<batch>(context);
    const exact_posterior draws{model};
    const double log_z = plane_log_z(1.0);
    const ddpm_posterior_kernel ddpm{draws};
    const posterior_value value{draws, reward, {.samples = 4}};
    const moment_value moments{draws, reward, {.samples = 4}};
    const smc_options options{.particles = 32, .steps = 5, .log_delta = -8.0};
    const measurement_guided_kernel by_measurement{context, ddpm, model, reward, {.variance = 0.3}};
    const value_guided_kernel by_value{ddpm, value, {.trust = 1.0}};
    const value_guided_kernel by_moments{ddpm, moments, {.trust = 2.0}};
    const auto unbiased = [&](const auto& mean) {
        CHECK(statistics::within(mean, 1.0));
        CHECK(mean.standard_error < 0.005);
    };
    unbiased(many(smc{by_measurement, moments, options}, 4000, log_z));
    unbiased(many(smc{by_measurement, value, options}, 4000, log_z));
    unbiased(many(smc{by_value, value, options}, 6000, log_z));
    unbiased(many(smc{by_moments, moments, options}, 4000, log_z));
    for (const auto& mean : {many(smc{without_ratio{by_measurement}, moments, options}, 1000, log_z),
                             many(smc{without_ratio{by_value}, value, options}, 1000, log_z)})
        CHECK(!statistics::within(mean, 1.0));

    const auto result = smc{by_measurement, moments, smc_options{.particles = 64}}(context, philox{1});
    CHECK(result.exact_for_sampler);
    CHECK(result.exact_for_model);
    CHECK(!result.exact_for_density);
}

TEST_CASE("the guide's evaluations are counted, and a run resumes bit for bit") {
    const auto reward = seen_of_plane(0.3);
    const auto model = mixture<batch>(context);
    const exact_posterior draws{model};
    const measurement_guided_kernel guided{context, ddpm_posterior_kernel{draws}, model, reward};
    smc sampler{guided, posterior_value{draws, reward, {.samples = 2}},
                smc_options{.particles = 40, .steps = 4, .pilot_particles = 0}};
    const auto whole = sampler(context, philox{6});
    // a draw and a denoiser at each step but the last, where there is no noise; and two draws a value
    CHECK(whole.spent.forward == 40 * (3 * 2 + 1 + 3 * 2));
    auto state = sampler.start(context, philox{6});
    sampler.step(state);
    sampler.step(state);
    const auto resumed = sampler(context, philox{6}, state.snapshot());
    CHECK(diamond::to_host(resumed.particles) == diamond::to_host(whole.particles));
    CHECK(resumed.log_z == whole.log_z);
    // A run without the guide does not go on with it.
    smc plain{ddpm_posterior_kernel{draws}, posterior_value{draws, reward, {.samples = 2}},
              smc_options{.particles = 40, .steps = 4, .pilot_particles = 0}};
    CHECK_THROWS_WITH_AS(plain(context, philox{6}, state.snapshot()),
                         doctest::Contains("its kernel is guided"), std::invalid_argument);
}

TEST_CASE("single precision and small noise: the ratio is that of the vectors as they are rounded") {
    // Gaussian data, seen through a full matrix in one step: Z-hat has no variance in double, and in float
    // what rounding of the particles leaves.
    using single = diamond::eigen::batch<float>;
    const diamond::gaussian<single, linear_schedule> model{
        context, {}, {0.0, 0.0, 0.0, 0.0}, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}};
    const std::vector<double> w{0.9, -0.3, 0.4, 0.2, 1.1, -0.7, -0.5, 0.6, 0.8, 0.1, -0.2, 1.3};
    for (const double s : {1e-1, 1e-3, 1e-4}) {
        CAPTURE(s);
        const gaussian_measurement_reward reward{
            context,
            affine_measurement<single>{context, std::vector<float>(w.begin(), w.end()), {0.0f, 0.0f, 0.0f}},
            std::vector<float>{0.4f, -0.3f, 0.8f}, s};
        const early_stop_kernel kernel{diamond::gaussian_diamond_map{model}};
        const diamond::denoised_moment_value value{context, linear_schedule{}, model, reward};
        // log Z in closed form: N(0, W W^T + s^2 I) at y, less the reward's missing constant.
        double q[3][3], y[3] = {0.4, -0.3, 0.8}, log_z = 0.0;
        for (int a = 0; a < 3; ++a)
            for (int b = 0; b < 3; ++b) {
                q[a][b] = a == b ? s * s : 0.0;
                for (std::size_t i = 0; i < 4; ++i)
                    q[a][b] += static_cast<double>(
                                   static_cast<float>(w[static_cast<std::size_t>(a) + 3 * i])) *
                               static_cast<double>(
                                   static_cast<float>(w[static_cast<std::size_t>(b) + 3 * i]));
            }
        for (int k = 0; k < 3; ++k) { // by elimination
            log_z -= 0.5 * std::log(q[k][k] / (s * s)) + 0.5 * square(y[k]) / q[k][k];
            for (int a = k + 1; a < 3; ++a) {
                const double factor = q[a][k] / q[k][k];
                y[a] -= factor * y[k];
                for (int b = k; b < 3; ++b) q[a][b] -= factor * q[k][b];
            }
        }
        smc sampler{measurement_guided_kernel{context, kernel, model, reward}, value,
                    smc_options{.particles = 4096, .steps = 1}};
        const auto result = sampler(context, philox{4});
        // Rounding of the particles changes r by 6e-8 |z|/s a coordinate, and has no sign.
        CHECK(std::abs(result.log_z - log_z) < 1e-5 + 5.0 * result.log_z_standard_error);
        CHECK(result.log_z_standard_error < (s > 1e-2 ? 1e-5 : 1e-3));
        // Along the way V knows as much.
        smc longer{measurement_guided_kernel{context, kernel, model, reward}, value,
                   smc_options{.particles = 1024, .steps = 6, .pilot_particles = 0}};
        if (s > 5e-4) CHECK(longer(context, philox{5}).ess > 1000.0);
    }
}

TEST_CASE(
    "a reward without a gradient guides up to the last step, on schedules that would ask for one there") {
    using cosine = diamond::cosine_schedule;
    const diamond::gaussian_mixture<batch, cosine> model{
        context, {}, {0.5, 0.5}, {-1.0, 0.5, 1.5, -0.5}, {0.16, 0.36, 0.25, 0.09}};
    const auto reward = tilt_2d<double>(0.5);
    struct without_gradient {
        form_reward<double> of;
        double operator()(diamond::column_view<const double> z) const { return of(z); }
    };
    const diamond::glass_diamond_map map{cosine{}, model, diamond::runge_kutta_4{.steps = 2}};
    const value_guided_kernel guided{
        early_stop_kernel{map},
        posterior_value{exact_posterior{model}, without_gradient{reward}, {.samples = 2}}};
    smc sampler{guided, posterior_value{exact_posterior{model}, without_gradient{reward}},
                smc_options{.particles = 64, .steps = 3}};
    CHECK(sampler(context, philox{1}).complete);
}

TEST_CASE("buffers that overlap are refused, as by the kernel itself") {
    auto kernel = early_stop_kernel{mixture_map()};
    batch x(context, 2, 3), noise(context, 2, 3);
    set_to_zero(x.mutable_view());
    set_to_zero(noise.mutable_view());
    const noise_stream stream = philox{1}.stream(purpose::transition, 1);
    CHECK_THROWS_AS(kernel.centre(x.read(), {0.2, 0.5}, {}, stream, x.mutable_view()), std::invalid_argument);
    CHECK_THROWS_AS(
        kernel.steered(x.read(), {0.2, 0.5}, {}, noise.read(), noise.read(), noise.mutable_view()),
        std::invalid_argument);
}

TEST_CASE("what guides nothing is refused") {
    const auto reward = seen_of_plane(0.3);
    const auto model = mixture<batch>(context);
    const ddpm_posterior_kernel ddpm{exact_posterior{model}};
    for (const double bad : {0.0, -1.0, std::nan(""), infinity}) {
        CHECK_THROWS_WITH_AS((measurement_guided_kernel{context, ddpm, model, reward, {.variance = bad}}),
                             doctest::Contains("variance is"), std::invalid_argument);
        CHECK_THROWS_WITH_AS(
            (value_guided_kernel{ddpm, posterior_value{exact_posterior{model}, reward}, {.variance = bad}}),
            doctest::Contains("variance is"), std::invalid_argument);
    }
    for (const double bad : {-1.0, std::nan("")})
        CHECK_THROWS_WITH_AS(
            (value_guided_kernel{ddpm, posterior_value{exact_posterior{model}, reward}, {.trust = bad}}),
            doctest::Contains("trust is"), std::invalid_argument);
    struct bent : mask_measurement<batch> {
        using mask_measurement<batch>::mask_measurement;
        void operator()(diamond::const_view_t<batch> z, diamond::view_t<batch> out) const {
            mask_measurement<batch>::operator()(z, out);
            assign(out, square(out));
        }
    };
    const gaussian_measurement_reward curved{context, bent{context, 2, {0}}, std::vector<double>{1.0}, 0.5};
    CHECK_THROWS_WITH_AS((measurement_guided_kernel{context, ddpm, model, curved}),
                         doctest::Contains("must be affine"), std::invalid_argument);
    const gaussian_measurement_reward other{context, mask_measurement<batch>{context, 3, {0}},
                                            std::vector<double>{1.0}, 0.5};
    CHECK_THROWS_WITH_AS((measurement_guided_kernel{context, ddpm, model, other}),
                         doctest::Contains("the kernel has dimension 2, the measurement 3"),
                         std::invalid_argument);
    const gaussian_measurement_reward nothing{context, affine_measurement<batch>{context, {0.0, 0.0}, {1.0}},
                                              std::vector<double>{1.0}, 0.5};
    CHECK_THROWS_WITH_AS((measurement_guided_kernel{context, ddpm, model, nothing}),
                         doctest::Contains("must not be constant"), std::invalid_argument);
}

} // namespace align_guided_kernels_test
