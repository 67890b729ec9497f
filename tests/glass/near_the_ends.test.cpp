#include <doctest/doctest.h>

#include <diamond/align/chain.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/value/weighted_value.hpp>

#include "glass/ends.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"

using diamond::interval;
using ends::kind;
using ends::plain;
using ends::worse;

namespace {

constexpr double tolerance = 1e-12;
constexpr diamond::no_condition none;

std::vector<interval> all_steps() {
    std::vector<interval> all;
    for (const auto& steps :
         {ends::steps_to_the_end(), ends::short_steps(), ends::steps_from_the_beginning()})
        all.insert(all.end(), steps.begin(), steps.end());
    return all;
}
/// The worst of f over all steps, and where.
template <class F>
void check_all(const char* what, const F& f) {
    double worst = 0.0;
    interval where{0.0, 0.0};
    for (const interval span : all_steps())
        if (const double here = f(span); !(here <= worst)) {
            worst = here;
            where = span;
            if (std::isnan(here)) break;
        }
    CAPTURE(what);
    CAPTURE(where.from);
    CAPTURE(1.0 - where.to);
    CHECK(worst < tolerance);
}

template <class Schedule, kind Which>
struct known {
    static constexpr kind which = Which;
    Schedule schedule{};
};
using linear = known<diamond::linear_schedule, kind::linear>;
using trigonometric = known<diamond::trigonometric_schedule, kind::trigonometric>;
using variance_preserving = known<diamond::variance_preserving_schedule, kind::variance_preserving>;
using cosine = known<diamond::cosine_schedule, kind::cosine>;
using users_linear = known<plain<diamond::linear_schedule>, kind::linear>;
using users_trigonometric = known<plain<diamond::trigonometric_schedule>, kind::trigonometric>;
using users_vp = known<plain<diamond::variance_preserving_schedule>, kind::variance_preserving>;
using users_cosine = known<plain<diamond::cosine_schedule>, kind::cosine>;

} // namespace

#define SCHEDULES                                                                                            \
    linear, trigonometric, variance_preserving, cosine, users_linear, users_trigonometric, users_vp,         \
        users_cosine
TYPE_TO_STRING(linear);
TYPE_TO_STRING(trigonometric);
TYPE_TO_STRING(variance_preserving);
TYPE_TO_STRING(cosine);
TYPE_TO_STRING(users_linear);
TYPE_TO_STRING(users_trigonometric);
TYPE_TO_STRING(users_vp);
TYPE_TO_STRING(users_cosine);

TEST_CASE_TEMPLATE(
    "from a known z every correlation gives alpha' z and sigma', for times near the ends and near each other",
    data, SCHEDULES) {
    const data d;
    for (const double rho : {0.0, 0.7, -0.5, 1.0, -1.0})
        check_all("constant", [&](interval span) {
            return ends::marginal_error(
                data::which, span, diamond::kernel_at(d.schedule, span, diamond::constant_correlation(rho)));
        });
    check_all("ddpm", [&](interval span) {
        const auto kernel = diamond::kernel_at(d.schedule, span, diamond::ddpm_correlation{});
        return worse(ends::marginal_error(data::which, span, kernel),
                     ends::ddpm_error(data::which, span, kernel));
    });
    check_all("back", [&](interval span) { // x_t = a x_t' + spread eps
        const auto back = diamond::noising_at(d.schedule, span);
        const auto from = ends::level_of(data::which, span.from), to = ends::level_of(data::which, span.to);
        const ends::real gain = ends::cross(data::which, span.from, span.to) *
                                (to.alpha * from.sigma + from.alpha * to.sigma);
        return worse(ends::error(back.scale, from.alpha / to.alpha),
                     ends::error(back.spread, std::sqrt(gain) / to.alpha));
    });
}

TEST_CASE_TEMPLATE("from a known z early stop gives alpha' z and sigma' by any map that reads its inner "
                   "time, on every inner schedule",
                   data, SCHEDULES) {
    const data d;
    const auto check = [&](const auto& inner, kind which) {
        check_all("early stop", [&](interval span) {
            return ends::early_stop_error(data::which, which, span,
                                          diamond::early_stop_at(d.schedule, inner, span));
        });
    };
    check(diamond::linear_schedule{}, kind::linear);
    check(diamond::trigonometric_schedule{}, kind::trigonometric);
    check(diamond::variance_preserving_schedule{}, kind::variance_preserving);
    check(diamond::cosine_schedule{}, kind::cosine);
    check(plain<diamond::linear_schedule>{}, kind::linear);
    check(plain<diamond::variance_preserving_schedule>{}, kind::variance_preserving);
}

