/// A flow map in several jumps: what exact maps say at once, and derivatives by differences.
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/stepped_flow_map.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/bent_map.hpp"
#include "support/models.hpp"
#include "support/numbers.hpp"
#include "support/statistics.hpp"

namespace map_stepped_flow_map_test {

using diamond::index_t, diamond::interval, diamond::stepped_flow_map;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;
using batch = diamond::eigen::batch<double>;
using list = std::vector<double>;

namespace {

constexpr diamond::no_condition none;
constexpr index_t n = 7;

/// The bent map over any interval, as if it were the flow of one: it takes the length into account, so that
/// parts differ from the whole and from each other. X = x + l g(x), g_i = a sin x_i + (1 + from) b (i == 1)
/// x_0^2; m = sum log(1 + l a cos x_i)/l.
template <class Batch>
struct bent_flow {
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    diamond::cost bill = {};

    struct forward {
        const_view x;
        interval span;
        view out;
        DIAMOND_HD void operator()(index_t i, index_t j) const {
            const double value = static_cast<double>(x(i, j)), first = static_cast<double>(x(0, j));
            out(i, j) = static_cast<real>(
                value + span.length() * (bent::a * std::sin(value) +
                                         (i == 1 ? (1.0 + span.from) * bent::b * first * first : 0.0)));
        }
    };
    struct divergence {
        const_view x;
        interval span;
        diamond::row_t<batch_type> m;
        DIAMOND_HD void operator()(index_t j) const {
            m[j] = 0.0;
            for (index_t i = 0; i < 2; ++i)
                m[j] += std::log(1.0 + span.length() * bent::a * std::cos(static_cast<double>(x(i, j)))) /
                        span.length();
        }
    };
    struct pull_back {
        const_view x, cotangent;
        diamond::const_row_t<batch_type> of_m;
        interval span;
        view out;
        DIAMOND_HD void operator()(index_t i, index_t j) const {
            const double value = static_cast<double>(x(i, j)), l = span.length(),
                         slope = 1.0 + l * bent::a * std::cos(value);
            double sum = 0.0;
            if (cotangent.data()) {
                sum += slope * static_cast<double>(cotangent(i, j));
                if (i == 0)
                    sum += 2.0 * l * (1.0 + span.from) * bent::b * value *
                           static_cast<double>(cotangent(1, j));
            }
            if (of_m) sum -= of_m[j] * bent::a * std::sin(value) / slope;
            out(i, j) = static_cast<real>(sum);
        }
    };
    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return bill; }
    void operator()(const_view x, interval span, diamond::no_condition, view out) {
        bill.forward += x.columns();
        x.context().for_each(2, x.columns(), forward{x, span, out});
    }
    void operator()(const_view x, interval span, diamond::no_condition c, view out,
                    diamond::row_t<batch_type> m) {
        (*this)(x, span, c, out);
        x.context().for_each(x.columns(), divergence{x, span, m});
    }
    void vjp(const_view x, interval span, diamond::no_condition, const_view cotangent,
             diamond::const_row_t<batch_type> of_m, view out) {
        bill.vjp += x.columns();
        x.context().for_each(2, x.columns(), pull_back{x, cotangent, of_m, span, out});
    }
};

/// (f(x + h e_i) - f(x - h e_i))/2h of a number a column, all columns at once: a d x n gradient.
template <class F>
list gradient(const batch& x, const F& f) {
    constexpr double h = 1e-5;
    const list at = diamond::to_host(x);
    list result(at.size());
    for (index_t i = 0; i < x.rows(); ++i) {
        list above = at, below = at;
        for (std::size_t e = static_cast<std::size_t>(i); e < at.size();
             e += static_cast<std::size_t>(x.rows())) {
            above[e] += h;
            below[e] -= h;
        }
        const list high = f(diamond::from_host<double>(x.context(), x.rows(), x.columns(), above)),
                   low = f(diamond::from_host<double>(x.context(), x.rows(), x.columns(), below));
        for (std::size_t j = 0; j < high.size(); ++j)
            result[static_cast<std::size_t>(i) + static_cast<std::size_t>(x.rows()) * j] = (high[j] -
                                                                                            low[j]) /
                                                                                           (2.0 * h);
    }
    return result;
}
/// cotangent_j . out_j
list dot(const batch& a, const batch& b) {
    const list one = diamond::to_host(a), other = diamond::to_host(b);
    const auto d = static_cast<std::size_t>(a.rows());
    list result(one.size() / d, 0.0);
    for (std::size_t e = 0; e < one.size(); ++e) result[e / d] += one[e] * other[e];
    return result;
}

} // namespace

