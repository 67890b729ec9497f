#include <algorithm>
#include <limits>

#include <diamond/map/ode_flow_map.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace map_solver_test {

using diamond::index_t;
using diamond::interval;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;
using batch = diamond::eigen::batch<double>;

namespace {

constexpr diamond::no_condition none;

/// Dormand and Prince's tableau at fixed steps: the method of order 5, and the embedded one of order 4.
struct dormand_prince_fixed {
    index_t steps = 8;
    static constexpr int order = 5;
    static constexpr auto tableau = diamond::dormand_prince::tableau;
};
struct dormand_prince_embedded {
    index_t steps = 8;
    static constexpr int order = 4;
    static constexpr auto tableau = [] {
        auto t = diamond::dormand_prince::tableau;
        for (std::size_t i = 0; i < 7; ++i) t.weight[i] -= t.error[i];
        return t;
    }();
};

diamond::gaussian<batch, any_schedule> gaussian(const diamond::eigen::context& context,
                                                const any_schedule& schedule) {
    const models::gaussian_numbers n;
    return {context, schedule, n.mean, n.covariance};
}
template <class Map>
std::vector<double> apply(Map&& map, const batch& x, interval span) {
    batch out(x.context(), x.rows(), x.columns());
    map(x, span, none, out);
    return batches::host(out);
}

} // namespace

TEST_CASE("a tableau is consistent: rows sum to nodes, weights to 1, errors to 0") {
    const auto check = [](const auto& tableau) {
        double weights = 0.0, errors = 0.0;
        for (std::size_t i = 0; i < tableau.node.size(); ++i) {
            double row = 0.0;
            for (std::size_t j = 0; j < tableau.node.size(); ++j) {
                row += tableau.stage[i][j];
                if (j >= i) CHECK(tableau.stage[i][j] == 0.0);
            }
            CHECK(row == doctest::Approx(tableau.node[i]).epsilon(1e-15));
            weights += tableau.weight[i];
            errors += tableau.error[i];
        }
        CHECK(weights == doctest::Approx(1.0).epsilon(1e-15));
        CHECK(std::abs(errors) < 1e-16);
    };
    check(diamond::euler::tableau);
    check(diamond::explicit_midpoint::tableau);
    check(diamond::heun::tableau);
    check(diamond::runge_kutta_4::tableau);
    check(diamond::dormand_prince::tableau);
}

TEST_CASE_TEMPLATE("a solver converges at its order, forwards and backwards", solver, diamond::euler,
                   diamond::explicit_midpoint, diamond::heun, diamond::runge_kutta_4, dormand_prince_fixed,
                   dormand_prince_embedded) {
    const auto context = back_ends::eigen<double>::make(1);
    const auto x = batches::normal<batch>(context, 3, 20, 1), y = batches::normal<batch>(context, 2, 20, 1);
    // Enough steps for the leading term to lead, few enough for rounding (1e-14) not to count.
    const index_t steps = solver::order == 5 ? 64 : solver::order == 4 ? 96 : 512;
    for (const auto kind : schedules::every_kind)
        for (const interval span : {interval{0.0, 1.0}, interval{0.9, 0.15}}) {
            const any_schedule schedule{kind};
            const auto slope = [&](const auto& field, const batch& from, const std::vector<double>& wanted) {
                const auto error = [&](index_t count) {
                    const auto found = apply(diamond::ode_flow_map(field, solver{.steps = count}), from,
                                             span);
                    double square = 0.0;
                    for (std::size_t k = 0; k < found.size(); ++k)
                        square += diamond::square(found[k] - wanted[k]);
                    return std::sqrt(square / static_cast<double>(found.size()));
                };
                const double coarse = error(steps), fine = error(2 * steps);
                return std::pair(std::log2(coarse / fine), fine);
            };
            // On Gaussian data against the closed map. Some methods do better there: the midpoint method has
            // order 3 on the linear schedule.
            const auto model = gaussian(context, schedule);
            diamond::gaussian_flow_map exact(model);
            const auto on_gaussian = slope(model, x, apply(exact, x, span));
            // On a mixture, where nothing is special, against many steps of order 5.
            const models::mixture<batch, any_schedule> mixture(schedule);
            const auto on_mixture = slope(
                mixture, y,
                apply(diamond::ode_flow_map(mixture, dormand_prince_fixed{.steps = 512}), y, span));
            MESSAGE(std::string(schedule.name())
                    << " from " << span.from << " to " << span.to << ": order " << on_gaussian.first
                    << " and " << on_mixture.first << " for " << solver::order << ", errors "
                    << on_gaussian.second << " and " << on_mixture.second << " at " << 2 * steps << " steps");
            CHECK((on_gaussian.first > solver::order - 0.2 || on_gaussian.second < 1e-13));
            CHECK(on_mixture.first > solver::order - 0.2);
            // Dormand and Prince made the leading error so small that rounding comes before it is reached.
            if (!std::is_same_v<decltype(solver::tableau), decltype(diamond::dormand_prince::tableau)>)
                CHECK(on_mixture.first < solver::order + 0.2);
        }
}

