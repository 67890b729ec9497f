// Signed importance weights of a map that folds, against determinants by expansion and integrals that are
// known: the signs of the branches add up to the degree of the map, weights without them do not.
#include <cmath>
#include <vector>

#include <diamond/density/jacobian_network.hpp>
#include <diamond/map/signed_draws.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/crooked_network.hpp"

namespace map_signed_draws_test {

using crooked::network;
using diamond::index_t, diamond::philox;

namespace {

constexpr diamond::no_condition none;

double log_normal(const double* x, index_t d, double deviation) {
    double sum = 0.0;
    for (index_t i = 0; i < d; ++i) sum += diamond::detail::log_normal_density(x[i], deviation);
    return sum;
}
/// The draws of one call on the host.
struct drawn {
    std::vector<double> x, log_q, sign;
};
template <class Batch>
drawn draw(auto& draws, const diamond::backend_of_t<Batch>& context, diamond::noise_stream stream,
           index_t n) {
    Batch x(context, draws.dimension(), n);
    diamond::rebind_t<Batch, double> log_q(context, 1, n), sign(context, 1, n);
    draws(stream, none, x.mutable_view(), row(log_q), row(sign));
    return {batches::host(x), batches::host(log_q), batches::host(sign)};
}
/// A network whose jump of length L is x + L (slope x - wave sin x) in each coordinate: it folds over the
/// origin where 1 + L (slope - wave) < 0, and is like x + L slope x far from it.
template <class Batch>
struct folding_network {
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    using arguments = diamond::diamond_arguments<Batch>;
    struct workspace {};

    index_t d;
    double slope, wave;

    [[nodiscard]] index_t dimension() const { return d; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::linear_schedule inner_schedule() const { return {}; }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }
    void operator()(const arguments& at, diamond::no_condition, workspace&, view out) const {
        for (index_t k = 0; k < out.size(); ++k)
            out.data()[k] = slope * at.xbar.data()[k] - wave * std::sin(at.xbar.data()[k]);
    }
    void jvp(const arguments& at, diamond::no_condition, const_view tangent, workspace&, view out) const {
        for (index_t k = 0; k < out.size(); ++k)
            out.data()[k] = (slope - wave * std::cos(at.xbar.data()[k])) * tangent.data()[k];
    }
    void vjp(const arguments& at, diamond::no_condition c, const_view cotangent, workspace& w, view out_xbar,
             view out_x_t) const {
        jvp(at, c, cotangent, w, out_xbar);
        diamond::set_to_zero(out_x_t);
    }
};
/// log f(x) - log q of each draw, f the density of N(0, I).
std::vector<double> log_weights(const drawn& of, index_t d) {
    std::vector<double> result;
    for (std::size_t j = 0; j < of.log_q.size(); ++j)
        result.push_back(log_normal(&of.x[j * static_cast<std::size_t>(d)], d, 1.0) - of.log_q[j]);
    return result;
}

} // namespace

TEST_CASE_TEMPLATE("densities and signs of draws are those of the determinants, jump by jump", back,
                   BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make();
    constexpr index_t n = 60;
    const auto stream = philox{5}.stream(diamond::purpose::user);
    for (const index_t d : {1, 2, 3})
        for (const index_t steps : {1, 3}) {
            const crooked::numbers of{.d = d, .size = 0.4, .waves = 6.0 * static_cast<double>(steps)};
            diamond::signed_draws<network<batch>> draws(network<batch>{of}, {.steps = steps});
            const auto found = draw<batch>(draws, context, stream, n);
            CHECK(draws.spent() == diamond::cost{.forward = steps * n, .jvp = steps * n * d});
            batch noise(context, d, n);
            diamond::draw_normal(stream, noise.mutable_view());
            const auto start = batches::host(noise);
            double off = 0.0, negative = 0.0;
            for (std::size_t j = 0; j < n; ++j) {
                std::vector<double> x(start.begin() + static_cast<std::ptrdiff_t>(j) * d,
                                      start.begin() + static_cast<std::ptrdiff_t>(j + 1) * d);
                double log_q = log_normal(x.data(), d, 1.0), sign = 1.0;
                for (index_t k = 0; k < steps; ++k) {
                    const double s = static_cast<double>(k) / static_cast<double>(steps),
                                 r = static_cast<double>(k + 1) / static_cast<double>(steps);
                    const auto determinant = static_cast<double>(crooked::determinant(
                        small::matrix::identity(x.size()) +
                        static_cast<small::number>(r - s) * crooked::jacobian(of, x.data(), 0.0, s, r)));
                    log_q -= std::log(std::abs(determinant));
                    if (determinant < 0.0) sign = -sign;
                    auto next = x;
                    for (index_t i = 0; i < d; ++i) {
                        const auto at = static_cast<std::size_t>(i);
                        double v = of.size * of.waves * std::sin(x[at] + r);
                        for (index_t l = 0; l < d; ++l)
                            v += of.size * (1.0 + s) * of.entry(i, l) * x[static_cast<std::size_t>(l)];
                        next[at] += (r - s) * v;
                    }
                    x = next;
                }
                CHECK(found.sign[j] == sign);
                negative += sign < 0.0;
                off = std::max(off, std::abs(found.log_q[j] - log_q) / (1.0 + std::abs(log_q)));
            }
            CHECK(off < 256 * back::tolerance); // near a fold the determinant has lost digits
            CHECK(negative > 0.0);              // it does fold
            CHECK(negative < 0.6 * n);
        }
}

TEST_CASE("signed weights average Z where the map folds, and weights without signs do not") {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 2};
    constexpr index_t n = 200'000;
    for (const index_t d : {1, 2})
        for (const index_t steps : {1, 2}) {
            CAPTURE(d);
            CAPTURE(steps);
            const double length = 1.0 / static_cast<double>(steps);
            diamond::signed_draws draws(
                folding_network<batch>{.d = d, .slope = 1.0 / length, .wave = 2.4 / length},
                {.steps = steps});
            const auto found = draw<batch>(draws, context, philox{7}.stream(diamond::purpose::user), n);
            const auto weights = log_weights(found, d);
            const auto signed_one = diamond::estimate_of(weights, found.sign);
            const auto unsigned_one = diamond::estimate_of(weights, std::vector<double>(n, 1.0));
            CHECK(signed_one.negative > 0.05);
            CHECK(signed_one.standard_error < 0.05);
            CHECK(std::abs(signed_one.log_z) < 4.0 * signed_one.standard_error);
            CHECK(unsigned_one.log_z > 5.0 * unsigned_one.standard_error); // the control
            CHECK(unsigned_one.negative == 0.0);
            // What the docs say of it: 1/(1 - 2 negative).
            CHECK(unsigned_one.log_z - signed_one.log_z ==
                  doctest::Approx(-std::log(1.0 - 2.0 * signed_one.negative)).epsilon(1e-9));
        }
    // A map that turns space over has the degree -1: no log Z, rather than a wrong one.
    diamond::signed_draws draws(folding_network<batch>{.d = 1, .slope = -3.0, .wave = 0.5}, {.steps = 1});
    const auto found = draw<batch>(draws, context, philox{7}.stream(diamond::purpose::user), 1000);
    CHECK(std::isnan(diamond::estimate_of(log_weights(found, 1), found.sign).log_z));
}

