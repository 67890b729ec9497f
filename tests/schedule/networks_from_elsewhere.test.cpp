/// The wrappers of docs/networks_from_elsewhere.md: exact predictions of one Gaussian, each in the convention
/// of a framework, must become the velocity and the denoiser that the oracle has.
#include "docs/networks_from_elsewhere.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/readings.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>

using diamond::index_t;
using batch = diamond::eigen::batch<double>;

namespace {

constexpr double mean[] = {0.7, -1.3}, variance[] = {0.3, 2.1}; // without symmetry: signs show
constexpr diamond::no_condition none;

/// E[z | y] and E[eps | y] at y = a z + s eps.
double denoiser(int i, double y, double a, double s) {
    return mean[i] + a * variance[i] / (a * a * variance[i] + s * s) * (y - a * mean[i]);
}
double noise(int i, double y, double a, double s) {
    return s / (a * a * variance[i] + s * s) * (y - a * mean[i]);
}

/// A network that predicts f(i, y_i, time) of each coordinate.
template <class F>
struct exact_network {
    using batch_type = batch;
    F predict;
    struct workspace_type {};
    [[nodiscard]] static index_t dimension() { return 2; }
    [[nodiscard]] static workspace_type make_workspace(const diamond::eigen::context&, index_t) { return {}; }
    void operator()(diamond::const_view_t<batch> y, diamond::time_view t, diamond::no_condition,
                    workspace_type&, diamond::view_t<batch> out) const {
        for (index_t j = 0; j < y.columns(); ++j)
            for (int i = 0; i < 2; ++i) out(i, j) = predict(i, y(i, j), t[j]);
    }
    void operator()(diamond::const_view_t<batch> y, double r, double tau, diamond::no_condition,
                    workspace_type&, diamond::view_t<batch> out) const
        requires std::invocable<F, int, double, double, double>
    {
        for (index_t j = 0; j < y.columns(); ++j)
            for (int i = 0; i < 2; ++i) out(i, j) = predict(i, y(i, j), r, tau);
    }
};
template <class F>
exact_network(F) -> exact_network<F>;

const std::vector<double> times{0.0, 1e-6, 0.004, 0.02, 0.1, 0.3, 0.5, 0.77, 0.95, 0.99, 0.9999, 1.0};
std::vector<double> states() {
    std::vector<double> x;
    for (std::size_t k = 0; k < 2 * times.size(); ++k)
        x.push_back(1.5 * std::sin(1.7 * static_cast<double>(k) + 0.3));
    return x;
}

/// The largest error of a field at each of the times, which it is given one a column, and which it must
/// answer alike as one time of a batch.
template <class Field, class Wanted>
std::vector<double> errors(const Field& field, const Wanted& wanted) {
    const diamond::eigen::context context{.threads = 1};
    const auto n = static_cast<index_t>(times.size());
    const auto x = diamond::from_host<double>(context, 2, n, states()),
               t = diamond::from_host<double>(context, 1, n, times);
    batch out(context, 2, n), alone(context, 2, n);
    auto space = field.make_workspace(context, n);
    field(x.read(), diamond::time_view(t.data()), none, space, out.mutable_view());
    std::vector<double> result;
    for (index_t j = 0; j < n; ++j) {
        const double now = times[static_cast<std::size_t>(j)];
        field(x.read(), now, none, space, alone.mutable_view());
        double error = 0.0;
        for (int i = 0; i < 2; ++i) {
            const index_t k = i + 2 * j;
            error = std::max(error, std::abs(out.data()[k] - wanted(i, x.data()[k], now)));
            CHECK(alone.data()[k] == doctest::Approx(out.data()[k]).epsilon(1e-13));
        }
        result.push_back(error);
    }
    return result;
}
double denoised(int i, double x, double t) { return denoiser(i, x, t, 1.0 - t); }
double velocity(int i, double x, double t) { return denoiser(i, x, t, 1.0 - t) - noise(i, x, t, 1.0 - t); }
/// The largest error at the times from `first` to `last`.
double within(const std::vector<double>& error, double first, double last) {
    double result = 0.0;
    for (std::size_t j = 0; j < error.size(); ++j)
        if (times[j] >= first && times[j] <= last) result = std::max(result, error[j]);
    return result;
}
constexpr double rounding = 1e-13;

std::vector<double> alpha_bar(double (*beta)(double k)) {
    std::vector<double> result;
    double product = 1.0;
    for (int k = 0; k < 1000; ++k) result.push_back(product *= 1.0 - beta(k));
    return result;
}
double ddpm_beta(double k) { return 1e-4 + (0.02 - 1e-4) * k / 999.0; }
double stable_diffusion_beta(double k) {
    const double low = std::sqrt(0.00085), high = std::sqrt(0.012);
    return diamond::square(low + (high - low) * k / 999.0);
}
double cosine_beta(double k) {
    const auto f = [](double u) {
        return diamond::square(std::cos((u + 0.008) / 1.008 * diamond::pi / 2.0));
    };
    return std::min(1.0 - f((k + 1.0) / 1000.0) / f(k / 1000.0), 0.999);
}

} // namespace

TEST_CASE("a rectified flow from data to noise has the velocity with the other sign at 1 - t") {
    const elsewhere::rectified_flow field{exact_network{[](int i, double y, double tau) {
        return noise(i, y, 1.0 - tau, tau) - denoiser(i, y, 1.0 - tau, tau);
    }}};
    CHECK(within(errors(field, velocity), 0.0, 1.0) <= rounding);
}

