#include <diamond/glass/inner_velocity.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace glass_inner_velocity_test {

using diamond::index_t;
using diamond::kernel_coefficients;
using diamond::time_view;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;

namespace {

constexpr diamond::no_condition none;

/// ubar_s by brute force, column by column.
std::vector<double> conditional_velocity(const std::vector<conditioning::component>& parts,
                                         const any_schedule& schedule, const any_schedule& inner, double t,
                                         double s, const kernel_coefficients& kernel,
                                         const std::vector<double>& x_t, const std::vector<double>& xbar) {
    const auto outer = diamond::level_at(schedule, t);
    const auto level = diamond::inner_level_at(inner, s, kernel);
    const std::size_t d = parts.front().mean.rows;
    std::vector<double> result;
    for (std::size_t j = 0; j < x_t.size(); j += d) {
        small::matrix a(d, 1), b(d, 1);
        for (std::size_t i = 0; i < d; ++i) {
            a(i, 0) = x_t[j + i];
            b(i, 0) = xbar[j + i];
        }
        const auto e = conditioning::given_pair(
            parts, {outer.alpha, outer.sigma, level.abar, kernel.gamma, level.sbar}, a, b);
        for (std::size_t i = 0; i < d; ++i)
            result.push_back(static_cast<double>(level.d_abar * e.z(i, 0) + level.d_sbar * e.noise(i, 0)));
    }
    return result;
}

diamond::gaussian<diamond::eigen::batch<double>, any_schedule> gaussian(
    const diamond::eigen::context& context, const any_schedule& schedule) {
    const models::gaussian_numbers n;
    return {context, schedule, n.mean, n.covariance};
}

template <class View, class ConstView>
struct read_denoiser {
    any_schedule schedule;
    ConstView x;
    time_view t;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        using real = typename View::value_type;
        const auto r = diamond::readings_at(schedule, t[j]);
        out(i, j) = static_cast<real>(r.denoiser_u * static_cast<double>(out(i, j)) +
                                      r.denoiser_x * static_cast<double>(x(i, j)));
    }
};
/// This is the model as a network that predicts E[z | x_t].
template <class Batch>
struct denoiser_of {
    using batch_type = Batch;
    using field = models::mixture<Batch, any_schedule>;
    field model;

    [[nodiscard]] index_t dimension() const { return model.dimension(); }
    [[nodiscard]] auto make_workspace(const diamond::backend_of_t<Batch>& context, index_t n) const {
        return model.make_workspace(context, n);
    }
    void operator()(diamond::const_view_t<Batch> x, time_view t, diamond::no_condition,
                    typename field::workspace& w, diamond::view_t<Batch> out) const {
        model(x, t, none, w, out);
        read(x, t, out);
    }
    void vjp(diamond::const_view_t<Batch> x, time_view t, diamond::no_condition,
             diamond::const_view_t<Batch> c, typename field::workspace& w, diamond::view_t<Batch> out) const {
        model.vjp(x, t, none, c, w, out);
        read(c, t, out);
    }
    void jvp(diamond::const_view_t<Batch> x, time_view t, diamond::no_condition,
             diamond::const_view_t<Batch> c, typename field::workspace& w, diamond::view_t<Batch> out) const {
        vjp(x, t, none, c, w, out);
    }

private:
    void read(diamond::const_view_t<Batch> x, time_view t, diamond::view_t<Batch> out) const {
        x.context().for_each(
            x.rows(), x.columns(),
            read_denoiser<diamond::view_t<Batch>, diamond::const_view_t<Batch>>{model.schedule(), x, t, out});
    }
};

struct kernel_case {
    double t;
    kernel_coefficients kernel;
};
/// Posterior and transitions, at t = 0 and t = 1 among them, for correlations below, at and above DDPM's.
std::vector<kernel_case> kernel_cases(const any_schedule& schedule) {
    std::vector<kernel_case> cases;
    for (const double t : {0.0, 0.3, 0.8, 1.0}) cases.push_back({t, diamond::posterior_kernel_coefficients});
    for (const double t : {0.0, 0.3, 0.8}) {
        const diamond::interval span{t, 0.5 * (1.0 + t)};
        cases.push_back({t, diamond::kernel_at(schedule, span, diamond::ddpm_correlation{})});
        for (const double rho : {-1.0, -0.5, 0.0, 0.95, 1.0})
            cases.push_back({t, diamond::kernel_at(schedule, span, diamond::constant_correlation(rho))});
    }
    return cases;
}

} // namespace