TEST_CASE_TEMPLATE("of an exact map it is the map, either way, with m and with derivatives", back_end,
                   BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    const models::gaussian_numbers numbers;
    const auto x = batches::normal<own_batch>(context, 3, n, 1),
               cotangent = batches::normal<own_batch>(context, 3, n, 2);
    const double tolerance = 32 * back_end::tolerance;
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        CAPTURE(std::string(schedule.name()));
        const diamond::gaussian<own_batch, any_schedule> model(context, schedule, numbers.mean,
                                                               numbers.covariance);
        diamond::gaussian_flow_map flow(model);
        diamond::gaussian_flow_map joint(model);
        for (const index_t steps : {1, 2, 5}) {
            stepped_flow_map parts(flow, {.steps = steps});
            stepped_flow_map joint_parts(joint, {.steps = steps});
            CHECK((parts.exact() && joint_parts.exact() && parts.dimension() == 3 &&
                   parts.schedule().which == kind));
            own_batch out(context, 3, n), wanted(context, 3, n);
            diamond::rebind_t<own_batch, double> m(context, 1, n), wanted_m(context, 1, n);
            for (const interval span : {interval{0.0, 1.0}, interval{1.0, 0.0}, interval{0.2, 0.7},
                                        interval{0.9, 0.3}, interval{0.4, 0.4}}) {
                if (span.length() == 0.0 && schedule.infinite_slope())
                    continue; // m there is the field's divergence, of rounding's size apart
                CAPTURE(span.from);
                parts(x, span, none, out);
                flow(x, span, none, wanted);
                CHECK(largest_error(batches::host(out), batches::host(wanted)) < tolerance);
                joint_parts(x, span, none, out, diamond::row(m));
                joint(x, span, none, wanted, diamond::row(wanted_m));
                CHECK(largest_error(batches::host(out), batches::host(wanted)) < tolerance);
                CHECK(largest_error(batches::host(m), batches::host(wanted_m)) < tolerance);
                parts.vjp(x, span, none, cotangent, out);
                flow.vjp(x, span, none, cotangent, wanted);
                CHECK(largest_error(batches::host(out), batches::host(wanted)) < tolerance);
                joint_parts.vjp(x, span, none, cotangent, {}, out);
                CHECK(largest_error(batches::host(out), batches::host(wanted)) < tolerance);
            }
        }
    }
}

TEST_CASE_TEMPLATE(
    "of any other it is the parts after each other, and m the mean of the parts'; not the map at once",
    back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto x = batches::normal<own_batch>(context, 2, n, 3);
    own_batch out(context, 2, n), here(context, 2, n), next(context, 2, n);
    diamond::rebind_t<own_batch, double> m(context, 1, n), part(context, 1, n);
    bent_flow<own_batch> once;
    for (const interval span : {interval{0.0, 1.0}, interval{1.0, 0.1}, interval{0.25, 0.5}})
        for (const index_t steps : {1, 3}) {
            stepped_flow_map map(bent_flow<own_batch>{}, {.steps = steps});
            map(x, span, none, out, diamond::row(m));
            context.copy(x.data(), x.size(), here.data());
            list mean(n, 0.0);
            for (index_t k = 0; k < steps; ++k) {
                const auto share = [&](index_t i) {
                    return i == steps ? span.to
                                      : span.from + span.length() * static_cast<double>(i) /
                                                        static_cast<double>(steps);
                };
                once(here, {share(k), share(k + 1)}, none, next, diamond::row(part));
                const list of_part = batches::host(part);
                for (std::size_t j = 0; j < n; ++j) mean[j] += of_part[j] / static_cast<double>(steps);
                std::swap(here, next);
            }
            CHECK(largest_error(batches::host(out), batches::host(here)) < 4 * back_end::tolerance);
            CHECK(largest_error(batches::host(m), mean) < 4 * back_end::tolerance);
            CHECK(map.spent() == diamond::cost{.forward = steps * n});
            once(x, span, none, next, diamond::row(part));
            CHECK((largest_error(batches::host(out), batches::host(next)) > 1e-3) == (steps > 1));
            CHECK((largest_error(batches::host(m), batches::host(part)) > 1e-3) == (steps > 1));
        }
}

