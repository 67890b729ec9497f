#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/down_sampling_measurement.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/measurement/student_measurement.hpp>

#include "../reward/checks.hpp"

namespace measurement_gaussian_measurement_test {

using namespace checks;

namespace {

/// -|A(z) - y|^2 / (2 s^2) on the host for any A of host vectors.
template <class Batch, class Measure>
std::vector<double> log_likelihoods(const Batch& z, const vector_of<Batch>& y, double s, Measure measure) {
    return expected(z, [&](const std::vector<double>& x) {
        const std::vector<double> seen = measure(x);
        double r = 0.0;
        for (std::size_t k = 0; k < y.size(); ++k)
            r -= diamond::square(seen[k] - static_cast<double>(y[k])) / (2.0 * s * s);
        return r;
    });
}

/// <A a, b> = <a, A^T b> for random a, b: the vjp of a linear measurement is its adjoint.
template <class Batch, class Measurement>
double adjoint_error(const context_of<Batch>& context, Measurement measurement) {
    const index_t d = measurement.dimension(), m = measurement.outputs(), n = 20;
    const auto a = points<Batch>(context, d, n, 1.0, 11), b = points<Batch>(context, m, n, 1.0, 12);
    Batch forward(context, m, n), back(context, d, n);
    measurement(a, forward);
    measurement.vjp(a, b, back);
    const auto inner = [](const Batch& x, const Batch& y) {
        const auto p = diamond::to_host(x), q = diamond::to_host(y);
        std::vector<double> sums(static_cast<std::size_t>(n));
        for (std::size_t k = 0; k < p.size(); ++k)
            sums[k / (p.size() / sums.size())] += static_cast<double>(p[k]) * static_cast<double>(q[k]);
        return sums;
    };
    return difference(inner(forward, b), inner(a, back));
}

/// The user's own, not linear, with working space to show that its call need not be const: A(z)_i =
/// tanh(z_i).
template <class Batch>
struct squashed {
    using batch_type = Batch;
    index_t rows;
    int calls = 0;

    struct squash {
        diamond::const_view_t<Batch> z;
        diamond::view_t<Batch> out;
        void operator()(index_t k) const { out[k] = std::tanh(z[k]); }
    };
    struct slope {
        diamond::const_view_t<Batch> z, cotangent;
        diamond::view_t<Batch> out;
        void operator()(index_t k) const { out[k] = cotangent[k] * (1 - std::tanh(z[k]) * std::tanh(z[k])); }
    };
    index_t dimension() const { return rows; }
    index_t outputs() const { return rows; }
    void operator()(diamond::const_view_t<Batch> z, diamond::view_t<Batch> out) {
        ++calls;
        z.context().for_each(z.size(), squash{z, out});
    }
    void vjp(diamond::const_view_t<Batch> z, diamond::const_view_t<Batch> cotangent,
             diamond::view_t<Batch> out) {
        z.context().for_each(z.size(), slope{z, cotangent, out});
    }
};

/// The user's own: some coordinates of 3, which need not be distinct, and what it says of them.
struct picked {
    using batch_type = diamond::eigen::batch<double>;
    std::vector<index_t> read, said;