TEST_CASE_TEMPLATE("the inner velocity reads the network where it must, however near to 1", data, SCHEDULES) {
    const data d;
    const auto check = [&](const auto& inner, kind which, const auto& kernel_of) {
        check_all("inner velocity", [&](interval span) {
            double worst = 0.0;
            for (const double s :
                 {0.0, 1e-12, 1e-3, 0.3, 0.5, 0.9, 1.0 - 1e-6, 1.0 - 1e-12, 1.0 - 0x1p-50, 1.0 - 0x1p-53})
                worst = worse(worst, ends::inner_velocity_error(d.schedule, inner, data::which, which,
                                                                span.from, s, kernel_of(span)));
            return worst;
        });
    };
    const auto posterior = [](interval) { return diamond::posterior_kernel_coefficients; };
    check(diamond::linear_schedule{}, kind::linear, posterior);
    check(diamond::variance_preserving_schedule{}, kind::variance_preserving, posterior);
    check(diamond::cosine_schedule{}, kind::cosine, posterior);
    check(diamond::linear_schedule{}, kind::linear,
          [&](interval span) { return diamond::kernel_at(d.schedule, span, diamond::ddpm_correlation{}); });
    check(diamond::linear_schedule{}, kind::linear, [&](interval span) {
        return diamond::kernel_at(d.schedule, span, diamond::constant_correlation(0.7));
    });
}

TEST_CASE_TEMPLATE("time_at has both ends to all digits", data, SCHEDULES) {
    const data d;
    for (int k = -60; k <= 80; ++k)
        for (const double ratio : {std::ldexp(1.0, k), std::ldexp(1.7, k)}) {
            if (d.schedule.alpha(0.0) >= ratio) continue;
            const diamond::instant t = diamond::time_at(d.schedule, ratio, 1.0);
            const diamond::noise_level level = diamond::level_at(d.schedule, t);
            CAPTURE(k);
            CHECK(ends::error(level.alpha / level.sigma, ratio) <
                  2e-14 + (d.schedule.alpha(0.0) > 0.0 ? 1e-13 : 0.0));
            CHECK(std::abs((1.0 - t.t) - t.rest) < 0x1p-52);
        }
    // The level of the pair is that of the schedule at 1 - t, also where t is 1 to the last bit.
    for (const double rest : {0.25, 1e-3, 1e-9, 3e-16, 1e-17, 1e-30}) {
        const auto level = diamond::level_at(d.schedule, {1.0 - rest, rest});
        const auto exact = ends::level_of(data::which, 1.0L - rest, rest);
        CHECK(ends::error(level.sigma, exact.sigma) < 2e-14);
        CHECK(ends::error(level.alpha, exact.alpha) < 1e-15);
    }
}

TEST_CASE_TEMPLATE("a renoised time is an earlier one, and its scale and spread are its own", data,
                   SCHEDULES) {
    const data d;
    for (int k = 1; k <= 53; ++k)
        for (const double kappa : {2.0, 2.5, 5.0}) {
            const double t = 1.0 - std::ldexp(1.0, -k);
            const auto back = diamond::renoising_at(d.schedule, t, kappa);
            CAPTURE(k);
            CHECK(back.time < t);
            const auto here = ends::level_of(data::which, t), there = ends::level_of(data::which, back.time);
            CHECK(ends::error(back.scale, there.alpha / here.alpha) < tolerance);
            CHECK(ends::error(std::hypot(static_cast<ends::real>(back.scale) * here.sigma,
                                         static_cast<ends::real>(back.spread)),
                              there.sigma) < tolerance);
        }
}

namespace {
/// x_t' = a x_t + b e from data that are all 0, as a kernel does it: a and b from its own draws.
struct response {
    double by_state, by_noise;
};
} // namespace

