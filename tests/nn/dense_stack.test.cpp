// Dense layers against a plain loop over numbers and their tangents; gradients, also through the tangent,
// against central differences.
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <diamond/nn/dense_stack.hpp>

#include "support/back_ends.hpp"
#include "support/dual.hpp"
#include "support/numbers.hpp"

namespace nn_dense_stack_test {

using diamond::activation, diamond::column_norm, diamond::dense_layer, diamond::dense_stack, diamond::index_t,
    diamond::normalisation;
using duals::dual;

namespace {

const std::vector<dense_layer> smooth{{5, 7, activation::silu, false},
                                      {7, 7, activation::gelu, true},
                                      {7, 7, activation::silu, true},
                                      {7, 3, activation::identity, false}};
const std::vector<dense_layer> rectified{{5, 7, activation::tanh, false},
                                         {7, 7, activation::relu, true},
                                         {7, 7, activation::leaky_relu, true},
                                         {7, 3, activation::tanh, false}};
// Norms before W and behind it, of a residual layer and of others, and of the input itself.
constexpr column_norm layer_norm{normalisation::layer, 1e-5}, rms_norm{normalisation::rms, 1e-2};
const std::vector<dense_layer> normed{{5, 7, activation::silu, false, layer_norm},
                                      {7, 7, activation::gelu, true, rms_norm},
                                      {7, 7, activation::tanh, true, layer_norm, rms_norm},
                                      {7, 7, activation::silu, false, {}, layer_norm},
                                      {7, 3, activation::identity, false, rms_norm}};

dual apply(activation kind, dual a) {
    if (kind == activation::silu) return a / (1.0 + exp(-a));
    if (kind == activation::gelu) return a * 0.5 * (1.0 + erf(a * std::sqrt(0.5)));
    if (kind == activation::tanh) return (exp(a) - exp(-a)) / (exp(a) + exp(-a));
    if (kind == activation::relu) return a.value > 0.0 ? a : dual();
    if (kind == activation::leaky_relu) return a.value > 0.0 ? a : 0.01 * a;
    return a;
}
/// What a norm makes of a column, by its definition; its parameters begin at `at`, which moves behind them.
std::vector<dual> plain_norm(const column_norm& norm, const std::vector<double>& theta, std::size_t& at,
                             std::vector<dual> x) {
    if (norm.kind == normalisation::none) return x;
    const auto n = x.size();
    dual mean, variance;
    if (norm.kind == normalisation::layer)
        for (const dual& number : x) mean = mean + number / static_cast<double>(n);
    for (const dual& number : x)
        variance = variance + (number - mean) * (number - mean) / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i)
        x[i] = theta[at + i] * (x[i] - mean) / sqrt(variance + norm.epsilon) +
               (norm.kind == normalisation::layer ? theta[at + n + i] : 0.0);
    at += norm.kind == normalisation::layer ? 2 * n : n;
    return x;
}
/// One column, by the definition.
std::vector<dual> plain(const std::vector<dense_layer>& layers, const std::vector<double>& theta,
                        std::vector<dual> h) {
    std::size_t at = 0;
    for (const auto& layer : layers) {
        const auto in = static_cast<std::size_t>(layer.inputs), out = static_cast<std::size_t>(layer.outputs);
        std::size_t of_norms = at + in * out + out;
        const auto normal = plain_norm(layer.before, theta, of_norms, h);
        std::vector<dual> next(out);
        for (std::size_t i = 0; i < out; ++i) {
            next[i] = theta[at + in * out + i];
            for (std::size_t k = 0; k < in; ++k) next[i] = next[i] + theta[at + i + out * k] * normal[k];
        }
        next = plain_norm(layer.after, theta, of_norms, next);
        for (std::size_t i = 0; i < out; ++i)
            next[i] = apply(layer.kind, next[i]) + (layer.residual ? h[i] : dual());
        at = of_norms;
        h = next;
    }
    return h;
}

/// Inputs, parameters and cotangents in double, and what the definition makes of them.
struct problem {
    std::vector<dense_layer> layers;
    std::vector<double> theta, x, x_dot, k, k_dot;
    problem(std::vector<dense_layer> of, index_t n)
        : layers(std::move(of)),
          theta(numbers::normals<double>(dense_stack<diamond::eigen::batch<double>>(layers).parameters(), 1)),
          x(numbers::normals<double>(5 * n, 2)),
          x_dot(numbers::normals<double>(5 * n, 3)),
          k(numbers::normals<double>(3 * n, 4)),
          k_dot(numbers::normals<double>(3 * n, 5)) {
        for (auto& t : theta) t *= 0.4;
    }
    [[nodiscard]] std::vector<dual> column(index_t j) const {
        std::vector<dual> in;
        for (index_t i = 0; i < 5; ++i)
            in.emplace_back(x[static_cast<std::size_t>(i + 5 * j)],
                            x_dot[static_cast<std::size_t>(i + 5 * j)]);
        return plain(layers, theta, in);
    }
    /// sum k y + k' y' over the columns first ... last - 1.
    [[nodiscard]] double pairing(bool with_tangent, index_t first, index_t last) const {
        double sum = 0.0;
        for (index_t j = first; j < last; ++j) {
            const auto y = column(j);
            for (std::size_t i = 0; i < 3; ++i) {
                const auto at = i + 3 * static_cast<std::size_t>(j);
                sum += k[at] * y[i].value + (with_tangent ? k_dot[at] * y[i].tangent : 0.0);
            }
        }
        return sum;
    }
};

/// The central difference of f in `at`.
template <class F>
double slope(double& at, const F& f) {
    constexpr double step = 1e-5;
    const double kept = at;
    at = kept + step;
    const double above = f();
    at = kept - step;
    const double below = f();
    at = kept;
    return (above - below) / (2.0 * step);
}

template <class Real>
std::vector<Real> as(const std::vector<double>& from) {
    return std::vector<Real>(from.begin(), from.end());
}

} // namespace

