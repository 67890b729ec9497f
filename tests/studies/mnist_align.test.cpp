// MNIST: rewards of a classifier against plain softmax and differences, shares of classes, coverage, plans
// within a budget, and what measurements see. Each with what should fail.
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <vector>

#include <doctest/doctest.h>
#include <mnist/alignment_numbers.hpp>
#include <mnist/measured_kinds.hpp>

#include <diamond/calibration/calibration.hpp>

namespace studies_mnist_align_test {

namespace {

using diamond::index_t;
using diamond::philox;
using mnist::class_weights;

const mnist::context& where() {
    static const mnist::context one{.threads = 1};
    return one;
}
const mnist::classifier& rewarding() {
    static const mnist::classifier one(where(), std::filesystem::path(DIAMOND_MNIST) / "weights" /
                                                    "reward.safetensors");
    return one;
}
/// Points of a plane, N((shift, 0), width^2 I).
mnist::floats plane(index_t count, double shift, double width, std::uint64_t seed) {
    mnist::batch x(where(), 2, count);
    draw_normal(philox{seed}.stream(diamond::purpose::user), x.mutable_view());
    mnist::floats points;
    for (index_t j = 0; j < count; ++j)
        for (index_t i = 0; i < 2; ++i)
            points.push_back(
                static_cast<float>((i == 0 ? shift : 0.0) + width * double{x.data()[i + 2 * j]}));
    return points;
}
class_weights only(int label) {
    class_weights v{};
    v[static_cast<std::size_t>(label)] = 1.0;
    return v;
}

} // namespace

TEST_CASE("mnist align: a weighted share of classes is that of a plain softmax, and its slope that of "
          "differences") {
    const std::array<float, 10> score{1.5f, -2.0f, 0.25f, 3.0f, -1.0f, 0.0f, 2.5f, -3.5f, 1.0f, 0.5f};
    const class_weights v{0, 1, 0, 1, 0, 2, 0, 2, 0, 4};
    const auto plain = [&](const std::array<float, 10>& at) {
        double sum = 0.0, wanted = 0.0;
        for (std::size_t c = 0; c < 10; ++c) {
            sum += std::exp(double{at[c]});
            wanted += v[c] * std::exp(double{at[c]});
        }
        return std::log(wanted / sum);
    };
    std::array<double, 10> slope{};
    CHECK(mnist::log_weighted_share(score.data(), v, slope.data()) ==
          doctest::Approx(plain(score)).epsilon(1e-14));
    for (std::size_t c = 0; c < 10; ++c) {
        auto up = score, down = score;
        up[c] += 0.0078125f;
        down[c] -= 0.0078125f;
        CHECK(std::abs(slope[c] - (plain(up) - plain(down)) / 0.015625) < 1e-5);
    }
    // far apart: a plain softmax has no number, and this one has
    std::array<float, 10> far{};
    far[0] = 1000.0f;
    CHECK(mnist::log_weighted_share(far.data(), only(7)) == doctest::Approx(-1000.0));
    // all weights equal: log of one, and no slope at all
    class_weights same{};
    same.fill(1.0);
    CHECK(std::abs(mnist::log_weighted_share(score.data(), same, slope.data())) < 1e-15);
    for (const double s : slope) CHECK(std::abs(s) < 1e-15);
}

TEST_CASE("mnist align: the reward of a classifier is that of its scores, with the gradient of differences") {
    const auto test = mnist::load_part(std::filesystem::path(DIAMOND_MNIST) / "data", "test");
    constexpr index_t n = 3;
    const auto images = mnist::made_images(test, 0, n, {.dequantised = false}, philox{1});
    const class_weights v{0, 1, 0, 1, 0, 2, 0, 2, 0, 4};
    const mnist::class_reward reward(rewarding(), v, 1.5);
    const auto values_of = [&](const mnist::floats& of) {
        const auto z = diamond::from_host<float>(where(), mnist::pixels, n, of);
        std::vector<double> values(n);
        reward(z.read(), diamond::row(where(), n, values.data()));
        return values;
    };
    const auto values = values_of(images);
    const auto scores = rewarding().scores_of(images.data(), n);
    for (std::size_t j = 0; j < n; ++j)
        CHECK(values[j] == 1.5 * mnist::log_weighted_share(scores.data() + 10 * j, v));

    const auto z = diamond::from_host<float>(where(), mnist::pixels, n, images);
    mnist::batch slope(where(), mnist::pixels, n);
    reward.gradient(z.read(), slope.mutable_view());
    // along the gradient of each image, whose length the difference should find
    for (index_t j = 0; j < n; ++j) {
        double squares = 0.0;
        const float* const g = slope.data() + mnist::pixels * j;
        for (index_t i = 0; i < mnist::pixels; ++i) squares += double{g[i]} * double{g[i]};
        const double length = std::sqrt(squares), step = 0.02;
        auto up = images, down = images;
        for (index_t i = 0; i < mnist::pixels; ++i) {
            const auto k = static_cast<std::size_t>(i + mnist::pixels * j);
            up[k] += static_cast<float>(step * g[i] / length);
            down[k] -= static_cast<float>(step * g[i] / length);
        }
        const auto column = static_cast<std::size_t>(j);
        const double found = (values_of(up)[column] - values_of(down)[column]) / (2.0 * step);
        CHECK(found == doctest::Approx(length).epsilon(0.02));
        CHECK(std::abs(found + length) > 0.5 * length); // the other sign is none
    }
    CHECK_THROWS_AS(mnist::class_reward(rewarding(), class_weights{}), std::invalid_argument);
    // images of a wanted class have a reward near that of certainty, log of the weight
    CHECK(test.labels[0] == 7);
    CHECK(values[0] == doctest::Approx(1.5 * std::log(2.0)).epsilon(0.01));
}

TEST_CASE("mnist align: the ink is pulled to a mean by a Gaussian") {
    mnist::floats image(static_cast<std::size_t>(mnist::pixels), -1.0f);
    std::fill_n(image.begin(), mnist::pixels / 2, 0.0f);
    CHECK(mnist::ink_of(image.data()) == -0.5);
    auto reward = mnist::ink_reward(where(), -0.25, 0.125);
    const auto z = diamond::from_host<float>(where(), mnist::pixels, 1, image);
    double value = 0.0;
    reward(z.read(), diamond::row(where(), 1, &value));
    CHECK(value == doctest::Approx(-2.0).epsilon(1e-5));
}

TEST_CASE("mnist align: shares, their distance, and draws by weight") {
    const auto shares = mnist::shares_of({3, 3, 9, 0}, {0.1, 0.2, 0.3, 0.4});
    CHECK(shares[3] == doctest::Approx(0.3));
    CHECK(mnist::l2_distance(shares, shares) == 0.0);
    CHECK(mnist::l2_distance(only(1), only(2)) == doctest::Approx(std::sqrt(2.0)));
    CHECK(mnist::normalised({0.0, std::log(3.0), -diamond::infinity}) ==
          std::vector<double>{0.25, 0.75, 0.0});
    CHECK(mnist::drawn_by({0.5, 0.0, 0.25, 0.25}, 4, 0.5) == std::vector<index_t>{0, 0, 2, 3});
    // shares of independent draws are as far from w as said
    const class_weights w{0, .1, 0, .1, 0, .2, 0, .2, 0, .4};
    constexpr index_t n = 100, runs = 400;
    double squares = 0.0;
    for (index_t k = 0; k < runs; ++k) {
        class_weights found{};
        for (index_t j = 0; j < n; ++j) {
            const double u = philox{5}.stream(diamond::purpose::user, k).uniform(j);
            const auto c = mnist::drawn_by({w.begin(), w.end()}, 1, u).front();
            found[static_cast<std::size_t>(c)] += 1.0 / n;
        }
        squares += diamond::square(mnist::l2_distance(found, w)) / runs;
    }
    CHECK(std::sqrt(squares) == doctest::Approx(mnist::l2_of_draws(w, n)).epsilon(0.1));
}

TEST_CASE("mnist align: errors count families, not samples") {
    // forty samples of ten families; all of a family are of one class
    mnist::judged_samples seen;
    for (int j = 0; j < 40; ++j) {
        seen.of.push_back(j / 4 % 2);
        seen.ink.push_back(j / 4);
        seen.rewards.push_back(0.0);
        seen.weights.push_back(1.0 / 40.0);
        seen.families.push_back(j / 4);
    }
    const auto by_family = mnist::numbers_of(seen, only(0), 0, philox{1});
    CHECK(by_family.right == doctest::Approx(0.5));
    CHECK(by_family.families == doctest::Approx(10.0));
    CHECK(by_family.right_se == doctest::Approx(0.5 / std::sqrt(10.0)).epsilon(0.25));
    seen.families = studies::own_families(40);
    const auto alone = mnist::numbers_of(seen, only(0), 0, philox{1});
    CHECK(alone.right_se < 0.7 * by_family.right_se); // too small, if they were taken as independent
}

TEST_CASE("mnist align: coverage is that of one law, and less of a narrow or a shifted one") {
    constexpr index_t n = 400, neighbours = 5;
    const auto real_points = plane(n, 0.0, 1.0, 1);
    const auto covered = [&](double shift, double width) {
        return mnist::coverage_of(real_points, plane(n, shift, width, 2), 2, neighbours);
    };
    CHECK(covered(0.0, 1.0) > 0.93); // 1 - 2^-5
    CHECK(covered(0.0, 0.2) < 0.5);
    CHECK(covered(10.0, 1.0) == 0.0);
    CHECK(mnist::coverage_of(real_points, real_points, 2, neighbours) == 1.0);
}

TEST_CASE("mnist align: a plan costs at most its budget, and most of it") {
    for (const double budget : {20.0, 30.0, 100.0, 300.0})
        for (const auto& [transition, draw] :
             std::vector<std::pair<double, double>>{{1, 1}, {2.5, 1}, {1.25, 3}}) {
            const auto plan = mnist::plan_of(budget, transition, draw);
            const auto k = static_cast<double>(plan.steps);
            const double spent = transition * k + draw * (k - 1.0) * static_cast<double>(plan.draws);
            CHECK(spent <= budget);
            CHECK(spent > 0.6 * budget);
        }
    CHECK_THROWS_AS(mnist::plan_of(2.0, 1.0, 1.0), std::invalid_argument);
}

TEST_CASE("mnist align: joined runs count by their Z") {
    const auto run = [](double log_z, float value) {
        auto result = studies::independent({value, value}, 1);
        result.log_z = log_z;
        result.log_z_se = 0.1;
        return result;
    };
    const auto all = mnist::joined({run(0.0, 1.0f), run(std::log(3.0), 2.0f)});
    CHECK(all.weights[0] == doctest::Approx(0.125));
    CHECK(all.weights[2] == doctest::Approx(0.375));
    CHECK(*all.log_z == doctest::Approx(std::log(2.0)));
    CHECK(*all.log_z_se == doctest::Approx(0.1 * std::hypot(0.25, 0.75)));
    CHECK(all.families == std::vector<std::int32_t>{0, 1, 2, 3});
}

TEST_CASE("mnist inpaint: what is seen and what is not make an image, and regions tile what is unknown") {
    for (const auto& kind : mnist::measured_kinds(where())) {
        CAPTURE(kind.name);
        if (!kind.seen.empty()) {
            CHECK(static_cast<index_t>(kind.seen.size() + kind.unknown.size()) == mnist::pixels);
            CHECK(kind.of.outputs() == static_cast<index_t>(kind.seen.size()));
            for (const index_t i : kind.unknown) CHECK(std::ranges::find(kind.seen, i) == kind.seen.end());
        } else {
            CHECK(kind.of.outputs() == 49);
        }
        std::vector<index_t> tiled;
        for (const auto& region : kind.regions) tiled.insert(tiled.end(), region.begin(), region.end());
        std::ranges::sort(tiled);
        auto unknown = kind.unknown;
        std::ranges::sort(unknown);
        CHECK(tiled == unknown);
    }
}

TEST_CASE("mnist inpaint: intervals of draws of the truth's law cover nine in ten, and of narrow ones less") {
    constexpr index_t problems = 40, draws = 100;
    const std::vector<std::vector<index_t>> regions{{0, 1}, {2}};
    const auto coverage = [&](double width) {
        diamond::calibration judged{{.level = 0.9}};
        for (index_t p = 0; p < problems; ++p) {
            mnist::batch x(where(), 3, draws + 1);
            draw_normal(philox{11}.stream(diamond::purpose::user, p), x.mutable_view());
            diamond::weighted_samples samples{.dimension = 3};
            for (index_t j = 0; j < draws; ++j) {
                for (index_t i = 0; i < 3; ++i) samples.values.push_back(width * double{x.data()[i + 3 * j]});
                samples.weights.push_back(1.0 / draws);
            }
            const float* const last = x.data() + 3 * draws;
            const diamond::weighted_samples truth{3, {last, last + 3}, {1.0}};
            judged.add(mnist::means_of(samples, regions), mnist::means_of(truth, regions).values);
        }
        return judged.coverage();
    };
    CHECK(std::abs(coverage(1.0).value - 0.9) < 0.08);
    CHECK(coverage(0.3).value < 0.6);
}

} // namespace studies_mnist_align_test