TEST_CASE_TEMPLATE("early stop by the closed map of a known z, at 1 - t' down to 2^-53", back_end,
                   DOUBLE_BACK_ENDS) {
    using batch = typename back_end::batch;
    using any_schedule = schedules::any;
    const auto context = back_end::make();
    for (const kind which : schedules::every_kind)
        for (const kind inner : schedules::every_kind) {
            const any_schedule schedule{which}, inner_schedule{inner};
            // nothing but z = 0
            const diamond::gaussian<batch, any_schedule> model(context, schedule, {0.0}, {1e-80});
            diamond::early_stop_kernel kernel(
                diamond::gaussian_diamond_map<batch, any_schedule, any_schedule>(model, inner_schedule));
            const auto stream = diamond::philox{7}.stream(diamond::purpose::transition, 1);
            batch noise(context, 1, 2), out(context, 1, 2);
            diamond::draw_normal(stream, noise.mutable_view());
            const auto e = batches::host(noise);
            for (int k = 1; k <= 53; ++k)
                for (const double from : {0.0, 0.25, 1.0 - std::ldexp(1.5, -k)}) {
                    const interval span{from, 1.0 - std::ldexp(1.0, -k)};
                    if (!(span.from < span.to)) continue;
                    const auto before = ends::level_of(which, span.from),
                               after = ends::level_of(which, span.to);
                    const double deviation = static_cast<double>(before.sigma);
                    const auto x = batches::make<batch>(context, 1, 2, {deviation, -0.5 * deviation});
                    kernel(x, span, none, stream, out);
                    const auto y = batches::host(out);
                    const double determinant = deviation * e[1] + 0.5 * deviation * e[0];
                    const response r{(y[0] * e[1] - y[1] * e[0]) / determinant,
                                     (deviation * y[1] + 0.5 * deviation * y[0]) / determinant};
                    CAPTURE(schedule.name());
                    CAPTURE(inner_schedule.name());
                    CAPTURE(k);
                    CAPTURE(from);
                    CHECK(ends::error(std::hypot(r.by_state * deviation, r.by_noise), after.sigma) <
                          tolerance);
                }
        }
}

TEST_CASE_TEMPLATE("times of single columns bring what is left of 1, as one time does", back_end,
                   DOUBLE_BACK_ENDS) {
    using batch = typename back_end::batch;
    using any_schedule = schedules::any;
    const auto context = back_end::make();
    const double t = 1.0 - 0x1p-50;
    for (const kind which : schedules::every_kind) {
        const any_schedule schedule{which};
        // Data so narrow that sigma is all there is to u.
        diamond::inner_velocity velocity(
            schedule, diamond::gaussian<batch, any_schedule>(context, schedule, {0.0}, {1e-60}),
            diamond::linear_schedule{});
        const auto x = batches::make<batch>(context, 1, 3, {0x1p-50, -0x1p-51, 0x1p-50}),
                   xbar = batches::make<batch>(context, 1, 3, {0x1p-52, 0x1p-50, -0x1p-51});
        const diamond::rebind_t<batch, double> outer = diamond::from_host<double>(context, 1, 3,
                                                                                  std::vector<double>(3, t));
        batch one(context, 1, 3), own(context, 1, 3);
        for (const double s : {0.5, 1.0 - 0x1p-48, 1.0 - 0x1p-53}) {
            const diamond::rebind_t<batch, double> inner = diamond::from_host<double>(
                context, 1, 3, std::vector<double>(3, s));
            velocity(xbar, diamond::time_view(s), x, diamond::time_view(t),
                     diamond::posterior_kernel_coefficients, none, one);
            velocity(xbar, diamond::time_view(inner.data()), x, diamond::time_view(outer.data()),
                     diamond::posterior_kernel_coefficients, none, own);
            const auto a = batches::host(one), b = batches::host(own), at = batches::host(xbar);
            for (std::size_t j = 0; j < 3; ++j) {
                CAPTURE(schedule.name());
                CAPTURE(s);
                CHECK(a[j] == doctest::Approx(b[j]).epsilon(1e-13).scale(0.0));
                // xbar = (1 - s) e'
                CHECK(a[j] == doctest::Approx(-at[j] / (1.0 - s)).epsilon(1e-12).scale(0.0));
            }
        }
    }
}