TEST_CASE("derivatives by differences: of a mixture's flow, and of a joint map that bends") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto x = batches::normal<batch>(context, 2, n, 4),
               cotangent = batches::normal<batch>(context, 2, n, 5);
    const auto of_m = batches::normal<batch>(context, 1, n, 6);
    const any_schedule schedule{};
    batch out(context, 2, n), m(context, 1, n), pulled(context, 2, n);
    for (const interval span : {interval{0.1, 0.9}, interval{0.9, 0.2}})
        for (const index_t steps : {1, 2, 4}) {
            CAPTURE(steps);
            stepped_flow_map flow(diamond::ode_flow_map(models::mixture<batch, any_schedule>(schedule),
                                                        diamond::heun{.steps = 2}),
                                  {.steps = steps});
            static_assert(diamond::differentiable_flow_map<decltype(flow)> &&
                          !diamond::flow_map_with_divergence<decltype(flow)>);
            flow.vjp(x, span, none, cotangent, pulled);
            CHECK(largest_error(diamond::to_host(pulled), gradient(x, [&](const batch& at) {
                                    flow(at, span, none, out);
                                    return dot(cotangent, out);
                                })) < 1e-7);

            stepped_flow_map joint(bent_flow<batch>{}, {.steps = steps});
            static_assert(diamond::differentiable_flow_map_with_divergence<decltype(joint)> &&
                          !diamond::differentiable_flow_map<decltype(joint)>);
            const auto number = [&](double of_x, double of_divergence) {
                return gradient(x, [&](const batch& at) {
                    joint(at, span, none, out, diamond::row(m));
                    list result = dot(cotangent, out);
                    for (std::size_t j = 0; j < result.size(); ++j)
                        result[j] = of_x * result[j] + of_divergence * of_m.data()[j] * m.data()[j];
                    return result;
                });
            };
            const list both = number(1.0, 1.0), position = number(1.0, 0.0), divergence = number(0.0, 1.0);
            const auto before = joint.spent();
            joint.vjp(x, span, none, cotangent, row(of_m), pulled);
            CHECK(joint.spent() == before + diamond::cost{.forward = (steps - 1) * n, .vjp = steps * n});
            CHECK(largest_error(diamond::to_host(pulled), both) < 1e-7);
            joint.vjp(x, span, none, cotangent, {}, pulled);
            CHECK(largest_error(diamond::to_host(pulled), position) < 1e-7);
            joint.vjp(x, span, none, diamond::const_view_t<batch>(nullptr, 2, n, &context), row(of_m),
                      pulled);
            CHECK(largest_error(diamond::to_host(pulled), divergence) < 1e-7);
            CHECK(largest_error(divergence, position) > 1e-2);
        }
}

TEST_CASE("no steps are refused, and so are other shapes") {
    const auto context = back_ends::eigen<double>::make(1);
    for (const index_t steps : {0, -3})
        CHECK_THROWS_WITH_AS(stepped_flow_map(bent_flow<batch>{}, {.steps = steps}),
                             doctest::Contains("at least 1"), std::invalid_argument);
    stepped_flow_map map(bent_flow<batch>{});
    const auto x = batches::normal<batch>(context, 2, n, 7);
    batch wide(context, 2, n + 1);
    CHECK_THROWS_AS(map(x, {0.0, 1.0}, none, wide), std::invalid_argument);
    batch out(context, 2, n), few(context, 2, 3);
    map(x, {0.0, 1.0}, none, out);
    map(x.read().columns(2, 3), {0.0, 1.0}, none, few); // fewer columns than before
    CHECK(numbers::same_bits(diamond::to_host(few), list(out.data() + 4, out.data() + 10)));
}

} // namespace map_stepped_flow_map_test
