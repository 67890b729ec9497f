/// The divergence of GLASS's inner velocity: by differences of that velocity, at every time and end.
#include <diamond/density/inner_divergence.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/fields.hpp"
#include "support/models.hpp"
#include "support/numbers.hpp"
#include "support/powers.hpp"
#include "support/statistics.hpp"

namespace density_inner_divergence_test {

using diamond::index_t, diamond::time_view;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;
using batch = diamond::eigen::batch<double>;
using list = std::vector<double>;

namespace {

constexpr diamond::no_condition none;

/// sum_i (ubar_i(xbar + h e_i) - ubar_i(xbar - h e_i))/2h, times a column each; good to some 1e-9.
template <class Field>
list by_differences(const any_schedule& schedule, const any_schedule& inner, const Field& field,
                    const batch& xbar, const batch& x_t, const list& t, const list& s) {
    constexpr double h = 1e-5;
    const auto& context = xbar.context();
    const index_t d = xbar.rows(), n = xbar.columns();
    diamond::inner_velocity velocity(schedule, field, inner);
    list result(static_cast<std::size_t>(n), 0.0);
    for (index_t j = 0; j < n; ++j) { // a column at a time: broadcast times know the ends
        const auto k = static_cast<std::size_t>(j);
        batch at(context, d, 1), above(context, d, 1), below(context, d, 1);
        for (index_t i = 0; i < d; ++i) {
            const auto ubar = [&](double step, batch& out) {
                for (index_t l = 0; l < d; ++l) at.data()[l] = xbar.data()[l + d * j] + (l == i ? step : 0.0);
                velocity(at.read(), time_view(s[k]), x_t.read().columns(j, 1), time_view(t[k]),
                         diamond::posterior_kernel_coefficients, none, out.mutable_view());
            };
            ubar(h, above);
            ubar(-h, below);
            result[k] += (above.data()[i] - below.data()[i]) / (2.0 * h);
        }
    }
    return result;
}

} // namespace

TEST_CASE("by differences: all schedules, inner equal to and different from the outer, all ends, broadcast "
          "times and a time for each column") {
    const auto context = back_ends::eigen<double>::make(2);
    constexpr index_t n = 18;
    using mixture = models::mixture<batch, any_schedule>;
    const auto xbar = batches::normal<batch>(context, 2, n, 1),
               x_t = batches::normal<batch>(context, 2, n, 2);
    for (const auto kind : schedules::every_kind)
        for (const auto inner_kind : schedules::every_kind) {
            const any_schedule schedule{kind}, inner{inner_kind};
            CAPTURE(std::string(schedule.name()));
            CAPTURE(std::string(inner.name()));
            diamond::inner_divergence divergence(schedule, diamond::exact_divergence{mixture(schedule)},
                                                 inner);
            list t, s;
            for (index_t j = 0; j < n; ++j) {
                const double of_t[] = {0.0, 0.35, 0.8},
                             of_s[] = {0.0, 0.3, 0.5, 0.75, 0.9, inner.infinite_slope() ? 0.97 : 1.0};
                t.push_back(of_t[j % 3]);
                s.push_back(of_s[j / 3]);
            }
            const list wanted = by_differences(schedule, inner, mixture(schedule), xbar, x_t, t, s);
            batch out(context, 1, n), error(context, 1, n);
            const auto on_t = diamond::from_host<double>(context, 1, n, t),
                       on_s = diamond::from_host<double>(context, 1, n, s);
            divergence(xbar, time_view(on_s.data()), x_t, time_view(on_t.data()), none, {}, row(out),
                       row(error));
            CHECK(largest_error(diamond::to_host(out), wanted) < 1e-7);
            CHECK(diamond::to_host(error) == list(n, 0.0));
            const list apart = diamond::to_host(out);
            // a column at a time by broadcast times, and mixtures of the two kinds
            for (index_t j = 0; j < n; ++j) {
                const auto k = static_cast<std::size_t>(j);
                batch one(context, 1, 1), one_error(context, 1, 1);
                divergence(xbar.read().columns(j, 1), time_view(s[k]), x_t.read().columns(j, 1),
                           time_view(t[k]), none, {}, row(one), row(one_error));
                CHECK(one.data()[0] == doctest::Approx(apart[k]).epsilon(1e-12));
                CHECK(one_error.data()[0] == 0.0);
                divergence(xbar.read().columns(j, 1), time_view(&s[k]), x_t.read().columns(j, 1),
                           time_view(t[k]), none, {}, row(one));
                CHECK(one.data()[0] == doctest::Approx(apart[k]).epsilon(1e-12));
            }
        }
}

TEST_CASE_TEMPLATE(
    "on every back end, in five dimensions; the field's own divergence there is another number", back_end,
    BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 7, d = 5;
    const auto host = back_ends::eigen<double>::make(1);
    const any_schedule schedule{schedules::kind::trigonometric};
    const fields::waved<own_batch> field(context, d, fields::crooked(d), 0.5);
    const fields::waved<batch> reference(host, d, fields::crooked(d), 0.5);
    const auto xbar = batches::normal<own_batch>(context, d, n, 3),
               x_t = batches::normal<own_batch>(context, d, n, 4);
    diamond::inner_divergence divergence(schedule, diamond::exact_divergence{field}); // linear inner schedule
    diamond::rebind_t<own_batch, double> out(context, 1, n);
    const list t(n, 0.4), s(n, 0.6);
    const list wanted = by_differences(schedule, any_schedule{}, reference,
                                       batches::make<batch>(host, d, n, batches::host(xbar)),
                                       batches::make<batch>(host, d, n, batches::host(x_t)), t, s);
    divergence(xbar, time_view(0.6), x_t, time_view(0.4), none, {}, diamond::row(out));
    CHECK(largest_error(batches::host(out), wanted) < 1e-7 + 8 * back_end::tolerance);
    CHECK(divergence.spent() == diamond::cost{.jvp = d * n});
    const auto on_t = diamond::from_host<double>(context, 1, n, t),
               on_s = diamond::from_host<double>(context, 1, n, s);
    divergence(xbar, time_view(on_s.data()), x_t, time_view(on_t.data()), none, {}, diamond::row(out));
    CHECK(largest_error(batches::host(out), wanted) < 1e-7 + 8 * back_end::tolerance);
    // div u at (x*, t*) without the factors is another number
    const auto c = diamond::inner_velocity_at(schedule, diamond::linear_schedule{}, 0.4, 0.6,
                                              diamond::posterior_kernel_coefficients);
    own_batch point(context, d, n);
    diamond::combine(diamond::coefficients<2>(diamond::numbers<2>{{c.input_outer, c.input_inner}}),
                     point.mutable_view(), x_t.read(), xbar.read());
    diamond::exact_divergence alone{field};
    alone(point.read(), time_view(c.time), none, {}, diamond::row(out));
    CHECK(largest_error(batches::host(out), wanted) > 0.02);
}

TEST_CASE("where all t* are 1 nothing is asked; of no information all is the field's") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 6;
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        CAPTURE(std::string(schedule.name()));
        using mixture = models::mixture<batch, any_schedule>;
        const auto xbar = batches::normal<batch>(context, 2, n, 5),
                   x_t = batches::normal<batch>(context, 2, n, 6);
        diamond::inner_divergence divergence(schedule, diamond::exact_divergence{mixture(schedule)});
        batch out(context, 1, n);
        divergence(xbar, time_view(1.0), x_t, time_view(0.4), none, {}, row(out));
        CHECK(divergence.spent() == diamond::cost{});
        const list end = diamond::to_host(out);
        CHECK(largest_error(end, by_differences(schedule, {}, mixture(schedule), xbar, x_t, list(n, 0.4),
                                                list(n, 1.0))) < 1e-7);
        // the same among columns that do ask
        const list s{1.0, 0.5, 1.0, 0.2, 1.0, 0.9}, t(n, 0.4);
        divergence(xbar, time_view(s.data()), x_t, time_view(t.data()), none, {}, row(out));
        for (const std::size_t j : {0U, 2U, 4U})
            CHECK(out.data()[j] == doctest::Approx(end[j]).epsilon(1e-12));
        for (const double one : diamond::to_host(out)) CHECK(std::isfinite(one));
    }
}