TEST_CASE("an evaluation a stage, and the default steps cost alike") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto model = gaussian(context, any_schedule{});
    const index_t n = 7;
    const auto x = batches::normal<batch>(context, 3, n, 2);
    const auto spent = [&](auto solver) {
        diamond::ode_flow_map map(model, solver);
        apply(map, x, {0.0, 1.0});
        return map.spent();
    };
    CHECK(spent(diamond::euler{.steps = 5}) == diamond::cost{.forward = 5 * n});
    CHECK(spent(diamond::explicit_midpoint{.steps = 5}) == diamond::cost{.forward = 10 * n});
    CHECK(spent(diamond::heun{.steps = 5}) == diamond::cost{.forward = 10 * n});
    CHECK(spent(diamond::runge_kutta_4{.steps = 5}) == diamond::cost{.forward = 20 * n});
    for (const auto& defaults : {spent(diamond::euler{}), spent(diamond::explicit_midpoint{}),
                                 spent(diamond::heun{}), spent(diamond::runge_kutta_4{})})
        CHECK(defaults == diamond::cost{.forward = 32 * n});
    // First the velocity at the start, then six for each step taken or refused.
    const auto adaptive = spent(diamond::dormand_prince{});
    CHECK(adaptive.forward % n == 0);
    CHECK((adaptive.forward / n - 1) % 6 == 0);
}

TEST_CASE("the adaptive pair honours its tolerance, forwards and backwards") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto x = batches::normal<batch>(context, 3, 50, 3);
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        const auto model = gaussian(context, schedule);
        diamond::gaussian_flow_map exact(model);
        for (const interval span : {interval{0.0, 1.0}, interval{1.0, 0.0}, interval{0.3, 0.8}}) {
            const auto wanted = apply(exact, x, span);
            std::int64_t before = 0;
            for (const double tolerance : {1e-3, 1e-5, 1e-7, 1e-9, 1e-11}) {
                diamond::ode_flow_map map(model, diamond::dormand_prince{.relative_tolerance = tolerance,
                                                                         .absolute_tolerance = tolerance});
                const double error = largest_error(apply(map, x, span), wanted);
                CAPTURE(std::string(schedule.name()));
                CAPTURE(span.from);
                CAPTURE(tolerance);
                // The tolerance is a step's; ten steps' errors may add up, and the flow may stretch them
                // threefold.
                CHECK(error < 30.0 * tolerance);
                CHECK(map.spent().forward >= before);
                before = map.spent().forward;
            }
        }
    }
    // From a time to itself: nothing to do, and nothing spent.
    diamond::ode_flow_map still(gaussian(context, any_schedule{}), diamond::dormand_prince{});
    CHECK(apply(still, x, {0.4, 0.4}) == batches::host(x));
    CHECK(still.spent() == diamond::cost{});
}

