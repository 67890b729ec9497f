// Recipes: they are the composition by hand, their noise has the covariance they say, and what they train is
// the distribution of the points.
#include <cmath>
#include <cstdint>
#include <functional>
#include <numbers>
#include <stdexcept>
#include <utility>
#include <vector>

#include <diamond/density/flow_density.hpp>
#include <diamond/map/stepped_flow_map.hpp>
#include <diamond/train/recipes.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"

namespace train_recipes_test {

using diamond::index_t, diamond::philox;

namespace {
using batch = diamond::eigen::batch<float>;

constexpr double radius = 2.0, width = 0.125;
/// 500 points on a ring of radius 2, of which a Gaussian puts a share of 1 - exp(-radius'^2/radius^2) within
/// any radius'.
std::vector<float> ring() {
    std::vector<float> points;
    for (int k = 0; k < 500; ++k) {
        const double angle = 2.0 * std::numbers::pi * k / 500.0;
        points.push_back(static_cast<float>(radius * std::cos(angle)));
        points.push_back(static_cast<float>(radius * std::sin(angle)));
    }
    return points;
}
batch ring_on(const diamond::eigen::context& context) { return diamond::from_host(context, 2, 500, ring()); }

/// Small numbers, so that a training takes a second.
diamond::recipe_options small(index_t steps) {
    return {.smooth = {.bandwidth = width, .relative_bandwidth = 0.0},
            .network = {.width = 48, .blocks = 2},
            .training = {.steps = steps, .batch = 128, .rate = {.peak = 1e-2}}};
}
/// The share of points that are not between the radii 3/2 and 5/2, 4 widths of the ring's noise away from it,
/// NaN among them; or 1 where they do not lie around 0.
double share_astray(const std::vector<float>& z) {
    double astray = 0.0, x = 0.0, y = 0.0;
    const double count = 0.5 * static_cast<double>(z.size());
    for (std::size_t j = 0; j < z.size(); j += 2) {
        const double r = std::hypot(z[j], z[j + 1]);
        astray += !(r > 1.5 && r < 2.5);
        x += z[j] / count;
        y += z[j + 1] / count;
    }
    // The mean of 2,000 draws has a standard deviation of 0.03 a coordinate; a map may be off by some more.
    return std::hypot(x, y) < 0.3 ? astray / count : 1.0;
}
template <class Map>
std::vector<float> drawn(Map map, const diamond::eigen::context& context, index_t n) {
    batch noise(context, 2, n), out(context, 2, n);
    diamond::draw_normal(philox{5}.stream(diamond::purpose::initial), noise.mutable_view());
    if constexpr (diamond::diamond_map<Map>) {
        batch nothing(context, 2, n);
        diamond::set_to_zero(nothing.mutable_view());
        map(noise, {0.0, 1.0}, nothing, 0.0, {}, out);
    } else {
        map(noise, {0.0, 1.0}, {}, out);
    }
    return diamond::to_host(out);
}
} // namespace

TEST_CASE(
    "a recipe trains a network of images, in the frame of their pixels, with the classes of their labels") {
    const auto context = back_ends::eigen<float>::make(2);
    const index_t d = 16, n = 64;
    batch points(context, d, n);
    diamond::draw_normal(philox{7}.stream(diamond::purpose::data), points.mutable_view());
    // Variance and noise of a pixel: here of the third.
    const auto pixels = diamond::to_host(points);
    double mean = 0.0, variance = 0.0;
    for (index_t j = 0; j < n; ++j)
        mean += static_cast<double>(pixels[static_cast<std::size_t>(2 + d * j)]) / n;
    for (index_t j = 0; j < n; ++j)
        variance += std::pow(static_cast<double>(pixels[static_cast<std::size_t>(2 + d * j)]) - mean, 2) / n;
    const auto framed = diamond::smooth_pixels(points, {.bandwidth = 0.5, .relative_bandwidth = 0.2});
    CHECK(framed.frame.numbers().variance[2] == doctest::Approx(1.04 * variance + 0.25));
    CHECK(framed.inside.bandwidths()[2] == doctest::Approx(std::sqrt(0.04 * variance + 0.25)));
    CHECK(diamond::to_host(framed.inside.points()) == pixels);
    diamond::recipe_options options{
        .training = {.steps = 6, .batch = 32, .diagonal_first = 0.0, .report_every = 1}};
    for (index_t j = 0; j < n; ++j) options.labels.push_back(static_cast<std::int32_t>(j % 2));
    int reports = 0;
    options.observer = [&](const diamond::training_report&) { return ++reports > 0; };
    const auto map = diamond::train_diamond_map(
        std::move(points), philox{1},
        diamond::unet_options{.shape = {1, 4, 4}, .width = 8, .multipliers = {1}, .embedding = 8}, options);
    const auto& network = map.network().architecture();
    CHECK(reports == 6);
    CHECK(!network.frame().has_basis());
    CHECK(network.frame().numbers().variance[2] == doctest::Approx(1.01 * variance));
    CHECK(network.classes() == 2);
    CHECK(network.options().width == 8);
}

TEST_CASE("a recipe is the training by hand, to the same bits") {
    const auto context = back_ends::eigen<float>::make(1);
    auto options = small(12);
    options.labels = std::vector<std::int32_t>(500, 1);
    options.labels[3] = 0;
    const auto map = diamond::train_diamond_map(ring_on(context), philox{4}, options, diamond::square_pair{},
                                                diamond::uniform_time{.at_zero = 0.3});

    const diamond::training_set<batch> data(ring_on(context), width, options.labels);
    const diamond::gaussian_frame<batch> frame(context, diamond::fit_gaussian_frame(data));
    const auto inside = diamond::in_coordinates_of(frame, data);
    const diamond::diamond_mlp_options shape{.mlp = options.network, .classes = 2};
    const diamond::diamond_mlp<batch, diamond::linear_schedule> network(
        {}, {context, diamond::in_own_coordinates(frame.numbers())}, shape);
    diamond::diamond_trainer trainer(network, inside, philox{4}, options.training,
                                     diamond::uniform_time{.at_zero = 0.3}, diamond::square_pair{});
    auto state = trainer.start();
    trainer.run(state);
    CHECK(diamond::to_host(map.network().parameters()) == diamond::to_host(trainer.averaged(state)));
    CHECK(map.network().architecture().frame().numbers().variance == frame.numbers().variance);
    CHECK(map.network().architecture().frame().numbers().basis == frame.numbers().basis);
}

TEST_CASE("a Diamond map and a flow map learn the points' distribution; a Gaussian does not pass for it") {
    const auto context = back_ends::eigen<float>::make(2);
    // Of the distribution itself a share of 6e-5 is astray; of the Gaussian of the same covariance 43 % are
    // within 3/2 and 21 % beyond 5/2. The bounds are chosen between these, not statistical.
    const auto map = diamond::train_diamond_map(ring_on(context), philox{1}, small(3000));
    CHECK(share_astray(drawn(map, context, 2000)) < 0.25);
    CHECK(share_astray(
              drawn(diamond::train_diamond_map(ring_on(context), philox{1}, small(1)), context, 2000)) > 0.5);
    const auto flow = diamond::train_flow_map(ring_on(context), philox{1}, small(3000));
    CHECK(share_astray(drawn(flow, context, 2000)) < 0.25);
    // The mean log-density of the ring's points; log N of the Gaussian's is -3.5 there, 1.4 below the chosen
    // bound.
    diamond::flow_density density{diamond::stepped_flow_map{flow, {.steps = 4}}};
    diamond::rebind_t<batch, double> log_p(context, 1, 500);
    density(ring_on(context).read(), 1.0, {}, row(log_p));
    double mean = 0.0;
    for (const double number : diamond::to_host(log_p)) mean += number / 500.0;
    const double exact = -std::log(2.0 * std::numbers::pi * radius) -
                         0.5 * std::log(2.0 * std::numbers::pi * width * width);
    CHECK(mean > exact - 0.7);
    CHECK(mean < exact + 0.2);
}

TEST_CASE(
    "noise in the shape of the data: H = h^2 I + q^2 C in the frame's directions, where it is diagonal") {
    const auto context = back_ends::eigen<float>::make(1);
    // Variances 9 and 1 along (3, 4)/5 and (-4, 3)/5, about a mean of (10, -20); exact in float.
    const std::vector<float> points{10 + 9, -20 + 12, 10 - 9, -20 - 12, 10 - 4, -20 + 3, 10 + 4, -20 - 3};
    // C = 1/4 sum of the four: (2 * 15^2 u u^T + 2 * 5^2 w w^T)/4.
    const double along = 112.5, across = 12.5;
    const auto framed = diamond::smooth_points(diamond::from_host(context, 2, 4, points),
                                               {.bandwidth = 2.0, .relative_bandwidth = 0.5});
    const auto& frame = framed.frame.numbers();
    CHECK(frame.variance[0] == doctest::Approx(1.25 * across + 4.0));
    CHECK(frame.variance[1] == doctest::Approx(1.25 * along + 4.0));
    CHECK(frame.mean[0] == doctest::Approx(10.0));
    CHECK(framed.inside.bandwidths()[0] == doctest::Approx(std::sqrt(4.0 + 0.25 * across)));
    CHECK(framed.inside.bandwidths()[1] == doctest::Approx(std::sqrt(4.0 + 0.25 * along)));
    CHECK_FALSE(framed.inside.isotropic());
    CHECK(framed.inside.bandwidth() == doctest::Approx(std::sqrt(4.0 + 0.125 * (across + along))));

    // What is drawn has that covariance, and not one of equal noise: z = velocity + eps', with eps' the inner
    // state at s = 0. 40,000 draws: a variance has a relative standard error of 0.7 % (less, for the points'
    // own part is bounded), the bound is five of them.
    diamond::training_states<batch> states;
    const index_t n = 40'000;
    states.draw(framed.inside, diamond::linear_schedule{}, diamond::uniform_time{.at_zero = 1.0},
                diamond::triangle_pair{.at_zero = 1.0}, philox{2}, 0,
                {.columns = n, .diagonal = 0, .condition_dropout = 0.0});
    const auto noise = diamond::to_host(states.xbar), velocity = diamond::to_host(states.velocity);
    for (std::size_t i = 0; i < 2; ++i) {
        double sum = 0.0, squares = 0.0;
        for (std::size_t j = 0; j < static_cast<std::size_t>(n); ++j) {
            const double z = static_cast<double>(velocity[2 * j + i]) + static_cast<double>(noise[2 * j + i]);
            sum += z;
            squares += z * z;
        }
        const double mean = sum / static_cast<double>(n),
                     variance = squares / static_cast<double>(n) - mean * mean;
        CHECK(variance == doctest::Approx(frame.variance[i]).epsilon(0.035));
    }
}

TEST_CASE("what a recipe cannot take is refused by name") {
    const auto context = back_ends::eigen<float>::make(1);
    const auto with = [&](auto change) {
        auto options = small(2);
        change(options);
        static_cast<void>(diamond::train_diamond_map(ring_on(context), philox{1}, options));
    };
    CHECK_NOTHROW(with([](auto&) {}));
    CHECK_THROWS_WITH_AS(with([](auto& o) { o.smooth.relative_bandwidth = -0.1; }),
                         doctest::Contains("relative_bandwidth is -0.1"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with([](auto& o) { o.smooth.bandwidth = NAN; }), doctest::Contains("bandwidth is"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(with([](auto& o) {
                             o.labels = {1, 2};
                         }),
                         doctest::Contains("500 points was given 2 labels"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(with([](auto& o) { o.training.batch = 0; }),
                         doctest::Contains("both must be positive"), std::invalid_argument);
    // Points on a line have no variance across it, and no share of none is any.
    const auto line = [&](double bandwidth) {
        std::vector<float> points;
        for (int k = 0; k < 20; ++k) points.insert(points.end(), {static_cast<float>(k), 0.0f});
        auto options = small(2);
        options.smooth = {.bandwidth = bandwidth};
        static_cast<void>(
            diamond::train_diamond_map(diamond::from_host(context, 2, 20, points), philox{1}, options));
    };
    CHECK_THROWS_AS(line(0.0), std::invalid_argument);
    CHECK_NOTHROW(line(0.125));
    // Coordinates that add up to 1 vary along no diagonal, but for their rounding.
    const auto simplex = [&](auto number) {
        using real = decltype(number);
        std::vector<real> points;
        for (int k = 1; k <= 60; ++k) {
            const double a = 0.3 + 0.2 * std::sin(1.0 * k), b = 0.3 + 0.2 * std::cos(2.0 * k);
            points.insert(points.end(),
                          {static_cast<real>(a), static_cast<real>(b), static_cast<real>(1.0 - a - b)});
        }
        static_cast<void>(diamond::smooth_points(diamond::from_host<real>(context, 3, 60, points), {}));
    };
    CHECK_THROWS_WITH_AS(simplex(1.0f), doctest::Contains("give a bandwidth above 0"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(simplex(1.0), doctest::Contains("give a bandwidth above 0"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(line(0.0), doctest::Contains("give a bandwidth above 0"), std::invalid_argument);
    // A mean that leaves a coordinate no digits, though it is not constant.
    auto far = ring();
    for (std::size_t k = 1; k < far.size(); k += 2) far[k] += 4e6f;
    CHECK_THROWS_WITH_AS(
        static_cast<void>(diamond::smooth_points(diamond::from_host(context, 2, 500, far), {})),
        doctest::Contains("coordinate 1 of the points has mean"), std::invalid_argument);
    // Coordinates of any units are none the worse for it.
    auto units = ring();
    for (std::size_t k = 0; k < units.size(); k += 2) units[k] *= 1e-12f;
    CHECK(
        diamond::smooth_points(diamond::from_host(context, 2, 500, units), {}).frame.numbers().variance[0] ==
        doctest::Approx(1.01 * 2e-24));
    auto broken = ring();
    broken[7] = NAN;
    CHECK_THROWS_WITH_AS(
        static_cast<void>(diamond::smooth_points(diamond::from_host(context, 2, 500, broken), {})),
        doctest::Contains("point 3 has nan as coordinate 1"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::train_flow_map(batch(context, 2, 0), philox{1})),
                         doctest::Contains("needs points"), std::invalid_argument);

    // Noise that differs by coordinate does not turn with a basis.
    const diamond::training_set<batch> uneven(ring_on(context), std::vector<double>{0.1, 0.2});
    const diamond::gaussian_frame<batch> frame(context, {{0, 0}, {1, 1}, {0.6, 0.8, -0.8, 0.6}});
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::in_coordinates_of(frame, uneven)),
                         doctest::Contains("smooth_points"), std::invalid_argument);
    CHECK_NOTHROW(static_cast<void>(diamond::in_coordinates_of({context, {{0, 0}, {1, 1}, {}}}, uneven)));
    CHECK_THROWS_WITH_AS(diamond::training_set<batch>(ring_on(context), std::vector<double>{0.1}),
                         doctest::Contains("1 bandwidths"), std::invalid_argument);
}

TEST_CASE("a training that breaks down is told, with its loss and what to do") {
    struct stub {
        std::vector<double> losses;
        void run(int&, const std::function<bool(const diamond::training_report&)>& observer) {
            diamond::training_report at{};
            for (const double loss : losses) {
                at.off_diagonal_divergence_loss = loss;
                if (!observer(at)) return;
            }
        }
    };
    int state = 0, seen = 0;
    const auto count = [&](const diamond::training_report&) { return ++seen, true; };
    stub sound{{90.0, 1.0, 3.0}}, lost{{1.0, 110.0, 1.0}}, broken{{NAN}};
    CHECK_NOTHROW(diamond::detail::run_watched(sound, state, count));
    CHECK(seen == 3);
    CHECK_THROWS_WITH_AS(diamond::detail::run_watched(lost, state, count),
                         doctest::Contains("smooth.bandwidth"), diamond::numeric_error);
    CHECK(seen == 4);
    CHECK_THROWS_AS(diamond::detail::run_watched(broken, state, {}), diamond::numeric_error);
}

TEST_CASE("an observer ends a recipe, whose network is that of the steps so far; its parts resume") {
    const auto context = back_ends::eigen<float>::make(1);
    auto options = small(40);
    options.training.report_every = 5;
    index_t reports = 0;
    options.observer = [&](const diamond::training_report& at) { return ++reports, at.step + 1 < 10; };
    const auto stopped = diamond::train_diamond_map(ring_on(context), philox{1}, options);
    CHECK(reports == 2);
    diamond::diamond_map_training training(ring_on(context), philox{1}, options);
    auto state = training.trainer().start();
    for (int k = 0; k < 10; ++k) training.trainer().step(state);
    CHECK(diamond::to_host(training.network(state).parameters()) ==
          diamond::to_host(stopped.network().parameters()));
}

} // namespace train_recipes_test