TEST_CASE_TEMPLATE("the inner velocity is the conditional expectation given the pair", back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 6;
    const auto parts = models::mixture_components();
    const auto x_t = batches::normal<batch>(context, 2, n, 11),
               xbar = batches::normal<batch>(context, 2, n, 12);
    // Relative to 1 + |ubar|; measured 9e-15 and 1.2e-6. In float the responsibilities hang on the rounding
    // of x*.
    const double tolerance = sizeof(typename back_end::real) == 4 ? 2e-5 : 1e-12;
    double worst = 0.0;
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        const models::mixture<batch, any_schedule> field(schedule);
        for (const auto inner_kind : schedules::every_kind) {
            const any_schedule inner{inner_kind};
            if (inner_kind != schedules::kind::linear && inner_kind != kind) continue;
            diamond::inner_velocity velocity(schedule, field, inner);
            for (const auto& [t, kernel] : kernel_cases(schedule))
                for (const double s : {0.0, 0.02, 0.4, 0.9, 1.0}) {
                    if (s == 1.0 && (inner.infinite_slope() || t == 1.0))
                        continue; // the one is refused, in the other nothing is random
                    CAPTURE(std::string(schedule.name()));
                    CAPTURE(std::string(inner.name()));
                    CAPTURE(t);
                    CAPTURE(s);
                    CAPTURE(kernel.gamma);
                    batch out(context, 2, n);
                    velocity(xbar, time_view(s), x_t, time_view(t), kernel, none, out);
                    const auto wanted = conditional_velocity(parts, schedule, inner, t, s, kernel,
                                                             batches::host(x_t), batches::host(xbar));
                    const double error = largest_error(batches::host(out), wanted);
                    // Where the network itself is read at time 0, whose alpha(0) = 0.0066 is not 0, the
                    // definition of time 0 shows.
                    const auto level = diamond::inner_level_at(inner, s, kernel);
                    const bool by_definition = schedule.noisy_start() && t == 0.0 &&
                                               level.abar / level.sbar <=
                                                   schedule.alpha(0.0) / schedule.sigma(0.0);
                    if (!by_definition) worst = std::max(worst, error);
                    CHECK(error < (by_definition ? 0.02 : tolerance));
                }
        }
    }
    MESSAGE("largest error against brute force: " << worst);
}

TEST_CASE("on correlated Gaussian data the inner velocity is brute force, too") {
    const auto context = back_ends::eigen<double>::make();
    using batch = diamond::eigen::batch<double>;
    constexpr index_t n = 5;
    const auto x_t = batches::normal<batch>(context, 3, n, 13),
               xbar = batches::normal<batch>(context, 3, n, 14);
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        const any_schedule inner{};
        diamond::inner_velocity velocity(schedule, gaussian(context, schedule), inner);
        for (const auto& [t, kernel] : kernel_cases(schedule))
            for (const double s : {0.1, 0.7, 1.0}) {
                if (s == 1.0 && t == 1.0) continue;
                batch out(context, 3, n);
                velocity(xbar, time_view(s), x_t, time_view(t), kernel, none, out);
                const auto wanted = conditional_velocity(models::gaussian_components(), schedule, inner, t, s,
                                                         kernel, batches::host(x_t), batches::host(xbar));
                CHECK(largest_error(batches::host(out), wanted) < 1e-11);
            }
    }
}

