/// The density of a network's own maps by log-determinants, against determinants by expansion and Gaussians
/// by dense algebra.
#include <diamond/density/exact_density.hpp>
#include <diamond/density/jacobian_network.hpp>
#include <diamond/map/corrected_posterior.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/network_diamond_map.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/oracle/gaussian.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/crooked_network.hpp"
#include "support/numbers.hpp"
#include "support/statistics.hpp"

namespace density_jacobian_network_test {

using crooked::network;
using diamond::index_t, diamond::interval, diamond::jacobian_network, diamond::time_view;
using statistics::largest_error;
using batch = diamond::eigen::batch<double>;
using list = std::vector<double>;

static_assert(diamond::diamond_network_with_divergence<jacobian_network<network<batch>>> &&
              diamond::differentiable_diamond_network<jacobian_network<network<batch>>>);
static_assert(!diamond::differentiable_diamond_network_with_divergence<jacobian_network<network<batch>>> &&
              !diamond::diamond_network_with_divergence<network<batch>>);
static_assert(diamond::flow_map_with_divergence<diamond::network_flow_map<jacobian_network<network<batch>>>>);
static_assert(
    diamond::diamond_map_with_divergence<diamond::network_diamond_map<jacobian_network<network<batch>>>>);
static_assert(!diamond::diamond_map_with_divergence<diamond::network_diamond_map<network<batch>>>);

namespace {

constexpr diamond::no_condition none;

/// m as it should be: NaN where the determinant is not positive.
double mean_log_determinant(const crooked::numbers& of, const double* xbar, double t, double s, double r) {
    const auto j = crooked::jacobian(of, xbar, t, s, r);
    small::number trace = 0;
    for (std::size_t i = 0; i < j.rows; ++i) trace += j(i, i);
    if (r == s) return static_cast<double>(trace);
    const auto determinant = crooked::determinant(small::matrix::identity(j.rows) +
                                                  static_cast<small::number>(r - s) * j);
    return determinant > 0 ? static_cast<double>(std::log(determinant) / static_cast<small::number>(r - s))
                           : std::numeric_limits<double>::quiet_NaN();
}
/// Says whether two lists have NaN at the same places and agree elsewhere within the tolerance.
bool agree(const list& found, const list& wanted, double tolerance) {
    bool result = found.size() == wanted.size();
    for (std::size_t j = 0; result && j < found.size(); ++j)
        result = std::isnan(wanted[j])
                   ? std::isnan(found[j])
                   : std::abs(found[j] - wanted[j]) <= tolerance * (1.0 + std::abs(wanted[j]));
    return result;
}

} // namespace

TEST_CASE_TEMPLATE(
    "m is the log of the determinant over the length, the trace at no length, and NaN where the map folds",
    back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 40;
    list s, r, t;
    for (index_t j = 0; j < n; ++j) {
        t.push_back(0.1 * static_cast<double>(j % 10));
        s.push_back(0.125 * static_cast<double>(j % 8));
        // r lies on either side of s, or is s.
        r.push_back(j % 5 == 0 ? s.back() : 0.0625 * static_cast<double>((7 * j) % 17));
    }
    const auto times_of = [&](const list& l) { return diamond::from_host<double>(context, 1, n, l); };
    const auto on_t = times_of(t), on_s = times_of(s), on_r = times_of(r);
    for (const index_t d : {1, 2, 3, 5})
        for (const double size : {0.15, 1.5}) { // the larger folds here and there
            CAPTURE(d);
            CAPTURE(size);
            const crooked::numbers of{.d = d, .size = size};
            const jacobian_network whole(network<own_batch>{of});
            auto space = whole.make_workspace(context, n);
            const auto xbar = batches::normal<own_batch>(context, d, n, 3),
                       x_t = batches::normal<own_batch>(context, d, n, 4);
            own_batch v(context, d, n), alone(context, d, n);
            diamond::rebind_t<own_batch, double> m(context, 1, n);
            const list at = batches::host(xbar);
            // the smallest determinants here are near 0.01, where log has lost two digits
            const double tolerance = 16 * back_end::tolerance;
            index_t folded = 0, whole_ones = 0;
            const auto check = [&](const diamond::diamond_arguments<own_batch>& arguments, const list& tt,
                                   const list& ss, const list& rr) {
                whole(arguments, none, space, v.mutable_view(), row(m));
                list wanted;
                for (index_t j = 0; j < n; ++j) {
                    const auto k = static_cast<std::size_t>(j);
                    wanted.push_back(
                        mean_log_determinant(of, &at[k * static_cast<std::size_t>(d)], tt[k], ss[k], rr[k]));
                    std::isnan(wanted.back()) ? ++folded : ++whole_ones;
                }
                CHECK(agree(batches::host(m), wanted, tolerance));
                typename network<own_batch>::workspace bare;
                network<own_batch>{of}(arguments, none, bare, alone.mutable_view());
                CHECK(numbers::same_bits(batches::host(v), batches::host(alone)));
            };
            check({xbar.read(), x_t.read(), time_view(on_t.data()), time_view(on_s.data()),
                   time_view(on_r.data())},
                  t, s, r);
            for (const interval span :
                 {interval{0.0, 1.0}, interval{0.0, 0.5}, interval{1.0, 0.25}, interval{0.4, 0.4}})
                check({xbar.read(), x_t.read(), time_view(0.3), time_view(span.from), time_view(span.to)},
                      list(n, 0.3), list(n, span.from), list(n, span.to));
            CHECK(whole_ones > 50);
            CHECK((folded > 0) == (size > 1.0));
        }
}

TEST_CASE("a determinant of 0 and one below: NaN; two reflections: what they are") {
    const diamond::eigen::context context{.threads = 1};
    const auto m_of = [&](double slope) {
        const crooked::numbers of{
            .d = 1, .size = 1.0, .waves = 0.0, .shift = std::sin(0.4) - slope}; // v = slope xbar at s = 0
        const jacobian_network one(network<batch>{of});
        auto space = one.make_workspace(context, 1);
        batch xbar = batches::make<batch>(context, 1, 1, {0.7}),
              x_t = batches::make<batch>(context, 1, 1, {0.0}), v(context, 1, 1), m(context, 1, 1);
        one({xbar.read(), x_t.read(), time_view(0.5), time_view(0.0), time_view(1.0)}, none, space,
            v.mutable_view(), row(m));
        return m.data()[0];
    };
    CHECK(m_of(0.5) == doctest::Approx(std::log(1.5)).epsilon(1e-14));
    CHECK(m_of(-0.5) == doctest::Approx(std::log(0.5)).epsilon(1e-14));
    CHECK(std::isnan(m_of(-1.0)));
    CHECK(std::isnan(m_of(-1.5)));
    const auto m_of_whole_step = [&](batch& jacobian, batch& out) {
        using functor = diamond::detail::mean_log_determinant<
            diamond::view_t<batch>, diamond::row_view<double, diamond::eigen::context>>;
        functor{.rows = 2,
                .s = time_view(0.0),
                .r = time_view(1.0),
                .jacobian = jacobian,
                .out = row(out),
                .sign = {}}(0);
        return out.data()[0];
    };
    // in the plane -I and a quarter turn have determinant 1; the turn's first pivot is 0, so that rows must
    // change places
    const double a[2][4] = {{-1.0, 0.0, 0.0, -1.0}, {0.0, 1.0, -1.0, 0.0}};
    for (const auto& matrix : a) {
        batch jacobian = batches::make<batch>(context, 4, 1,
                                              {matrix[0] - 1.0, matrix[1], matrix[2], matrix[3] - 1.0}),
              m(context, 1, 1);
        CHECK(m_of_whole_step(jacobian, m) == 0.0);
    }
    batch exchange = batches::make<batch>(context, 4, 1, {-1.0, 1.0, 1.0, -1.0}),
          m(context, 1, 1); // det of I + J = (0 1; 1 0) is -1
    CHECK(std::isnan(m_of_whole_step(exchange, m)));
}

TEST_CASE_TEMPLATE("of a linear network the draws' density is the Gaussian's, in one jump and in two",
                   back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 5, samples = 3;
    const crooked::numbers of{.waves = 0.0};
    diamond::network_diamond_map map(jacobian_network(network<own_batch>{of}));
    const auto x = batches::normal<own_batch>(context, 3, n, 6);
    own_batch z(context, 3, n * samples), plain(context, 3, n * samples);
    diamond::rebind_t<own_batch, double> told(context, 1, n * samples);
    for (const index_t evaluations : {1, 2}) {
        diamond::diamond_map_posterior posterior(map, {.evaluations = evaluations});
        const auto stream = diamond::philox{5}.stream(diamond::purpose::value, 1, samples);
        posterior.draw_with_density(x, 0.4, none, stream, z, row(told));
        posterior(x, 0.4, none, stream, plain);
        CHECK(numbers::same_bits(batches::host(z), batches::host(plain)));
        // z = B xbar_0 + c x_t: each jump is xbar -> (I + l J_s) xbar + l x_t
        small::matrix b = small::matrix::identity(3), c(3, 3);
        for (index_t k = 0; k < evaluations; ++k) {
            const auto l = static_cast<small::number>(1.0) / static_cast<small::number>(evaluations);
            const double at[3] = {};
            const auto jump = small::matrix::identity(3) +
                              l * crooked::jacobian(of, at, 0.4,
                                                    static_cast<double>(k) / static_cast<double>(evaluations),
                                                    0.0);
            b = jump * b;
            c = jump * c + small::matrix::identity(3, l);
        }
        const auto covariance = b * b.transposed();
        list wanted;
        const list points = batches::host(z), given = batches::host(x);
        for (std::size_t m = 0; m < n * samples; ++m) {
            small::matrix miss = small::matrix(3, 1,
                                               list(points.begin() + static_cast<long>(3 * m),
                                                    points.begin() + static_cast<long>(3 * m + 3)));
            miss = miss - c * small::matrix(3, 1,
                                            list(given.begin() + static_cast<long>(3 * (m / samples)),
                                                 given.begin() + static_cast<long>(3 * (m / samples) + 3)));
            const auto solved = small::solve(covariance, miss);
            wanted.push_back(
                static_cast<double>(-0.5L * ((miss.transposed() * solved.x)(0, 0) + solved.log_determinant)) -
                1.5 * std::log(2.0 * diamond::pi));
        }
        CHECK(largest_error(batches::host(told), wanted) < 32 * back_end::tolerance);
    }
}

TEST_CASE("of a bent network, importance weights by the densities of its draws average 1; by the trace they "
          "do not") {
    // mean of p(z)/q(z), p a Gaussian narrower than the draws: within 4.5 standard errors, once in 147,000.
    const diamond::eigen::context context{.threads = 2};
    constexpr index_t samples = 40000;
    const crooked::numbers of{.d = 2, .size = 0.25};
    diamond::diamond_map_posterior posterior(
        diamond::network_diamond_map(jacobian_network(network<batch>{of})));
    const auto x = batches::make<batch>(context, 2, 1, {0.2, -0.3});
    batch z(context, 2, samples), told(context, 1, samples);
    const auto stream = diamond::philox{6}.stream(diamond::purpose::value, 1, samples);
    posterior.draw_with_density(x, 0.5, none, stream, z, row(told));
    const auto weight = [&](index_t j, double log_q) {
        double log_p = -2.0 * std::log(0.6) - std::log(2.0 * diamond::pi);
        for (index_t i = 0; i < 2; ++i) log_p -= 0.5 * diamond::square((z.read()(i, j) - 0.3) / 0.6);
        return std::exp(log_p - log_q);
    };
    CHECK(statistics::within(
        statistics::average(samples, [&](index_t j) { return weight(j, told.data()[j]); }), 1.0));
    // the first term of the logarithm alone, as a head would be that knows the divergence at the start of the
    // jump
    batch noise(context, 2, samples);
    diamond::draw_normal(stream, noise.mutable_view());
    const auto by_trace = statistics::average(samples, [&](index_t j) {
        const double at[2] = {noise.read()(0, j), noise.read()(1, j)};
        const auto slope = crooked::jacobian(of, at, 0.5, 0.0, 1.0);
        return weight(j, -0.5 * (at[0] * at[0] + at[1] * at[1]) - std::log(2.0 * diamond::pi) -
                             static_cast<double>(slope(0, 0) + slope(1, 1)));
    });
    CHECK_FALSE(statistics::within(by_trace, 1.0, 8.0));
}

TEST_CASE_TEMPLATE("as a flow map with divergence and as a Diamond map with divergence: the same X, the m of "
                   "its network, and the bill",
                   back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 6;
    const crooked::numbers of{.size = 0.2};
    const auto xbar = batches::normal<own_batch>(context, 3, n, 7),
               x_t = batches::normal<own_batch>(context, 3, n, 8);
    own_batch out(context, 3, n), alone(context, 3, n);
    diamond::rebind_t<own_batch, double> m(context, 1, n);
    const list at = batches::host(xbar);
    const auto wanted = [&](double t, interval span) {
        list result;
        for (std::size_t j = 0; j < n; ++j)
            result.push_back(mean_log_determinant(of, &at[3 * j], t, span.from, span.to));
        return result;
    };
    diamond::network_flow_map flow(jacobian_network(network<own_batch>{of}));
    diamond::network_diamond_map map(jacobian_network(network<own_batch>{of}));
    diamond::cost bill;
    for (const interval span : {interval{0.0, 1.0}, interval{0.8, 0.1}, interval{0.3, 0.3}}) {
        flow(xbar, span, none, out, row(m));
        CHECK(largest_error(batches::host(m), wanted(0.0, span)) < 16 * back_end::tolerance);
        flow(xbar, span, none, alone);
        CHECK(numbers::same_bits(batches::host(out), batches::host(alone)));
        map(xbar, span, x_t, time_view(0.6), none, out, row(m));
        CHECK(largest_error(batches::host(m), wanted(0.6, span)) < 16 * back_end::tolerance);
        map(xbar, span, x_t, time_view(0.6), none, alone);
        CHECK(numbers::same_bits(batches::host(out), batches::host(alone)));
        bill += {.forward = 2 * n, .jvp = 3 * n};
        CHECK(flow.spent() == bill);
        CHECK(map.spent() == bill);
    }
    own_batch pulled(context, 3, n), of_x_t(context, 3, n), wanted_pulled(context, 3, n),
        wanted_x_t(context, 3, n);
    diamond::network_diamond_map bare(network<own_batch>{of});
    map.vjp(xbar, {0.0, 0.7}, x_t, time_view(0.6), none, x_t, pulled, of_x_t);
    bare.vjp(xbar, {0.0, 0.7}, x_t, time_view(0.6), none, x_t, wanted_pulled, wanted_x_t);
    CHECK(numbers::same_bits(batches::host(pulled), batches::host(wanted_pulled)));
    CHECK(numbers::same_bits(batches::host(of_x_t), batches::host(wanted_x_t)));
}

TEST_CASE("draws of a map that folds are refused where they are to be corrected") {
    const diamond::eigen::context context{.threads = 1};
    const diamond::diamond_map_posterior posterior(
        diamond::network_diamond_map(jacobian_network(network<batch>{{.size = 1.5}})));
    diamond::corrected_posterior corrected(
        posterior, diamond::exact_density(
                       diamond::linear_schedule{},
                       diamond::gaussian<batch, diamond::linear_schedule>(
                           context, {}, {0.0, 0.0, 0.0}, {1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0})));
    const auto x = batches::normal<batch>(context, 3, 20, 9);
    batch z(context, 3, 20), weights(context, 1, 20);
    CHECK_THROWS_WITH_AS(
        corrected(x, 0.5, none, diamond::philox{7}.stream(diamond::purpose::value, 2), z, row(weights)),
        doctest::Contains("folds"), diamond::numeric_error);
}

} // namespace density_jacobian_network_test