TEST_CASE_TEMPLATE("a dense stack, its tangent and the gradient through both", back, ALL_BACK_ENDS) {
    using real = typename back::real;
    using batch = typename back::batch;
    using stack_type = dense_stack<batch>;
    const auto context = back::make(2);
    // Central differences lose 1e-10; a sum over 700 columns of about 10 numbers' products each loses the
    // square root of that many ulp.
    const double tolerance = back::tolerance + 1e-8;
    for (const auto& [of, n] : {std::pair{smooth, 1},
                                {smooth, 3},
                                {smooth, 300},
                                {smooth, 700},
                                {rectified, 1},
                                {rectified, 300},
                                {normed, 1},
                                {normed, 3},
                                {normed, 300}})
        for (const bool with_tangent : {false, true}) {
            CAPTURE(n);
            CAPTURE(with_tangent);
            const stack_type stack(of);
            problem p(of, n);
            const auto theta = diamond::from_host<real>(context, stack.parameters(), 1, as<real>(p.theta));
            const auto x = diamond::from_host<real>(context, 5, n, as<real>(p.x)),
                       x_dot = diamond::from_host<real>(context, 5, n, as<real>(p.x_dot));
            const auto k = diamond::from_host<real>(context, 3, n, as<real>(p.k)),
                       k_dot = diamond::from_host<real>(context, 3, n, as<real>(p.k_dot));
            batch y(context, 3, n), y_dot(context, 3, n), again(context, 3, n), again_dot(context, 3, n);
            batch gradient = diamond::from_host<real>(context, stack.parameters(), 1,
                                                      std::vector<real>(p.theta.size(), real{1}));
            batch x_bar(context, 5, n), x_dot_bar(context, 5, n);
            typename stack_type::workspace space;
            const typename stack_type::dual_in in{x.data(), with_tangent ? x_dot.data() : nullptr};
            stack.forward(context, theta.data(), in, n, {y.data(), with_tangent ? y_dot.data() : nullptr},
                          space);
            stack.record(context, theta.data(), in, n,
                         {again.data(), with_tangent ? again_dot.data() : nullptr}, space);
            stack.backward(context, theta.data(), space, {k.data(), with_tangent ? k_dot.data() : nullptr},
                           {x_bar.data(), with_tangent ? x_dot_bar.data() : nullptr}, gradient.data());

            CHECK(diamond::to_host(again) == diamond::to_host(y));
            const auto values = diamond::to_host(y), tangents = diamond::to_host(y_dot);
            for (index_t j = 0; j < n; ++j) {
                const auto expected = p.column(j);
                for (std::size_t i = 0; i < 3; ++i) {
                    const auto at = i + 3 * static_cast<std::size_t>(j);
                    CHECK(static_cast<double>(values[at]) ==
                          doctest::Approx(expected[i].value).epsilon(tolerance));
                    if (with_tangent)
                        CHECK(static_cast<double>(tangents[at]) ==
                              doctest::Approx(expected[i].tangent).epsilon(tolerance).scale(4));
                }
            }
            const auto of_x = diamond::to_host(x_bar), of_x_dot = diamond::to_host(x_dot_bar),
                       of_theta = diamond::to_host(gradient);
            for (index_t j = 0; j < n; j += n / 3 + 1)
                for (index_t i = 0; i < 5; ++i) {
                    const auto at = static_cast<std::size_t>(i + 5 * j);
                    const auto pairing = [&] { return p.pairing(with_tangent, j, j + 1); };
                    CHECK(static_cast<double>(of_x[at]) ==
                          doctest::Approx(slope(p.x[at], pairing)).epsilon(tolerance).scale(4));
                    if (with_tangent)
                        CHECK(static_cast<double>(of_x_dot[at]) ==
                              doctest::Approx(slope(p.x_dot[at], pairing)).epsilon(tolerance).scale(4));
                }
            for (std::size_t at = 0; at<p.theta.size(); at += n> 3 ? 17 : 1) {
                // it is added
                const double expected = 1.0 +
                                        slope(p.theta[at], [&] { return p.pairing(with_tangent, 0, n); });
                CHECK(static_cast<double>(of_theta[at]) == doctest::Approx(expected).epsilon(tolerance).scale(
                                                               4.0 * std::sqrt(static_cast<double>(n))));
            }
        }
}

