/// Flow maps, mean velocities and divergences, and early-stop transitions against golden values.
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/solver.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "golden/golden.hpp"

namespace golden_golden_maps_test {

using namespace diamond;
using golden::error, golden::map_tolerance, golden::tolerance;

TEST_CASE("golden: the flow map by an ODE solver, its mean velocity and mean divergence") {
    const eigen::context context{.threads = 1};
    golden::for_each_schedule([&](const golden::file& file, const golden::json& entry,
                                  schedules::any schedule) {
        const interval span{entry.at("t").get<double>(), entry.at("t_prime").get<double>()};
        const auto model = file.make_model(context, schedule);
        ode_flow_map flow(model, runge_kutta_4{.steps = 1000}); // to 1e-11
        auto space = model.make_workspace(context, file.n);
        const auto ends = golden::call(context, file.d, file.x,
                                       [&](auto x, auto out) { flow(x, span, {}, out); });
        CHECK(error(ends, entry.at("flow_map_t_to_t_prime")) < map_tolerance);

        auto mean_velocity = ends;
        for (std::size_t i = 0; i < ends.size(); ++i)
            mean_velocity[i] = (ends[i] - file.x[i]) / span.length();
        CHECK(error(mean_velocity, entry.at("mean_velocity")) < map_tolerance);

        const auto log_density = [&](const golden::list& at, double t) {
            return golden::call_numbers(context, file.d, at,
                                        [&](auto x, auto out) { model.log_density(x, t, {}, space, out); });
        };
        auto mean_divergence = log_density(file.x, span.from);
        const auto after = log_density(ends, span.to);
        for (std::size_t j = 0; j < after.size(); ++j)
            mean_divergence[j] = (mean_divergence[j] - after[j]) / span.length();
        CHECK(error(mean_divergence, entry.at("mean_divergence")) < map_tolerance);

        // The same number from the other side: the divergence of the velocity along the path, by Simpson's
        // rule.
        constexpr int pieces = 512;
        ode_flow_map piece(model, runge_kutta_4{.steps = 4});
        golden::list integral(after.size()), there = file.x;
        for (int k = 0; k <= pieces; ++k) {
            const double t = span.from + span.length() * k / pieces,
                         before = span.from + span.length() * (k - 1) / pieces;
            if (k > 0)
                there = golden::call(context, file.d, there, [&](auto x, auto out) {
                    piece(x, interval{before, t}, {}, out);
                });
            const double weight = k == 0 || k == pieces ? 1.0 : k % 2 == 1 ? 4.0 : 2.0;
            const auto values = golden::call_numbers(
                context, file.d, there, [&](auto x, auto out) { model.divergence(x, t, {}, space, out); });
            for (std::size_t j = 0; j < values.size(); ++j)
                integral[j] += weight / (3.0 * pieces) * values[j];
        }
        CHECK(error(integral, entry.at("mean_divergence")) < map_tolerance);
    });
}

TEST_CASE("golden: early stop: inner time, noise ratio reached, x_t' and the map's determinant") {
    golden::for_each_schedule([](const golden::file& file, const golden::json& entry,
                                 schedules::any schedule) {
        const interval span{entry.at("t").get<double>(), entry.at("t_prime").get<double>()};
        const golden::json& wanted = entry.at("early_stop");
        const early_stop stop = early_stop_at(schedule, linear_schedule{}, span);
        CHECK(error(stop.inner_time, wanted.at("inner_time")) < tolerance);
        const double reached = level_at(schedule, span.from).snr() +
                               level_at(linear_schedule{}, stop.inner_time).snr();
        CHECK(error(1.0 / reached, wanted.at("noise_ratio_reached")) < tolerance);
        CHECK(error(1.0 / level_at(schedule, span.to).snr(), wanted.at("noise_ratio_reached")) < tolerance);
        golden::list x_t_prime;
        for (std::size_t i = 0; i < file.x.size(); ++i)
            x_t_prime.push_back(stop.outer * file.x[i] + stop.inner * file.xbar[i]);
        CHECK(error(x_t_prime, wanted.at("x_t_prime")) < tolerance);
        // Minus the log determinant of xbar -> x_t', and (eq. early-stop-determinant).
        const double d = static_cast<double>(file.d), r = stop.inner_time;
        CHECK(error(-d * std::log(stop.inner), wanted.at("log_jacobian")) < tolerance);
        CHECK(error(d * std::log((level_at(schedule, span.from).snr() * square(1.0 - r) + square(r)) /
                                 (level_at(schedule, span.to).alpha * r)),
                    wanted.at("log_jacobian")) < tolerance);
    });
}

TEST_CASE("golden: the density of an early-stop transition has the map's determinant in it, whichever way it "
          "is asked") {
    // log q(x_t' | x_t) less the density of xbar_{r*}, log N(xbar_0; 0, I) - r* m, is the golden number.
    golden::for_each_schedule([](const golden::file& file, const golden::json& entry,
                                 schedules::any schedule) {
        const eigen::context context{.threads = 1};
        const interval span{entry.at("t").get<double>(), entry.at("t_prime").get<double>()};
        // any Gaussian will do: the number is the kernel's alone
        golden::list mean, covariance(static_cast<std::size_t>(file.d * file.d), 0.3);
        for (index_t i = 0; i < file.d; ++i) {
            mean.push_back(0.4 - 0.3 * static_cast<double>(i));
            covariance[static_cast<std::size_t>(i + file.d * i)] = 0.8 + 0.2 * static_cast<double>(i);
        }
        const gaussian<golden::batch, schedules::any> model(context, schedule, mean, covariance);
        gaussian_diamond_map map(model);
        early_stop_kernel kernel(map);
        const golden::batch x = golden::upload(context, file.d, file.x);
        golden::batch next(context, file.d, file.n), noise(context, file.d, file.n),
            stopped(context, file.d, file.n), told(context, 1, file.n), given(context, 1, file.n),
            m(context, 1, file.n);
        const auto stream = philox{3}.stream(purpose::transition, 1);
        kernel.draw_with_density(x, span, {}, stream, next, row(told));
        kernel.log_density(x, span, {}, next, row(given));
        const early_stop stop = early_stop_at(schedule, linear_schedule{}, span);
        draw_normal(stream, noise.mutable_view());
        map(noise, {0.0, stop.inner_time}, x, time_view(span.from), {}, stopped, row(m));
        for (index_t j = 0; j < file.n; ++j) {
            double of_stopped = -stop.inner_time * m.data()[j]; // log of the density of xbar_{r*}
            for (index_t i = 0; i < file.d; ++i)
                of_stopped -= 0.5 * (square(noise.data()[i + file.d * j]) + std::log(2.0 * pi));
            CHECK(error(told.data()[j] - of_stopped, entry.at("early_stop").at("log_jacobian")) < tolerance);
            CHECK(error(given.data()[j] - of_stopped, entry.at("early_stop").at("log_jacobian")) < tolerance);
        }
        // and the whole is Bayes' rule's
        auto space = model.make_workspace(context, file.n);
        const noise_level from = level_at(schedule, span.from), to = level_at(schedule, span.to);
        const double a = from.alpha / to.alpha, variance = square(from.sigma) - square(a * to.sigma);
        golden::batch prior(context, 1, file.n), evidence(context, 1, file.n);
        model.log_density(next, time_view(span.to), {}, space, row(prior));
        model.log_density(x, time_view(span.from), {}, space, row(evidence));
        for (index_t j = 0; j < file.n; ++j) {
            double by_bayes = prior.data()[j] - evidence.data()[j];
            for (index_t i = 0; i < file.d; ++i)
                by_bayes -= 0.5 *
                            (square(x.data()[i + file.d * j] - a * next.data()[i + file.d * j]) / variance +
                             std::log(2.0 * pi * variance));
            CHECK(error(golden::list{told.data()[j]}, by_bayes) < tolerance);
        }
    });
}

} // namespace golden_golden_maps_test