TEST_CASE("where the velocity hides the data, at t = s = 0 with alpha'(0) = 0, the divergence is D's") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t n = 5;
    for (const auto schedule : powers::flat_starts) {
        using mixture = models::mixture<batch, powers::any_power_schedule>;
        const auto xbar = batches::normal<batch>(context, 2, n, 7),
                   x_t = batches::normal<batch>(context, 2, n, 8);
        diamond::inner_divergence divergence(schedule, diamond::exact_divergence{mixture(schedule)});
        batch together(context, 1, n), apart(context, 1, n);
        divergence(xbar, time_view(0.0), x_t, time_view(0.0), none, {}, row(together));
        // Beside columns that do not hide it, a column has the same.
        const list t{0.0, 0.0, 0.3, 0.0, 0.0}, s{0.0, 0.0, 0.6, 0.0, 0.0};
        divergence(xbar, time_view(s.data()), x_t, time_view(t.data()), none, {}, row(apart));
        for (const std::size_t j : {0U, 1U, 3U, 4U}) {
            CHECK(together.data()[j] == -2.0); // exactly: ubar = E[z] - xbar, d = 2
            CHECK(apart.data()[j] == together.data()[j]);
        }
        CHECK(std::isfinite(apart.data()[2]));
    }
}

TEST_CASE("with random probes: unbiased, and a standard error that is right") {
    // 4000 columns at one point: 4.5 standard errors, once in 147,000. The reported errors' mean square is
    // the estimates' spread, known to 2 %.
    const auto context = back_ends::eigen<double>::make(2);
    constexpr index_t n = 4000, d = 5;
    const fields::waved<batch> field(context, d, fields::crooked(d), 0.5);
    const auto xbar = batches::repeat<batch>(context, n, {0.3, -0.5, 0.9, 0.1, -1.2}),
               x_t = batches::repeat<batch>(context, n, {-0.4, 0.2, 0.6, -0.8, 0.5});
    diamond::inner_divergence exact(diamond::linear_schedule{}, diamond::exact_divergence{field});
    diamond::inner_divergence probed(diamond::linear_schedule{},
                                     diamond::hutchinson_divergence{field, {.probes = 3}});
    static_assert(decltype(probed)::random && !decltype(exact)::random);
    batch wanted(context, 1, 1), out(context, 1, n), error(context, 1, n);
    const auto stream = diamond::philox{9}.stream(diamond::purpose::user);
    const list t(n, 0.4), s(n, 0.6);
    exact(xbar.read().columns(0, 1), time_view(0.6), x_t.read().columns(0, 1), time_view(0.4), none, {},
          row(wanted));
    for (const bool broadcast : {true, false}) {
        probed(xbar, broadcast ? time_view(0.6) : time_view(s.data()), x_t,
               broadcast ? time_view(0.4) : time_view(t.data()), none, stream, row(out), row(error));
        const auto mean = statistics::average(diamond::to_host(out));
        CHECK(mean.standard_error > 1e-3);
        CHECK(statistics::within(mean, wanted.data()[0]));
        const double squares = statistics::average(n, [&](index_t j) {
                                   return diamond::square(error.data()[j]);
                               }).value;
        CHECK(squares == doctest::Approx(diamond::square(mean.standard_error) * n).epsilon(0.15));
    }
}

} // namespace density_inner_divergence_test