TEST_CASE_TEMPLATE("activations, their slopes and their curvatures have their closed forms", back,
                   ALL_BACK_ENDS) {
    using real = typename back::real;
    using batch = typename back::batch;
    struct closed {
        activation kind;
        double (*value)(double), (*slope)(double), (*curvature)(double);
    };
    const closed forms[] = {{activation::tanh, [](double a) { return std::tanh(a); },
                             [](double a) { return 1.0 / (std::cosh(a) * std::cosh(a)); },
                             [](double a) { return -2.0 * std::tanh(a) / (std::cosh(a) * std::cosh(a)); }},
                            {activation::relu, [](double a) { return a > 0.0 ? a : 0.0; },
                             [](double a) { return a > 0.0 ? 1.0 : 0.0; }, [](double) { return 0.0; }},
                            {activation::leaky_relu, [](double a) { return a > 0.0 ? a : 0.01 * a; },
                             [](double a) { return a > 0.0 ? 1.0 : 0.01; }, [](double) { return 0.0; }}};
    std::vector<double> a{0.0, 1e-30, -1e-30, 1e-9, -1e-9, 0.625, -0.625, 300.0, -300.0};
    for (int i = -400; i <= 400; ++i) a.push_back(0.03 * i + 0.001);
    const auto n = static_cast<index_t>(a.size());
    constexpr double a_dot = 0.7, k = -1.3, k_dot = 0.9; // of all columns
    const auto context = back::make(2);
    const auto constant = [&](double number) {
        return diamond::from_host<real>(context, 1, n,
                                        std::vector<real>(a.size(), static_cast<real>(number)));
    };
    const batch theta = diamond::from_host<real>(context, 2, 1, std::vector<real>{1, 0}),
                x = diamond::from_host<real>(context, 1, n, as<real>(a)), x_dot = constant(a_dot),
                of_y = constant(k), of_y_dot = constant(k_dot);
    const double most = 4.0 * back::epsilon;
    for (const auto& f : forms) {
        const dense_stack<batch> stack({{1, 1, f.kind, false}});
        batch value(context, 1, n), y(context, 1, n), y_dot(context, 1, n), of_x(context, 1, n),
            of_x_dot(context, 1, n);
        typename dense_stack<batch>::workspace space;
        stack.forward(context, theta.data(), {x.data()}, n, {value.data()}, space);
        stack.record(context, theta.data(), {x.data(), x_dot.data()}, n, {y.data(), y_dot.data()}, space);
        stack.backward(context, theta.data(), space, {of_y.data(), of_y_dot.data()},
                       {of_x.data(), of_x_dot.data()}, nullptr);
        CHECK(diamond::to_host(value) == diamond::to_host(y));
        const auto close = [&](const batch& found, std::size_t j, double expected, double scale) {
            CAPTURE(a[j]);
            CHECK(std::abs(static_cast<double>(diamond::to_host(found)[j]) - expected) <= most * scale);
        };
        for (std::size_t j = 0; j < a.size(); ++j) {
            const auto at = static_cast<double>(static_cast<real>(a[j]));
            // Relative to the value itself, also where it is tiny.
            close(y, j, f.value(at), std::abs(f.value(at)));
            close(y_dot, j, f.slope(at) * a_dot, 1.0);
            close(of_x, j, f.slope(at) * k + f.curvature(at) * a_dot * k_dot, 4.0);
            close(of_x_dot, j, f.slope(at) * k_dot, 1.0);
        }
    }
}