TEST_CASE(
    "the closed Diamond map of a Gaussian moves with the inner velocity: d/dr X_{s,r} = ubar_r(X_{s,r})") {
    const auto context = back_ends::eigen<double>::make();
    using batch = diamond::eigen::batch<double>;
    constexpr index_t n = 5;
    constexpr double h = 1e-5;
    const auto x_t = batches::normal<batch>(context, 3, n, 15),
               xbar = batches::normal<batch>(context, 3, n, 16);
    for (const auto kind : schedules::every_kind)
        for (const auto inner_kind : schedules::every_kind) {
            const any_schedule schedule{kind}, inner{inner_kind};
            const auto model = gaussian(context, schedule);
            diamond::gaussian_diamond_map map(model, inner);
            diamond::inner_velocity velocity(schedule, model, inner);
            for (const double t : {0.0, 0.35, 0.9})
                for (const double s : {0.0, 0.6})
                    for (const double r : {0.2, 0.8}) {
                        batch above(context, 3, n), below(context, 3, n), here(context, 3, n),
                            speed(context, 3, n);
                        map(xbar, {s, r + h}, x_t, time_view(t), none, above);
                        map(xbar, {s, r - h}, x_t, time_view(t), none, below);
                        map(xbar, {s, r}, x_t, time_view(t), none, here);
                        velocity(here, time_view(r), x_t, time_view(t),
                                 diamond::posterior_kernel_coefficients, none, speed);
                        std::vector<double> difference = batches::host(above);
                        const auto low = batches::host(below);
                        for (std::size_t k = 0; k < difference.size(); ++k)
                            difference[k] = (difference[k] - low[k]) / (2.0 * h);
                        // truncation h^2 X'''/6, X''' up to a few hundred on these schedules, and rounding
                        // 1e-16/h
                        CHECK(largest_error(batches::host(speed), difference) < 2e-7);
                    }
        }
}

TEST_CASE_TEMPLATE("one time a column is the same as one time for the batch", back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 7;
    const auto x_t = batches::normal<batch>(context, 2, n, 21),
               xbar = batches::normal<batch>(context, 2, n, 22),
               cotangent = batches::normal<batch>(context, 2, n, 23);
    const std::vector<double> t{0.0, 0.0, 0.3, 0.5, 0.9, 1.0, 0.4}, s{0.0, 0.4, 0.0, 0.6, 0.99, 0.3, 1.0};
    const auto t_batch = diamond::from_host(context, 1, n, t), s_batch = diamond::from_host(context, 1, n, s);
    const kernel_coefficients kernel{0.35, 0.5, 0.4};
    const any_schedule schedule{schedules::kind::trigonometric};
    diamond::inner_velocity velocity(schedule, models::mixture<batch, any_schedule>(schedule),
                                     any_schedule{});

    const auto check = [&](const time_view& all_t, const time_view& all_s, const auto& t_of,
                           const auto& s_of) {
        batch together(context, 2, n), together_xbar(context, 2, n),
            together_x_t = batches::normal<batch>(context, 2, n, 24);
        velocity(xbar, all_s, x_t, all_t, kernel, none, together);
        velocity.vjp(xbar, all_s, x_t, all_t, kernel, none, cotangent, together_xbar, together_x_t);
        for (index_t j = 0; j < n; ++j) {
            const auto column = [j](const batch& b) { return b.read().columns(j, 1); };
            batch alone(context, 2, 1), alone_xbar(context, 2, 1), alone_x_t(context, 2, 1);
            std::vector<double> before = batches::host(batches::normal<batch>(context, 2, n, 24));
            alone_x_t = batches::make<batch>(
                context, 2, 1,
                {before[static_cast<std::size_t>(2 * j)], before[static_cast<std::size_t>(2 * j + 1)]});
            velocity(column(xbar), time_view(s_of(j)), column(x_t), time_view(t_of(j)), kernel, none, alone);
            velocity.vjp(column(xbar), time_view(s_of(j)), column(x_t), time_view(t_of(j)), kernel, none,
                         column(cotangent), alone_xbar, alone_x_t);
            const auto same = [&](const batch& whole, const batch& one) {
                return largest_error(diamond::to_host(column(whole)), diamond::to_host(one)) <
                       back_end::tolerance;
            };
            CAPTURE(j);
            CHECK(same(together, alone));
            CHECK(same(together_xbar, alone_xbar));
            CHECK(same(together_x_t, alone_x_t));
        }
    };
    const auto of = [](const std::vector<double>& v) {
        return [&v](index_t j) { return v[static_cast<std::size_t>(j)]; };
    };
    const auto constant = [](double v) { return [v](index_t) { return v; }; };
    check(time_view(t_batch.data()), time_view(s_batch.data()), of(t), of(s));
    check(time_view(0.6), time_view(s_batch.data()), constant(0.6), of(s));
    check(time_view(t_batch.data()), time_view(0.25), of(t), constant(0.25));
}