TEST_CASE("a chain whose last two times are an ulp apart ends where the data are") {
    // Before, sigma(r) lost its digits: the mean came out between 1 and 4. Exact transitions from 1,024
    // draws: the error of the mean is 0.5/32; a false alarm at 6 errors is one in 10^9.
    using batch = back_ends::eigen<double>::batch;
    const auto context = back_ends::eigen<double>::make(1);
    const auto check = [&](const auto& kernel_of) {
        for (const int n : {10, 15, 26, 27, 30}) {
            std::vector<double> times;
            for (double t = 0.0; t < 1.0; t += 1.0 / n) times.push_back(t);
            times.push_back(1.0);
            for (const kind which : {kind::linear, kind::trigonometric, kind::cosine}) {
                const schedules::any schedule{which};
                const diamond::gaussian<batch, schedules::any> model(context, schedule, {2.0}, {0.25});
                const auto result = diamond::chain(kernel_of(schedule, model),
                                                   {.particles = 1024, .times = times})(context,
                                                                                        diamond::philox{11});
                double mean = 0.0, square = 0.0;
                for (const double x : batches::host(result.particles)) {
                    mean += x / 1024.0;
                    square += x * x / 1024.0;
                }
                CAPTURE(n);
                CAPTURE(schedule.name());
                CHECK(std::abs(mean - 2.0) < 6.0 * 0.5 / 32.0);
                CHECK(std::abs(square - mean * mean - 0.25) < 6.0 * 0.25 * std::sqrt(2.0) / 32.0);
            }
        }
    };
    check([](const auto&, const auto& model) {
        return diamond::early_stop_kernel{diamond::gaussian_diamond_map<batch, schedules::any>(model)};
    });
    check([](const auto& schedule, const auto& model) {
        return diamond::early_stop_kernel{
            diamond::glass_diamond_map{schedule, model, diamond::runge_kutta_4{.steps = 8}}};
    });
}

namespace {
template <class F>
std::string refusal(const F& f) {
    try {
        f();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}
} // namespace

TEST_CASE("equal and decreasing times are refused with both numbers in full") {
    const diamond::linear_schedule s;
    const double after = 1.0 - 0x1p-53, before = 1.0 - 0x1p-52;
    for (const interval span : {interval{after, after}, interval{after, before}, interval{1.0, 1.0},
                                interval{-0x1p-60, 0.5}, interval{0.5, 1.0 + 0x1p-52}}) {
        const std::string wanted = "from t = " + diamond::digits_of(span.from) + " to " +
                                   diamond::digits_of(span.to) + ": 0 <= t < t' <= 1";
        CHECK(refusal([&] { (void)diamond::kernel_at(s, span, diamond::ddpm_correlation{}); }).find(wanted) !=
              std::string::npos);
        CHECK(refusal([&] { (void)diamond::early_stop_at(s, s, span); }).find(wanted) != std::string::npos);
    }
    CHECK(refusal([&] {
              (void)diamond::kernel_at(s, {after, before}, diamond::ddpm_correlation{});
          }).find("0.9999999999999999 to 0.9999999999999998") != std::string::npos);
}

TEST_CASE("a user's correlation out of range is refused by its number") {
    const auto rho = [](const auto&, interval) { return 1.5; };
    CHECK(refusal([&] {
              (void)diamond::kernel_at(diamond::linear_schedule{}, {0.25, 0.5}, rho);
          }).find("1.5 from t = 0.25 to 0.5") != std::string::npos);
}

TEST_CASE("an adaptive solver takes intervals of a few ulps") {
    using batch = back_ends::eigen<double>::batch;
    const auto context = back_ends::eigen<double>::make(1);
    const schedules::any schedule{kind::linear};
    const diamond::gaussian<batch, schedules::any> model(context, schedule, {2.0}, {0.25});
    diamond::ode_flow_map map(model, diamond::dormand_prince{.most_steps = 50});
    const auto x = batches::make<batch>(context, 1, 1, {1.5});
    batch out(context, 1, 1);
    for (const double from : {0.3, 1.0 - 0x1p-52, 1.0 - 0x1p-53})
        for (const double to :
             {std::nextafter(from, 1.0), std::min(1.0, from + 3e-16), 1.0 - 0.5 * (1.0 - from)}) {
            map(x, {from, to}, none, out);
            CHECK(batches::host(out)[0] == doctest::Approx(1.5).epsilon(to - from < 1e-10 ? 1e-14 : 1.0));
        }
}