TEST_CASE("a ReLU is 0 at minus infinity, and no activation hides a NaN") {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 1};
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const batch theta = diamond::from_host<double>(context, 2, 1, std::vector<double>{1, 0}),
                x = diamond::from_host<double>(context, 1, 3, std::vector<double>{-infinity, NAN, infinity}),
                x_dot = diamond::from_host<double>(context, 1, 3, std::vector<double>{0, 0, 0});
    for (const activation kind :
         {activation::silu, activation::gelu, activation::tanh, activation::relu, activation::leaky_relu})
        for (const bool tangent : {false, true}) { // which take two ways
            CAPTURE(static_cast<int>(kind));
            const dense_stack<batch> stack({{1, 1, kind, false}});
            batch y(context, 1, 3), y_dot(context, 1, 3);
            dense_stack<batch>::workspace space;
            stack.forward(context, theta.data(), {x.data(), tangent ? x_dot.data() : nullptr}, 3,
                          {y.data(), tangent ? y_dot.data() : nullptr}, space);
            const auto found = diamond::to_host(y);
            CHECK(std::isnan(found[1]));
            CHECK(std::isnan(diamond::activate(kind, NAN).value));
            if (kind == activation::relu) {
                CHECK(found[0] == 0.0);
                CHECK(diamond::activate(kind, -infinity).value == 0.0);
                CHECK(found[2] == infinity);
            }
            if (kind == activation::tanh) {
                CHECK(found[0] == -1.0);
                CHECK(found[2] == 1.0);
            }
        }
}