TEST_CASE_TEMPLATE("vjp is the derivative of the discrete map, not of the flow", solver, diamond::euler,
                   diamond::explicit_midpoint, diamond::heun, diamond::runge_kutta_4, dormand_prince_fixed) {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t d = 2, n = 6;
    constexpr double h = 1e-6;
    const models::mixture<batch, any_schedule> field(any_schedule{schedules::kind::trigonometric});
    const auto x = batches::normal<batch>(context, d, n, 4),
               cotangent = batches::normal<batch>(context, d, n, 5);
    // Three steps are far from the flow: the derivative of the flow would be seen.
    diamond::ode_flow_map map(field, solver{.steps = 3});
    for (const interval span : {interval{0.1, 0.9}, interval{1.0, 0.2}, interval{0.0, 1.0}}) {
        batch pulled(context, d, n);
        map.vjp(x, span, none, cotangent, pulled);
        const auto found = batches::host(pulled), c = batches::host(cotangent);
        for (std::size_t i = 0; i < d; ++i) {
            auto high = batches::host(x), low = high;
            for (std::size_t j = 0; j < n; ++j) {
                high[i + d * j] += h;
                low[i + d * j] -= h;
            }
            const auto above = apply(map, batches::make<batch>(context, d, n, high), span),
                       below = apply(map, batches::make<batch>(context, d, n, low), span);
            for (std::size_t j = 0; j < n; ++j) {
                double difference = 0.0;
                for (std::size_t l = 0; l < d; ++l)
                    difference += c[l + d * j] * (above[l + d * j] - below[l + d * j]) / (2.0 * h);
                CHECK(std::abs(found[i + d * j] - difference) < 1e-7 * (1.0 + std::abs(difference)));
            }
        }
    }
    // One vjp a stage at most, the forward run at most twice.
    diamond::ode_flow_map counted(field, solver{.steps = 3});
    batch out(context, d, n);
    counted.vjp(x, {0.0, 1.0}, none, cotangent, out);
    CHECK(counted.spent().vjp <= 3 * solver::tableau.stages * n);
    CHECK(counted.spent().forward <= 2 * 3 * solver::tableau.stages * n);
}

TEST_CASE("vjp of the adaptive pair is that of the steps it took") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t d = 3, n = 4;
    const auto x = batches::normal<batch>(context, d, n, 6),
               cotangent = batches::normal<batch>(context, d, n, 7);
    const auto model = gaussian(context, any_schedule{});
    for (const double tolerance : {1e-4, 1e-8}) {
        diamond::ode_flow_map map(
            model, diamond::dormand_prince{.relative_tolerance = tolerance, .absolute_tolerance = tolerance});
        diamond::gaussian_flow_map exact(model);
        for (const interval span : {interval{0.0, 1.0}, interval{0.9, 0.1}}) {
            batch found(context, d, n), wanted(context, d, n);
            map.vjp(x, span, none, cotangent, found);
            exact.vjp(x, span, none, cotangent, wanted);
            CHECK(largest_error(batches::host(found), batches::host(wanted)) < 30.0 * tolerance);
        }
    }
}

TEST_CASE_TEMPLATE("flow maps compose, and undo themselves, on every back end", back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    const index_t n = 40;
    const models::mixture<own_batch, any_schedule> field(any_schedule{});
    const auto x = batches::normal<own_batch>(context, 2, n, 8);
    const auto check = [&](auto map, double solver_error) {
        const auto go = [&](const own_batch& from, interval span) {
            own_batch out(context, 2, n);
            map(from, span, none, out);
            return out;
        };
        // a mixture's map stretches rounding, too
        const double tolerance = solver_error + 8 * back_end::tolerance;
        CHECK(largest_error(batches::host(go(go(x, {0.0, 0.35}), {0.35, 0.8})),
                            batches::host(go(x, {0.0, 0.8}))) < tolerance);
        CHECK(largest_error(batches::host(go(go(x, {0.0, 0.8}), {0.8, 0.0})), batches::host(x)) < tolerance);
        CHECK(batches::host(go(x, {0.5, 0.5})) == batches::host(x));
    };
    check(diamond::ode_flow_map(field, diamond::runge_kutta_4{.steps = 64}), 2e-6);
    check(diamond::ode_flow_map(
              field, diamond::dormand_prince{.relative_tolerance = 1e-5, .absolute_tolerance = 1e-5}),
          2e-4);
}

TEST_CASE_TEMPLATE("every back end takes the same steps to the same place", back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto reference = back_ends::eigen<double>::make(1);
    const index_t n = 40;
    const auto x = batches::normal<own_batch>(context, 2, n, 9);
    const auto x_reference = batches::make<batch>(reference, 2, n, batches::host(x));
    const models::mixture<own_batch, any_schedule> field(any_schedule{});
    const models::mixture<batch, any_schedule> field_reference(any_schedule{});
    own_batch out(context, 2, n);
    diamond::ode_flow_map(field, diamond::runge_kutta_4{})(x, {0.0, 1.0}, none, out);
    CHECK(largest_error(batches::host(out),
                        apply(diamond::ode_flow_map(field_reference, diamond::runge_kutta_4{}), x_reference,
                              {0.0, 1.0})) < 8 * back_end::tolerance);
}