TEST_CASE("the tail of the weights says whether they have a variance") {
    const auto uniforms = philox{3}.stream(diamond::purpose::user);
    constexpr index_t n = 20'000;
    for (const double shape : {0.1, 0.3, 0.5, 0.9, 1.3}) {
        // u^-k has the tail index k.
        std::vector<double> log_weights;
        for (index_t j = 0; j < n; ++j) log_weights.push_back(-shape * std::log(uniforms.uniform(j)));
        const auto found = diamond::estimate_of(log_weights, std::vector<double>(n, 1.0));
        CHECK(std::abs(found.tail_index - shape) < 0.25); // two to five deviations, about (1 + k)/sqrt(424)
        CHECK(std::isnan(found.standard_error) == (shape > 0.7));
        if (shape < 0.5) CHECK(std::abs(found.log_z + std::log(1.0 - shape)) < 4.0 * found.standard_error);
    }
    // A few weights beside which the others vanish have the heaviest tail of all.
    for (const double fall : {180.0, 5.0}) {
        std::vector<double> log_weights;
        for (index_t j = 0; j < 10'000; ++j) log_weights.push_back(-fall * static_cast<double>(j));
        const auto found = diamond::estimate_of(log_weights, std::vector<double>(10'000, 1.0));
        CHECK(found.tail_index > 0.7);
        CHECK(std::isnan(found.standard_error));
    }
    std::vector<double> one_of(1000, -1000.0);
    one_of[7] = 0.0;
    CHECK(std::isnan(diamond::estimate_of(one_of, std::vector<double>(1000, 1.0)).standard_error));
    const auto equal = diamond::estimate_of(std::vector<double>(100, 1.0), std::vector<double>(100, 1.0));
    CHECK(std::isnan(equal.tail_index));
    CHECK(equal.standard_error == 0.0);
    CHECK(equal.log_z == 1.0);
}

TEST_CASE("what is no set of signed weights is refused") {
    const double infinity = diamond::infinity;
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::estimate_of({}, {})),
                         doctest::Contains("signed weights: 0 weights"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::estimate_of({0.0, 1.0}, {1.0})),
                         doctest::Contains("2 weights and 1 signs"), std::invalid_argument);
    for (const double bad : {static_cast<double>(NAN), infinity})
        CHECK_THROWS_WITH_AS(static_cast<void>(diamond::estimate_of({0.0, bad}, {1.0, 1.0})),
                             doctest::Contains("of draw 1 is"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::estimate_of({0.0, 0.0}, {1.0, static_cast<double>(NAN)})),
                         doctest::Contains("the sign of draw 1 is"), std::invalid_argument);
    // What has no sign weighs nothing, however large.
    CHECK(diamond::estimate_of({2000.0, 0.0}, {0.0, 1.0}).log_z == doctest::Approx(std::log(0.5)));
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::estimate_of({0.0}, {0.5})),
                         doctest::Contains("the sign of draw 0 is 0.5"), std::invalid_argument);
    const auto weightless = diamond::estimate_of({0.0, 1.0}, {0.0, 0.0});
    CHECK(weightless.effective == 0.0);
    CHECK(std::isnan(weightless.log_z));
    CHECK(std::isnan(diamond::estimate_of({-infinity, -infinity}, {1.0, -1.0}).log_z));
    CHECK(diamond::estimate_of({std::log(3.0), 0.0, -infinity}, {1.0, -1.0, 1.0}).log_z ==
          doctest::Approx(std::log(2.0 / 3.0)));
    using batch = diamond::eigen::batch<double>;
    CHECK_THROWS_WITH_AS((diamond::signed_draws<network<batch>>(network<batch>{}, {.base_deviation = 2.0})),
                         doctest::Contains("noise of deviation 2"), std::invalid_argument);
}

} // namespace map_signed_draws_test