TEST_CASE("no bit of a dense stack depends on the threads, nor a column on the others") {
    using batch = diamond::eigen::batch<float>;
    for (const auto& layers : {smooth, normed}) {
        const dense_stack<batch> stack(layers);
        std::vector<std::vector<float>> results;
        for (const int threads : {1, 2, 3}) {
            const diamond::eigen::context context{.threads = threads};
            const problem p(layers, 1003);
            const auto theta = diamond::from_host<float>(context, stack.parameters(), 1, as<float>(p.theta));
            const auto x = diamond::from_host<float>(context, 5, 1003, as<float>(p.x)),
                       k = diamond::from_host<float>(context, 3, 1003, as<float>(p.k));
            batch y(context, 3, 1003),
                gradient = diamond::from_host<float>(context, stack.parameters(), 1,
                                                     std::vector<float>(p.theta.size()));
            dense_stack<batch>::workspace space;
            stack.record(context, theta.data(), {x.data(), x.data()}, 1003, {y.data()}, space);
            stack.backward(context, theta.data(), space, {k.data(), k.data()}, {nullptr}, gradient.data());
            auto all = diamond::to_host(gradient);
            const auto out = diamond::to_host(y);
            all.insert(all.end(), out.begin(), out.end());
            results.push_back(all);
            // Some columns alone, and as the first of many, with a tangent that is not asked for: nothing is
            // written behind them, also where a block has no padding.
            for (const index_t n : {37, 40, 1003}) {
                batch few = diamond::from_host<float>(context, 3, 1043, std::vector<float>(3 * 1043, 7.0F));
                stack.forward(context, theta.data(), {x.data(), x.data()}, n, {few.data()}, space);
                const auto alone = diamond::to_host(few);
                const auto end = alone.begin() + 3 * n;
                CHECK(std::equal(alone.begin(), end, out.begin()));
                CHECK(std::all_of(end, alone.end(), [](float number) { return number == 7.0F; }));
            }
        }
        CHECK(results[0] == results[1]);
        CHECK(results[0] == results[2]);
    }
}

TEST_CASE("no column of a dense stack depends on how many there are, whatever its layers are") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    constexpr index_t most = 1003;
    std::vector<std::vector<dense_layer>> all_layers;
    for (const activation kind :
         {activation::silu, activation::gelu, activation::tanh, activation::leaky_relu})
        all_layers.push_back({{7, 7, kind, false}, {7, 7, kind, true}, {7, 3, kind, false}});
    all_layers.push_back({{7, 37, activation::silu, false, layer_norm},
                          {37, 37, activation::tanh, true, rms_norm, layer_norm},
                          {37, 3, activation::identity, false, layer_norm}});
    for (const auto& layers : all_layers) {
        const dense_stack<batch> stack(layers);
        const auto normals = [&](index_t rows, unsigned seed) {
            return diamond::from_host<float>(context, rows, most, numbers::normals<float>(rows * most, seed));
        };
        const batch theta = diamond::from_host<float>(context, stack.parameters(), 1,
                                                      numbers::normals<float>(stack.parameters(), 1)),
                    x = normals(7, 2), x_dot = normals(7, 3), k = normals(3, 4), k_dot = normals(3, 5);
        dense_stack<batch>::workspace space;
        // Values and tangents forward, recorded, and the cotangents of both.
        const auto all = [&](index_t n, bool tangent) {
            batch y(context, 3, n), y_dot(context, 3, n), z(context, 3, n), z_dot(context, 3, n),
                of_x(context, 7, n), of_x_dot(context, 7, n);
            const float* const dot = tangent ? x_dot.data() : nullptr;
            stack.forward(context, theta.data(), {x.data(), dot}, n,
                          {y.data(), tangent ? y_dot.data() : nullptr}, space);
            stack.record(context, theta.data(), {x.data(), dot}, n,
                         {z.data(), tangent ? z_dot.data() : nullptr}, space);
            stack.backward(context, theta.data(), space, {k.data(), tangent ? k_dot.data() : nullptr},
                           {of_x.data(), tangent ? of_x_dot.data() : nullptr}, nullptr);
            CHECK(diamond::to_host(y) == diamond::to_host(z));
            std::vector<std::vector<float>> result{diamond::to_host(y), diamond::to_host(of_x)};
            if (tangent) {
                CHECK(diamond::to_host(y_dot) == diamond::to_host(z_dot));
                result.push_back(diamond::to_host(y_dot));
                result.push_back(diamond::to_host(of_x_dot));
            }
            return result;
        };
        for (const bool tangent : {false, true}) {
            const auto whole = all(most, tangent);
            for (const index_t n : {1, 4, 37, 40, 260}) {
                CAPTURE(n);
                CAPTURE(tangent);
                const auto part = all(n, tangent);
                for (std::size_t of = 0; of < part.size(); ++of)
                    CHECK(std::equal(part[of].begin(), part[of].end(), whole[of].begin()));
            }
        }
    }
}