namespace {
/// A velocity that dies between t = 0.4 and t = 0.6, or everywhere.
struct dying_field {
    using batch_type = map_solver_test::batch;
    bool everywhere = false;
    index_t dimension() const { return 1; }
    int make_workspace(const diamond::eigen::context&, index_t) const { return 0; }
    void operator()(diamond::const_view_t<batch> x, diamond::time_view t, diamond::no_condition, int&,
                    diamond::view_t<batch> out) const {
        const bool dead = everywhere || (t.value() > 0.4 && t.value() < 0.6);
        for (index_t j = 0; j < x.columns(); ++j)
            out[j] = dead ? std::numeric_limits<double>::quiet_NaN() : 1.0;
    }
};
} // namespace

TEST_CASE("solvers refuse what they cannot do, and can be used afterwards") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto model = gaussian(context, any_schedule{});
    CHECK_THROWS_WITH_AS(diamond::ode_flow_map(model, diamond::euler{.steps = 0}),
                         doctest::Contains("0 steps"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::ode_flow_map(model, diamond::runge_kutta_4{.steps = -3}),
                         doctest::Contains("-3 steps"), std::invalid_argument);
    for (const double bad : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
        CHECK_THROWS_WITH_AS(diamond::ode_flow_map(model, diamond::dormand_prince{.relative_tolerance = bad}),
                             doctest::Contains("tolerances"), std::invalid_argument);
        CHECK_THROWS_WITH_AS(diamond::ode_flow_map(model, diamond::dormand_prince{.absolute_tolerance = bad}),
                             doctest::Contains("tolerances"), std::invalid_argument);
    }
    CHECK_THROWS_AS(diamond::ode_flow_map(model, diamond::dormand_prince{.most_steps = 0}),
                    std::invalid_argument);

    diamond::ode_flow_map map(model, diamond::heun{});
    const auto x = batches::normal<batch>(context, 3, 4, 10),
               tall = batches::normal<batch>(context, 4, 4, 10);
    batch out(context, 3, 4), tall_out(context, 4, 4), wide(context, 3, 5);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const interval span :
         {interval{-0.1, 1.0}, interval{0.0, 1.5}, interval{nan, 1.0}, interval{0.0, nan}})
        CHECK_THROWS_WITH_AS(map(x, span, none, out), doctest::Contains("[0, 1]"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(map(x, {0.0, 1.0}, none, wide), doctest::Contains("3 x 5"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(map(tall, {0.0, 1.0}, none, tall_out), doctest::Contains("4 rows"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(map.vjp(x, {0.0, 1.0}, none, wide, out), doctest::Contains("3 x 5"),
                         std::invalid_argument);

    // An adaptive solver that cannot pass says where it stands.
    const batch one = batches::repeat<batch>(context, 2, {0.0});
    batch one_out(context, 1, 2);
    CHECK_THROWS_WITH_AS(
        diamond::ode_flow_map(dying_field{}, diamond::dormand_prince{})(one, {0.0, 1.0}, none, one_out),
        doctest::Contains("not finite near t = 0.4"), diamond::numeric_error);
    CHECK_THROWS_WITH_AS(
        diamond::ode_flow_map(dying_field{}, diamond::dormand_prince{})(one, {1.0, 0.0}, none, one_out),
        doctest::Contains("not finite near t = 0.6"), diamond::numeric_error);
    CHECK_THROWS_AS(diamond::ode_flow_map(dying_field{.everywhere = true},
                                          diamond::dormand_prince{})(one, {0.0, 1.0}, none, one_out),
                    diamond::numeric_error);
    CHECK_THROWS_WITH_AS(
        diamond::ode_flow_map(model, diamond::dormand_prince{.most_steps = 2})(x, {0.0, 1.0}, none, out),
        doctest::Contains("2 steps"), diamond::numeric_error);

    diamond::gaussian_flow_map exact(model);
    CHECK(largest_error(apply(map, x, {0.0, 1.0}), apply(exact, x, {0.0, 1.0})) < 0.05);
    const batch nothing(context, 3, 0);
    batch nothing_out(context, 3, 0);
    CHECK_NOTHROW(map(nothing, {0.0, 1.0}, none, nothing_out));
    CHECK_NOTHROW(
        diamond::ode_flow_map(model, diamond::dormand_prince{})(nothing, {0.0, 1.0}, none, nothing_out));
}

} // namespace map_solver_test