TEST_CASE("EDM's preconditioned network gives the denoiser between its levels, and what it knows beyond") {
    const elsewhere::edm_denoiser net{exact_network{[](int i, double input, double c_noise) {
        const double sigma = std::exp(4.0 * c_noise), data = 0.5, total = std::hypot(sigma, data);
        const double y = input * total, c_skip = data * data / (total * total), c_out = sigma * data / total;
        return (denoiser(i, y, 1.0, sigma) - c_skip * y) / c_out;
    }}};
    const auto d = errors(net, denoised);
    CHECK(within(d, 0.0125, 0.997) <= rounding); // sigma from 0.002 to 80
    CHECK(within(d, 0.0, 0.0) > 0.01);
    CHECK(within(d, 0.0, 0.0) < 0.04);
    CHECK(within(d, 1.0, 1.0) <= rounding);
    const diamond::denoiser_network field{diamond::linear_schedule{}, net};
    CHECK(within(errors(field, velocity), 0.0125, 0.997) <= 1e-11); // D - x over 1 - t
}

TEST_CASE("networks of steps give the denoiser between their levels, whatever they predict") {
    const diamond::eigen::context context{.threads = 1};
    struct table {
        double (*beta)(double k);
        double first, last, at_zero; // times of the range, and the error at t = 0
    };
    for (const auto& [beta, first, last, at_zero] :
         {table{ddpm_beta, 0.0064, 0.99, 0.01831}, table{stable_diffusion_beta, 0.07, 0.97, 0.20719}}) {
        const auto signal = alpha_bar(beta);
        std::vector<double> level;
        for (const double a : signal) level.push_back(0.5 * std::log((1.0 - a) / a));
        const auto predicting = [&](auto what) {
            return exact_network{[=](int i, double y, double k) {
                const std::size_t low = std::min<std::size_t>(static_cast<std::size_t>(k), 998);
                const double l = level[low] + (k - static_cast<double>(low)) * (level[low + 1] - level[low]);
                const double a = 1.0 / std::sqrt(1.0 + std::exp(2.0 * l)), s = std::exp(l) * a;
                return what(denoiser(i, y, a, s), noise(i, y, a, s), a, s);
            }};
        };
        using elsewhere::predicts;
        const auto eps = [](double, double n, double, double) { return n; };
        const auto v = [](double d, double n, double a, double s) { return a * n - s * d; };
        const auto x0 = [](double d, double, double, double) { return d; };
        for (const auto& error :
             {errors(elsewhere::discrete_denoiser{context, predicting(eps), signal, predicts::eps}, denoised),
              errors(elsewhere::discrete_denoiser{context, predicting(v), signal, predicts::v}, denoised),
              errors(elsewhere::discrete_denoiser{context, predicting(x0), signal, predicts::x0},
                     denoised)}) {
            CHECK(within(error, first, last) <= rounding);
            CHECK(within(error, 0.0, 0.0) == doctest::Approx(at_zero).epsilon(0.01).scale(0.0));
        }
    }
}

TEST_CASE("DDPM's linear betas and the cosine ones are nearly the stock schedules at 1000 (1 - t) - 1") {
    const auto largest = [](const std::vector<double>& signal, const auto& schedule) {
        double result = 0.0;
        for (std::size_t k = 0; k < 1000; ++k)
            result = std::max(result, std::abs(std::sqrt(signal[k]) -
                                               schedule.alpha(1.0 - static_cast<double>(k + 1) / 1000.0)));
        return result;
    };
    CHECK(largest(alpha_bar(ddpm_beta), diamond::variance_preserving_schedule{}) <= 0.001);
    CHECK(largest(alpha_bar(cosine_beta), diamond::cosine_schedule{}) <= 0.00005);
    CHECK(std::sqrt(alpha_bar(stable_diffusion_beta).back()) ==
          doctest::Approx(0.068265).epsilon(0.001).scale(0.0));
}

TEST_CASE("v of the angle is a velocity of the trigonometric schedule, up to -pi/2") {
    const diamond::trigonometric_schedule schedule;
    const double t = 0.37, y = 0.9, a = schedule.alpha(t), s = schedule.sigma(t);
    const double v = a * noise(0, y, a, s) - s * denoiser(0, y, a, s);
    const double u = schedule.d_alpha(t) * denoiser(0, y, a, s) + schedule.d_sigma(t) * noise(0, y, a, s);
    CHECK(u == doctest::Approx(-0.5 * diamond::pi * v).epsilon(1e-12));
}

TEST_CASE("a MeanFlow network is a flow map") {
    const diamond::eigen::context context{.threads = 1};
    const auto n = static_cast<index_t>(times.size());
    const auto x = diamond::from_host<double>(context, 2, n, states());
    diamond::gaussian_flow_map exact{diamond::gaussian<batch, diamond::linear_schedule>{
        context, {}, {mean[0], mean[1]}, {variance[0], 0.0, 0.0, variance[1]}}};
    elsewhere::mean_flow_map map{exact_network{[](int i, double y, double r, double tau) {
        const auto spread = [i](double noise_level) {
            return std::hypot((1.0 - noise_level) * std::sqrt(variance[i]), noise_level);
        };
        const double end = (1.0 - r) * mean[i] + spread(r) / spread(tau) * (y - (1.0 - tau) * mean[i]);
        return (y - end) / (tau - r);
    }}};
    batch wanted(context, 2, n), out(context, 2, n);
    exact(x.read(), {0.2, 0.9}, none, wanted.mutable_view());
    map(x.read(), {0.2, 0.9}, none, out.mutable_view());
    for (index_t k = 0; k < out.size(); ++k)
        CHECK(out.data()[k] == doctest::Approx(wanted.data()[k]).epsilon(1e-12));
    CHECK(map.spent().forward == n);
}
