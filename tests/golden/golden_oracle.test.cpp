/// Schedules, the mixture oracle, its tilt and its exact value against golden values.
#include <diamond/oracle/exact_value.hpp>

#include "golden/golden.hpp"

namespace golden_golden_oracle_test {

using namespace diamond;
using golden::call, golden::call_numbers, golden::error, golden::tolerance, golden::difference_tolerance;

TEST_CASE("golden: coefficients, noise ratio and guidance factor of the schedules") {
    golden::for_each_schedule([](const golden::file&, const golden::json& entry, schedules::any schedule) {
        const double t = entry.at("t").get<double>();
        const golden::json& wanted = entry.at("coefficients");
        CHECK(error(schedule.alpha(t), wanted.at("alpha")) < tolerance);
        CHECK(error(schedule.sigma(t), wanted.at("sigma")) < tolerance);
        CHECK(error(schedule.d_alpha(t), wanted.at("alpha_dot")) < tolerance);
        CHECK(error(schedule.d_sigma(t), wanted.at("sigma_dot")) < tolerance);
        CHECK(error(1.0 / level_at(schedule, t).snr(), entry.at("noise_ratio")) < tolerance);
        CHECK(error(guidance_factor(schedule, t), entry.at("guidance_factor")) < tolerance);
    });
}

TEST_CASE(
    "golden: density, denoiser, velocity, score and divergence of the mixture, whichever way it is summed") {
    const eigen::context context{.threads = 1};
    golden::for_each_schedule(
        [&](const golden::file& file, const golden::json& entry, schedules::any schedule) {
            const time_view t = entry.at("t").get<double>();
            for (const mixture_path path :
                 {mixture_path::automatic, mixture_path::products, mixture_path::elementwise}) {
                const auto model = file.make_model(context, schedule).with_path(path);
                auto space = model.make_workspace(context, file.n);
                const auto check = [&](const char* what, double bound, auto reading) {
                    CHECK(error(call(context, file.d, file.x, reading), entry.at(what)) < bound);
                };
                check("denoiser", tolerance, [&](auto x, auto out) { model.denoiser(x, t, {}, space, out); });
                check("velocity", tolerance, [&](auto x, auto out) { model(x, t, {}, space, out); });
                check("score", tolerance, [&](auto x, auto out) { model.score(x, t, {}, space, out); });
                CHECK(error(call_numbers(context, file.d, file.x,
                                         [&](auto x, auto out) { model.log_density(x, t, {}, space, out); }),
                            entry.at("log_density")) < tolerance);
                CHECK(error(call_numbers(context, file.d, file.x,
                                         [&](auto x, auto out) { model.divergence(x, t, {}, space, out); }),
                            entry.at("divergence")) < difference_tolerance);
            }
        });
}

TEST_CASE("golden: the value, its gradient and the guided velocity") {
    const eigen::context context{.threads = 1};
    golden::for_each_schedule(
        [&](const golden::file& file, const golden::json& entry, schedules::any schedule) {
            const double t = entry.at("t").get<double>();
            const auto model = file.make_model(context, schedule);
            exact_value value(model, file.make_reward(context));
            CHECK(error(call_numbers(context, file.d, file.x,
                                     [&](auto x, auto out) { value(x, t, {}, {}, {.value = out}); }),
                        entry.at("value")) < tolerance);
            auto guidance = call(context, file.d, file.x,
                                 [&](auto x, auto out) { value.guidance(x, t, {}, {}, out); });
            auto space = model.make_workspace(context, file.n);
            const auto velocity = call(context, file.d, file.x,
                                       [&](auto x, auto out) { model(x, t, {}, space, out); });
            auto guided = velocity;
            for (std::size_t i = 0; i < guided.size(); ++i) {
                guided[i] += guidance[i];
                guidance[i] /= guidance_factor(schedule, t);
            }
            CHECK(error(guidance, entry.at("value_gradient")) < difference_tolerance);
            CHECK(error(guided, entry.at("guided_velocity")) < difference_tolerance);
            CHECK(error(velocity, entry.at("guided_velocity")) > 1e-3); // negative control
            CHECK(error(value.log_z(), file.content.at("log_normalizer")) < tolerance);
        });
}

TEST_CASE("golden: the tilted mixture") {
    const eigen::context context{.threads = 1};
    for (const golden::file& file : golden::files()) {
        CAPTURE(file.name);
        const auto reward = file.make_reward(context);
        const auto tilt = file.make_model(context, {}).tilted(reward.quadratic_form());
        const golden::json& wanted = file.content.at("tilted_mixture");
        CHECK(error(tilt.log_z, file.content.at("log_normalizer")) < tolerance);
        CHECK(error(tilt.tilted.components().weights(), wanted.at("weights")) < tolerance);
        CHECK(error(tilt.tilted.components().means(), wanted.at("means")) < tolerance);
        CHECK(error(tilt.tilted.components().variances(), wanted.at("variances")) < tolerance);
    }
}

} // namespace golden_golden_oracle_test
