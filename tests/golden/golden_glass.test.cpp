/// GLASS kernels, their inner velocities and their limits against golden values: inner schedule abar_s = s
/// abar, sbar_s = (1 - s) + s sbar.
#include <diamond/glass/inner_velocity.hpp>
#include <diamond/schedule/linear.hpp>

#include "golden/golden.hpp"

namespace golden_golden_glass_test {

using namespace diamond;
using golden::error, golden::tolerance;

namespace {

/// What the inner flow reads and moves by at (x_t = x, xbar_s = xbar).
struct inner_reading {
    double time = 0.0;
    golden::list network_input, statistic, velocity;

    inner_reading(const golden::file& file, schedules::any schedule, double t, double s,
                  const kernel_coefficients& kernel) {
        const eigen::context context{.threads = 1};
        const inner_velocity_coefficients c = inner_velocity_at(schedule, linear_schedule{}, t, s, kernel);
        time = c.time;
        for (std::size_t i = 0; i < file.x.size(); ++i) {
            network_input.push_back(c.input_outer * file.x[i] + c.input_inner * file.xbar[i]);
            statistic.push_back(network_input.back() / level_at(schedule, time).alpha);
        }
        inner_velocity flow(schedule, file.make_model(context, schedule), linear_schedule{});
        const golden::batch x = golden::upload(context, file.d, file.x);
        velocity = golden::call(context, file.d, file.xbar,
                                [&](auto xbar, auto out) { flow(xbar, s, x.read(), t, kernel, {}, out); });
    }
};

} // namespace

TEST_CASE("golden: GLASS kernels for three correlations") {
    golden::for_each_schedule(
        [](const golden::file& file, const golden::json& entry, schedules::any schedule) {
            const interval span{entry.at("t").get<double>(), entry.at("t_prime").get<double>()};
            const double s = entry.at("s").get<double>();
            REQUIRE(!entry.at("glass").empty());
            for (const golden::json& wanted : entry.at("glass")) {
                const std::string kind = wanted.at("rho_kind").get<std::string>();
                const double rho = wanted.at("rho").get<double>();
                CAPTURE(kind);
                const kernel_coefficients kernel = kind == "ddpm"
                                                     ? kernel_at(schedule, span, ddpm_correlation{})
                                                     : kernel_at(schedule, span, constant_correlation(rho));
                if (kind == "ddpm")
                    CHECK(error(ddpm_correlation{}(schedule, span), wanted.at("rho")) < tolerance);
                CHECK(error(kernel.gamma, wanted.at("gamma")) < tolerance);
                CHECK(error(kernel.abar, wanted.at("alpha_bar")) < tolerance);
                CHECK(error(kernel.sbar, wanted.at("sigma_bar")) < tolerance);
                const inner_reading got(file, schedule, span.from, s, kernel);
                CHECK(error(got.time, wanted.at("effective_time")) < tolerance);
                CHECK(error(got.statistic, wanted.at("statistic")) < tolerance);
                CHECK(error(got.velocity, wanted.at("velocity")) < tolerance);
            }
        });
}

TEST_CASE("golden: GLASS at its edges: s = 0, s = 1, t = 0, rho below 0 and above DDPM's") {
    golden::for_each_schedule(
        [](const golden::file& file, const golden::json& entry, schedules::any schedule) {
            REQUIRE(!entry.at("glass_edges").empty());
            for (const golden::json& wanted : entry.at("glass_edges")) {
                const double t = wanted.at("t").get<double>(), s = wanted.at("s").get<double>(),
                             rho = wanted.at("rho").get<double>();
                CAPTURE(t);
                CAPTURE(s);
                CAPTURE(rho);
                const interval span{t, entry.at("t_prime").get<double>()};
                const inner_reading got(file, schedule, t, s,
                                        kernel_at(schedule, span, constant_correlation(rho)));
                CHECK(error(got.time, wanted.at("effective_time")) < tolerance);
                CHECK(error(got.network_input, wanted.at("network_input")) < tolerance);
                CHECK(error(got.velocity, wanted.at("velocity")) < tolerance);
            }
        });
}

TEST_CASE("golden: the posterior's inner flow, at its end, too") {
    golden::for_each_schedule(
        [](const golden::file& file, const golden::json& entry, schedules::any schedule) {
            const double t = entry.at("t").get<double>();
            const inner_reading got(file, schedule, t, entry.at("s").get<double>(),
                                    posterior_kernel_coefficients);
            const golden::json& wanted = entry.at("posterior");
            CHECK(error(got.time, wanted.at("effective_time")) < tolerance);
            CHECK(error(got.statistic, wanted.at("statistic")) < tolerance);
            CHECK(error(got.velocity, wanted.at("velocity")) < tolerance);
            const inner_reading last(file, schedule, t, 1.0, posterior_kernel_coefficients);
            const golden::json& end = entry.at("posterior_at_s_1");
            CHECK(error(last.time, end.at("effective_time")) < tolerance);
            CHECK(error(last.network_input, end.at("network_input")) < tolerance);
            CHECK(error(last.velocity, end.at("velocity")) < tolerance);
        });
}

} // namespace golden_golden_glass_test