TEST_CASE("the columns that pad a block make no NaN in norms, however small epsilon is") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    const column_norm least{normalisation::layer, diamond::least_norm_epsilon},
        least_rms{normalisation::rms, diamond::least_norm_epsilon};
    const dense_stack<batch> stack({{5, 20, activation::silu, false, least, least_rms},
                                    {20, 20, activation::relu, true, least_rms, least},
                                    {20, 3, activation::identity, false, least}});
    // With biases of 0, what pads a block is 0 in every state.
    std::vector<float> numbers = numbers::normals<float>(stack.parameters(), 1);
    for (const auto& layer : stack.layers())
        for (const auto& [begin, end] : {std::pair{layer.bias(), layer.norms()},
                                         {layer.before.offset + layer.inputs, layer.after.offset},
                                         {layer.after.offset + layer.outputs, layer.end()}})
            for (index_t at = begin; at < end; ++at) numbers[static_cast<std::size_t>(at)] = 0.0F;
    const batch theta = diamond::from_host<float>(context, stack.parameters(), 1, numbers);
    for (const index_t n : {1, 3, 257}) {
        const auto normals = [&](index_t rows, unsigned seed) {
            return diamond::from_host<float>(context, rows, n, numbers::normals<float>(rows * n, seed));
        };
        const batch x = normals(5, 2), x_dot = normals(5, 3), k = normals(3, 4), k_dot = normals(3, 5);
        batch y(context, 3, n), y_dot(context, 3, n), of_x(context, 5, n), of_x_dot(context, 5, n),
            gradient = diamond::from_host<float>(
                context, stack.parameters(), 1,
                std::vector<float>(static_cast<std::size_t>(stack.parameters())));
        dense_stack<batch>::workspace space;
        stack.record(context, theta.data(), {x.data(), x_dot.data()}, n, {y.data(), y_dot.data()}, space);
        stack.backward(context, theta.data(), space, {k.data(), k_dot.data()}, {of_x.data(), of_x_dot.data()},
                       gradient.data());
        for (const batch* result : {&y, &y_dot, &of_x, &of_x_dot, &gradient})
            for (const float number : diamond::to_host(*result)) REQUIRE(std::isfinite(number));
    }
}

TEST_CASE("a stack of one layer or more writes over its own inputs") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 2};
    constexpr index_t n = 520; // blocks without padding, which are read and written where they stand
    for (const bool residual : {false, true})
        for (const std::size_t count : {1U, 2U, 3U}) {
            const dense_stack<batch> stack(
                std::vector<dense_layer>(count, {5, 5, activation::silu, residual}));
            const batch theta = diamond::from_host<float>(context, stack.parameters(), 1,
                                                          numbers::normals<float>(stack.parameters(), 1)),
                        x = diamond::from_host<float>(context, 5, n, numbers::normals<float>(5 * n, 2));
            batch apart(context, 5, n), same = diamond::from_host<float>(context, 5, n, diamond::to_host(x));
            dense_stack<batch>::workspace space;
            stack.forward(context, theta.data(), {x.data()}, n, {apart.data()}, space);
            stack.forward(context, theta.data(), {same.data()}, n, {same.data()}, space);
            CHECK(diamond::to_host(same) == diamond::to_host(apart));
        }
}

TEST_CASE("layers that do not fit are refused with their number") {
    using stack = dense_stack<diamond::eigen::batch<double>>;
    CHECK_THROWS_WITH_AS(stack({}), doctest::Contains("at least one layer"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(stack({{2, 3}, {4, 1}}), doctest::Contains("layer 1 of a dense stack: 1 x 4"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(stack({{2, 3, activation::silu, true}}), doctest::Contains("3 x 2, residual,"),
                         std::invalid_argument);
    for (const double epsilon : {0.0, -1.0, 1e-31, static_cast<double>(NAN), static_cast<double>(INFINITY)})
        CHECK_THROWS_WITH_AS(
            stack({{2, 3}, {3, 1, activation::silu, false, {}, {normalisation::layer, epsilon}}}),
            doctest::Contains("layer 1 of a dense stack: a norm of epsilon"), std::invalid_argument);
}

} // namespace nn_dense_stack_test