    index_t dimension() const { return 3; }
    index_t outputs() const { return static_cast<index_t>(read.size()); }
    std::vector<index_t> coordinates() const { return said; }
    void operator()(diamond::const_view_t<batch_type> z, diamond::view_t<batch_type> out) const {
        for (index_t j = 0; j < z.columns(); ++j)
            for (index_t k = 0; k < outputs(); ++k) out(k, j) = z(read[static_cast<std::size_t>(k)], j);
    }
};

} // namespace

TEST_CASE_TEMPLATE("a masked measurement rewards agreement where something was seen", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const std::vector<index_t> seen{5, 0, 3}; // in no order
    const auto y = parameters<Batch>(context, 3, 3);
    const auto z = points<Batch>(context, 7, 200);
    auto reward = diamond::gaussian_measurement_reward{
        context, diamond::mask_measurement<Batch>(context, 7, seen), y, 0.5};
    CHECK(difference(values(reward, z), log_likelihoods(z, y, 0.5, [&](const std::vector<double>& x) {
                         return std::vector{x[5], x[0], x[3]};
                     })) < tolerance<Batch>);
    CHECK(adjoint_error<Batch>(context, reward.measurement()) < tolerance<Batch>);
    CHECK(gradient_error(reward, z) < gradient_tolerance<Batch>);
    CHECK(form_error(reward, z) < tolerance<Batch>);
}

TEST_CASE_TEMPLATE("down-sampling takes the means of blocks, channel by channel", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const diamond::image_shape shape{.channels = 2, .height = 4, .width = 6};
    const auto means = [](const std::vector<double>& x) {
        std::vector<double> small;
        for (std::size_t c = 0; c < 2; ++c)
            for (std::size_t row = 0; row < 4; row += 2)
                for (std::size_t column = 0; column < 6; column += 2) {
                    const auto at = [&](std::size_t v, std::size_t u) {
                        return x[(c * 4 + row + v) * 6 + column + u];
                    };
                    small.push_back((at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4);
                }
        return small;
    };
    const diamond::down_sampling_measurement<Batch> measurement(shape, 2);
    CHECK(measurement.outputs() == 12);
    CHECK(measurement.small_shape() == diamond::image_shape{2, 2, 3});

    const auto y = parameters<Batch>(context, 12, 3);
    const auto z = points<Batch>(context, 48, 70);
    auto reward = diamond::gaussian_measurement_reward{context, measurement, y, 0.7};
    CHECK(difference(values(reward, z), log_likelihoods(z, y, 0.7, means)) < tolerance<Batch>);
    CHECK(adjoint_error<Batch>(context, measurement) < tolerance<Batch>);
    CHECK(gradient_error(reward, z) < gradient_tolerance<Batch>);
    static_assert(!diamond::reward_with_quadratic_form<decltype(reward)>);
}

TEST_CASE_TEMPLATE("an affine measurement is W z + b", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto w = parameters<Batch>(context, 3 * 5, 3), b = parameters<Batch>(context, 3, 4),
               y = parameters<Batch>(context, 3, 5);
    const auto z = points<Batch>(context, 5, 300);
    const auto product = [&](const std::vector<double>& x) {
        std::vector<double> result(b.begin(), b.end());
        for (std::size_t i = 0; i < 5; ++i)
            for (std::size_t k = 0; k < 3; ++k) result[k] += static_cast<double>(w[k + 3 * i]) * x[i];
        return result;
    };
    auto reward = diamond::gaussian_measurement_reward{context, diamond::affine_measurement{context, w, b}, y,
                                                       2.0};
    CHECK(difference(values(reward, z), log_likelihoods(z, y, 2.0, product)) < tolerance<Batch>);
    CHECK(gradient_error(reward, z) < gradient_tolerance<Batch>);
    CHECK(adjoint_error<Batch>(context, diamond::affine_measurement{context, w, vector_of<Batch>(3)}) <
          tolerance<Batch>);
}

TEST_CASE_TEMPLATE("a user's own measurement need be neither linear nor const", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto y = parameters<Batch>(context, 4, 3);
    const auto z = points<Batch>(context, 4, 60);
    auto reward = diamond::gaussian_measurement_reward{context, squashed<Batch>{.rows = 4}, y, 1.0};
    CHECK(difference(values(reward, z), log_likelihoods(z, y, 1.0, [](std::vector<double> x) {
                         for (double& entry : x) entry = std::tanh(entry);
                         return x;
                     })) < tolerance<Batch>);
    CHECK(gradient_error(reward, z) < gradient_tolerance<Batch>);
    CHECK(reward.measurement().calls > 0);
}

TEST_CASE("the quadratic form of coordinates that a user lists") {
    using batch = picked::batch_type;
    const diamond::eigen::context context{.threads = 1};
    const auto of = [&](std::vector<index_t> read, std::vector<index_t> said) {
        return diamond::gaussian_measurement_reward{
            context, picked{std::move(read), std::move(said)}, {0.3, -0.7, 1.1}, 0.5};
    };
    const auto z = points<batch>(context, 3, 50);
    auto twice = of({2, 0, 2}, {2, 0, 2}), another = of({2, 0, 2}, {2, 0, 1});
    CHECK(form_error(twice, z) < 1e-12); // one coordinate is seen two times
    CHECK(form_error(another, z) > 0.1); // another list is told apart
    for (const index_t bad : {-1, 3})
        CHECK_THROWS_WITH_AS(static_cast<void>(of({2, 0, 1}, {2, 0, bad}).quadratic_form()),
                             doctest::Contains("from 0 to dimension() - 1"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(of({2, 0, 1}, {2, 0}).quadratic_form()),
                         doctest::Contains("has 2 entries, outputs() says 3"), std::invalid_argument);
}

TEST_CASE("a prior of almost no noise overflows in no place") {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 1};
    const std::vector<double> y{0.5, -1.5};
    // Columns: far from y, a little off, and y itself.
    const auto z = diamond::from_host<double>(context, 2, 3, {3.5, 2.5, 0.5 + 0x1p-40, -1.5, 0.5, -1.5});
    for (const double b : {1.0, 1e-12, 1e-300, 0x1p-1022}) {
        CAPTURE(b);
        diamond::student_measurement_reward reward{
            context, diamond::mask_measurement<batch>(context, 2, {0, 1}), y, {.shape = 9.0, .scale = b}};
        const auto r = values(reward, z);
        // h = (3^2 + 4^2)/2 and 2^-81; b is nothing beside 12.5 but where it is 1.
        const double far = b == 1.0 ? std::log(13.5) : std::log(12.5) - std::log(b);
        CHECK(std::abs(r[0] + 10.0 * far) < 1e-10);
        CHECK(std::abs(r[1] + 10.0 * std::log1p(0x1p-81 / b)) < 1e-10);
        CHECK(r[2] == 0.0);
        batch out(context, 2, 3);
        reward.gradient(z.read(), out.mutable_view());
        const auto slope = diamond::to_host(out);
        CHECK(slope[0] == doctest::Approx(-30.0 / (12.5 + b)).epsilon(1e-12));
        CHECK(slope[1] == doctest::Approx(-40.0 / (12.5 + b)).epsilon(1e-12));
        CHECK(slope[2] == doctest::Approx(-10.0 * 0x1p-40 / (0x1p-81 + b)).epsilon(1e-12));
        for (std::size_t k = 3; k < 6; ++k) CHECK(slope[k] == 0.0);
    }
}

TEST_CASE_TEMPLATE("measurements refuse what they cannot mean", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto mask = [&](index_t d, std::vector<index_t> seen) {
        return diamond::mask_measurement<Batch>(context, d, std::move(seen));
    };
    CHECK_THROWS_WITH_AS(mask(4, {}), doctest::Contains("no coordinate"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(mask(4, {0, 4}), doctest::Contains("coordinate 4 of a sample of 4"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(mask(4, {-1}), doctest::Contains("coordinate -1 of a sample of 4"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(mask(-4, {0}), doctest::Contains("coordinate 0 of a sample of -4"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(mask(4, {2, 1, 2}), doctest::Contains("coordinate 2 is listed twice"),
                         std::invalid_argument);

    const auto down = [](std::size_t height, std::size_t width, std::size_t factor) {
        return diamond::down_sampling_measurement<Batch>({.height = height, .width = width}, factor);
    };
    CHECK_THROWS_WITH_AS(down(8, 6, 4), doctest::Contains("factor 4 of an image of 1 x 8 x 6"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(down(8, 8, 0), doctest::Contains("factor 0"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(down(0, 8, 1), doctest::Contains("1 x 0 x 8"), std::invalid_argument);

    const auto affine = [&](const vector_of<Batch>& w, const vector_of<Batch>& b) {
        return diamond::affine_measurement<Batch>(context, w, b);
    };
    CHECK_THROWS_WITH_AS(affine({1, 2, 3}, {1, 2}), doctest::Contains("3 weights and 2 biases"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(affine({1, 2, 3}, {}), doctest::Contains("3 weights and 0 biases"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(affine({1, std::numeric_limits<real<Batch>>::infinity()}, {1}),
                         doctest::Contains("weights[1] = inf"), std::invalid_argument);

    const auto reward = [&](const vector_of<Batch>& y, double s) {
        return diamond::gaussian_measurement_reward{context, mask(4, {0, 2}), y, s};
    };
    CHECK_THROWS_WITH_AS(reward({1, 2, 3}, 1.0),
                         doctest::Contains("3 numbers were seen, the measurement gives 2"),
                         std::invalid_argument);
    for (const double s : {0.0, -1.0, diamond::infinity, std::nan(""), 1e-200})
        CHECK_THROWS_WITH_AS(reward({1, 2}, s), doctest::Contains("standard deviation"),
                             std::invalid_argument);
    auto good = reward({1, 2}, 1.0);
    CHECK_THROWS_WITH_AS(values(good, points<Batch>(context, 5, 3)),
                         doctest::Contains("4 rows, the batch has 5"), std::invalid_argument);

    // Called by themselves they check, too.
    Batch out(context, 3, 3);
    CHECK_THROWS_WITH_AS(mask(4, {0, 2})(points<Batch>(context, 4, 3), out),
                         doctest::Contains("maps 4 rows to 2, given 4 x 3 and 3 x 3"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(down(2, 2, 2)(points<Batch>(context, 4, 3), out),
                         doctest::Contains("maps 4 rows to 1"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(affine({1, 2}, {1})(points<Batch>(context, 2, 3), out),
                         doctest::Contains("maps 2 rows to 1"), std::invalid_argument);
}

} // namespace measurement_gaussian_measurement_test
