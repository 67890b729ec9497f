/// Flow maps, mean velocities and divergences, and early-stop transitions against golden values.
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/solver.hpp>

#include "golden/golden.hpp"

using namespace diamond;
using golden::error, golden::map_tolerance, golden::tolerance;

TEST_CASE("golden: the flow map by an ODE solver, its mean velocity and mean divergence") {
    const eigen::context context{.threads = 1};
    golden::for_each_schedule([&](const golden::file& file, const golden::json& entry, schedules::any schedule) {
        const interval span{entry.at("t").get<double>(), entry.at("t_prime").get<double>()};
        const auto     model = file.make_model(context, schedule);
        ode_flow_map   flow(model, runge_kutta_4{.steps = 1000}); // to 1e-11
        auto           space = model.make_workspace(context, file.n);
        const auto     ends  = golden::call(context, file.d, file.x, [&](auto x, auto out) { flow(x, span, {}, out); });
        CHECK(error(ends, entry.at("flow_map_t_to_t_prime")) < map_tolerance);

        auto mean_velocity = ends;
        for (std::size_t i = 0; i < ends.size(); ++i) mean_velocity[i] = (ends[i] - file.x[i]) / span.length();
        CHECK(error(mean_velocity, entry.at("mean_velocity")) < map_tolerance);

        const auto log_density = [&](const golden::list& at, double t) {
            return golden::call_numbers(context, file.d, at, [&](auto x, double* out) { model.log_density(x, t, {}, space, out); });
        };
        auto       mean_divergence = log_density(file.x, span.from);
        const auto after           = log_density(ends, span.to);
        for (std::size_t j = 0; j < after.size(); ++j) mean_divergence[j] = (mean_divergence[j] - after[j]) / span.length();
        CHECK(error(mean_divergence, entry.at("mean_divergence")) < map_tolerance);

        // The same number from the other side: the divergence of the velocity along the path, by Simpson's rule.
        constexpr int pieces = 512;
        ode_flow_map  piece(model, runge_kutta_4{.steps = 4});
        golden::list  integral(after.size()), there = file.x;
        for (int k = 0; k <= pieces; ++k) {
            const double t = span.from + span.length() * k / pieces, before = span.from + span.length() * (k - 1) / pieces;
            if (k > 0) there = golden::call(context, file.d, there, [&](auto x, auto out) { piece(x, interval{before, t}, {}, out); });
            const double weight = k == 0 || k == pieces ? 1.0 : k % 2 == 1 ? 4.0 : 2.0;
            const auto   values = golden::call_numbers(context, file.d, there, [&](auto x, double* out) { model.divergence(x, t, {}, space, out); });
            for (std::size_t j = 0; j < values.size(); ++j) integral[j] += weight / (3.0 * pieces) * values[j];
        }
        CHECK(error(integral, entry.at("mean_divergence")) < map_tolerance);
    });
}

TEST_CASE("golden: early stop: inner time, noise ratio reached, x_t' and the map's determinant") {
    golden::for_each_schedule([](const golden::file& file, const golden::json& entry, schedules::any schedule) {
        const interval      span{entry.at("t").get<double>(), entry.at("t_prime").get<double>()};
        const golden::json& wanted = entry.at("early_stop");
        const early_stop    stop   = early_stop_at(schedule, linear_schedule{}, span);
        CHECK(error(stop.inner_time, wanted.at("inner_time")) < tolerance);
        const double reached = level_at(schedule, span.from).snr() + level_at(linear_schedule{}, stop.inner_time).snr();
        CHECK(error(1.0 / reached, wanted.at("noise_ratio_reached")) < tolerance);
        CHECK(error(1.0 / level_at(schedule, span.to).snr(), wanted.at("noise_ratio_reached")) < tolerance);
        golden::list x_t_prime;
        for (std::size_t i = 0; i < file.x.size(); ++i) x_t_prime.push_back(stop.outer * file.x[i] + stop.inner * file.xbar[i]);
        CHECK(error(x_t_prime, wanted.at("x_t_prime")) < tolerance);
        // Minus the log determinant of xbar -> x_t', and the formula of section 8.
        const double d = static_cast<double>(file.d), r = stop.inner_time;
        CHECK(error(-d * std::log(stop.inner), wanted.at("log_jacobian")) < tolerance);
        CHECK(error(d * std::log((level_at(schedule, span.from).snr() * square(1.0 - r) + square(r)) / (level_at(schedule, span.to).alpha * r)),
                    wanted.at("log_jacobian")) < tolerance);
    });
}