TEST_CASE("the vector-Jacobian products are those of finite differences, in xbar and in x_t") {
    const auto context = back_ends::eigen<double>::make();
    using batch = diamond::eigen::batch<double>;
    constexpr index_t d = 2, n = 4;
    constexpr double h = 1e-6;
    const auto x_t = batches::normal<batch>(context, d, n, 31),
               xbar = batches::normal<batch>(context, d, n, 32),
               cotangent = batches::normal<batch>(context, d, n, 33);
    for (const auto kind : {schedules::kind::linear, schedules::kind::variance_preserving}) {
        const any_schedule schedule{kind};
        const any_schedule inner{schedules::kind::trigonometric};
        diamond::inner_velocity velocity(schedule, models::mixture<batch, any_schedule>(schedule), inner);
        for (const auto& [t, kernel] : kernel_cases(schedule))
            for (const double s : {0.0, 0.5, 0.95}) {
                batch out_xbar(context, d, n), out_x_t = batches::normal<batch>(context, d, n, 34);
                const auto before = batches::host(out_x_t);
                velocity.vjp(xbar, time_view(s), x_t, time_view(t), kernel, none, cotangent, out_xbar,
                             out_x_t);
                // cotangent . ubar, column by column
                const auto product = [&](const std::vector<double>& at_xbar,
                                         const std::vector<double>& at_x_t) {
                    batch out(context, d, n);
                    velocity(batches::make<batch>(context, d, n, at_xbar), time_view(s),
                             batches::make<batch>(context, d, n, at_x_t), time_view(t), kernel, none, out);
                    const auto u = batches::host(out), c = batches::host(cotangent);
                    std::vector<double> sums(n);
                    for (std::size_t k = 0; k < u.size(); ++k) sums[k / d] += u[k] * c[k];
                    return sums;
                };
                for (const bool in_x_t : {false, true})
                    for (std::size_t i = 0; i < d; ++i) {
                        auto high_xbar = batches::host(xbar), low_xbar = high_xbar,
                             high_x_t = batches::host(x_t), low_x_t = high_x_t;
                        for (std::size_t j = 0; j < n; ++j) {
                            (in_x_t ? high_x_t : high_xbar)[i + d * j] += h;
                            (in_x_t ? low_x_t : low_xbar)[i + d * j] -= h;
                        }
                        const auto high = product(high_xbar, high_x_t), low = product(low_xbar, low_x_t);
                        const auto found = batches::host(in_x_t ? out_x_t : out_xbar);
                        for (std::size_t j = 0; j < n; ++j) {
                            const double difference = (high[j] - low[j]) / (2.0 * h) +
                                                      (in_x_t ? before[i + d * j] : 0.0); // x_t's is added
                            // truncation h^2 u''', rounding 1e-16 u/h with u up to 20
                            CHECK(std::abs(found[i + d * j] - difference) <
                                  2e-7 * (1.0 + std::abs(difference)));
                        }
                    }
            }
    }
}

TEST_CASE("an infinite velocity at s = 1 is refused, whichever way the time is given") {
    const auto context = back_ends::eigen<double>::make();
    using batch = diamond::eigen::batch<double>;
    const auto x = batches::normal<batch>(context, 2, 3, 41);
    batch out(context, 2, 3);
    for (const auto kind : schedules::every_kind) {
        const any_schedule inner{kind};
        diamond::inner_velocity velocity(any_schedule{}, models::mixture<batch, any_schedule>(any_schedule{}),
                                         inner);
        const auto s = diamond::from_host(context, 1, 3, std::vector<double>{0.2, 1.0, 0.4});
        const auto call = [&](const time_view& at) {
            velocity(x, at, x, time_view(0.5), diamond::posterior_kernel_coefficients, none, out);
        };
        if (inner.infinite_slope()) {
            CHECK_THROWS_WITH_AS(call(time_view(1.0)), doctest::Contains("s = 1"), std::invalid_argument);
            CHECK_THROWS_WITH_AS(call(time_view(s.data())), doctest::Contains("s = 1"),
                                 std::invalid_argument);
        } else {
            CHECK_NOTHROW(call(time_view(1.0)));
            CHECK_NOTHROW(call(time_view(s.data())));
        }
        CHECK_NOTHROW(call(time_view(1.0 - 1e-12)));
    }
}

TEST_CASE(
    "a denoiser of a schedule with infinite sigma'(1) serves up to s = 1, where nothing is left to ask") {
    const auto context = back_ends::eigen<double>::make();
    using batch = diamond::eigen::batch<double>;
    constexpr index_t n = 4;
    const auto x_t = batches::normal<batch>(context, 2, n, 51),
               xbar = batches::normal<batch>(context, 2, n, 52),
               c = batches::normal<batch>(context, 2, n, 53);
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        const models::mixture<batch, any_schedule> field(schedule);
        const denoiser_of<batch> network{field};
        const diamond::denoiser_network as_velocity(schedule, network);
        diamond::inner_velocity by_velocity(schedule, field, any_schedule{});
        diamond::inner_velocity by_denoiser(schedule, as_velocity, any_schedule{});
        const auto transition = diamond::kernel_at(schedule, {0.4, 0.7},
                                                   diamond::constant_correlation(-1.0)); // sbar = 0, too
        for (const auto& kernel : {diamond::posterior_kernel_coefficients, transition})
            for (const double s : {0.3, 1.0}) {
                const auto all_s = diamond::from_host(context, 1, n, std::vector<double>{0.3, 1.0, 0.9, 1.0});
                for (const time_view& at : {time_view(s), time_view(all_s.data())}) {
                    batch a(context, 2, n), b(context, 2, n),
                        a_x_t = batches::normal<batch>(context, 2, n, 54),
                        b_x_t = batches::normal<batch>(context, 2, n, 54);
                    by_velocity(xbar, at, x_t, time_view(0.4), kernel, none, a);
                    by_denoiser(xbar, at, x_t, time_view(0.4), kernel, none, b);
                    CHECK(largest_error(batches::host(b), batches::host(a)) < 1e-12);
                    by_velocity.vjp(xbar, at, x_t, time_view(0.4), kernel, none, c, a, a_x_t);
                    by_denoiser.vjp(xbar, at, x_t, time_view(0.4), kernel, none, c, b, b_x_t);
                    CHECK(largest_error(batches::host(b), batches::host(a)) < 1e-12);
                    CHECK(largest_error(batches::host(b_x_t), batches::host(a_x_t)) < 1e-12);
                }
            }
        // of four calls with one time two ended at t* = 1
        CHECK(by_denoiser.spent() == diamond::cost{.forward = 6 * n, .vjp = 6 * n});
    }
}

TEST_CASE("shapes are checked, and evaluations counted a column at a time") {
    const auto context = back_ends::eigen<double>::make();
    using batch = diamond::eigen::batch<double>;
    diamond::inner_velocity velocity(any_schedule{}, models::mixture<batch, any_schedule>(any_schedule{}),
                                     any_schedule{});
    const batch x(context, 2, 5), fewer(context, 2, 4), taller(context, 3, 5);
    batch out(context, 2, 5), tall(context, 3, 5);
    const auto call = [&](const batch& xbar, const batch& x_t, batch& to) {
        velocity(xbar, time_view(0.5), x_t, time_view(0.5), diamond::posterior_kernel_coefficients, none, to);
    };
    CHECK_THROWS_WITH_AS(call(x, fewer, out), doctest::Contains("2 x 4"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(call(fewer, x, out), doctest::Contains("2 x 4"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(call(taller, taller, tall), doctest::Contains("3"), std::invalid_argument);
    CHECK(velocity.spent() == diamond::cost{});
    const auto y = batches::normal<batch>(context, 2, 5, 42);
    call(y, y, out);
    CHECK(velocity.spent() == diamond::cost{.forward = 5});
    batch out_x_t = batches::normal<batch>(context, 2, 5, 43);
    velocity.vjp(y, time_view(0.5), y, time_view(0.5), diamond::posterior_kernel_coefficients, none, y, out,
                 out_x_t);
    CHECK(velocity.spent() == diamond::cost{.forward = 5, .vjp = 5});
}

} // namespace glass_inner_velocity_test
