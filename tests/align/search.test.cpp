/// Search: winners are the best that were drawn, more search finds more, and beams do not know of each other.
#include <algorithm>
#include <ctime>
#include <numeric>

#include <diamond/align/chain.hpp>
#include <diamond/align/search.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"

namespace align_search_test {

using namespace cases;
using diamond::beam, diamond::best_of_n, diamond::cost, diamond::ddpm_posterior_kernel,
    diamond::exact_posterior, diamond::posterior_value;

namespace {

using batch = diamond::eigen::batch<double>;

template <class Result>
std::vector<double> rewards_of(const Result& result, const auto& reward) {
    const auto host = diamond::to_host(result.particles);
    std::vector<double> all;
    for (std::size_t k = 0; k < host.size(); k += 2)
        all.push_back(reward(diamond::column_view(host.data() + k, 2)));
    return all;
}
[[maybe_unused]] double average(const std::vector<double>& x) { return statistics::average(x).value; }

} // namespace

TEST_CASE_TEMPLATE("best of N returns the best of each N draws of the chain", back, TWO_BACK_ENDS) {
    using batch_type = typename back::batch;
    const auto context = back::make(1);
    const auto model = mixture<batch_type>(context);
    const auto reward = tilt_2d<typename back::real>();
    const ddpm_posterior_kernel kernel{exact_posterior{model}};
    best_of_n sampler{kernel, reward, {.winners = 9, .candidates = 7, .steps = 4}};
    const auto result = sampler(context, philox{1});
    const auto drawn = diamond::chain(kernel, {.particles = 63, .steps = 4})(context, philox{1});
    const auto all = rewards_of(drawn, reward);
    const auto found = diamond::to_host(result.particles), candidates = diamond::to_host(drawn.particles);
    CHECK(result.complete);
    // a device rounds products into sums as it likes
    CHECK(statistics::largest_error(rewards_of(result, reward), result.rewards) < 1e-14);
    for (std::size_t w = 0; w < 9; ++w) {
        const auto first = all.begin() + static_cast<long>(7 * w), best = std::max_element(first, first + 7);
        const auto at = static_cast<std::size_t>(best - all.begin());
        CHECK(std::equal(found.begin() + static_cast<long>(2 * w),
                         found.begin() + static_cast<long>(2 * w + 2),
                         candidates.begin() + static_cast<long>(2 * at)));
    }
    CHECK(result.spent == cost{.forward = 63 * 4, .reward = 63});
    CHECK(sampler(context, philox{1}).spent == result.spent);
}

TEST_CASE("beam keeps the width best children of each beam, and its winner has the highest reward") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto model = mixture<batch>(context);
    const auto bowl = bowl_2d<double>(2.0);
    const ddpm_posterior_kernel kernel{exact_posterior{model}};
    const diamond::exact_value value{model, bowl};
    constexpr index_t beams = 3, width = 2, children = 4, steps = 4, group = width * children;
    std::vector<std::vector<double>> seen, values;
    beam search{kernel, value, {.beams = beams, .width = width, .children = children, .steps = steps}};
    const auto result = search(context, philox{2}, {}, [&](const auto& view) {
        CHECK(view.particles.columns() == beams * group);
        seen.emplace_back(view.particles.data(), view.particles.data() + view.particles.size());
    });
    REQUIRE(seen.size() == steps);
    // The same by hand: at each step the kernel moves `children` copies of the `width` best.
    auto v = value;
    auto k = kernel;
    batch x(context, 2, beams * group), next(context, 2, beams * group);
    diamond::draw_normal(philox{2}.stream(purpose::initial), x.mutable_view());
    for (index_t step = 1; step <= steps; ++step) {
        k(x.read(),
          diamond::interval{static_cast<double>(step - 1) / steps, static_cast<double>(step) / steps}, {},
          philox{2}.stream(purpose::transition, step), next.mutable_view());
        CHECK(diamond::to_host(next) == seen[static_cast<std::size_t>(step - 1)]);
        diamond::owning_batch<double, diamond::eigen::context> scores(context, 1, beams * group);
        v(next.read(), static_cast<double>(step) / steps, {}, philox{2}.stream(purpose::value, step),
          {.value = row(scores)});
        for (index_t b = 0; b < beams; ++b) {
            std::vector<index_t> order(group);
            for (index_t i = 0; i < group; ++i) order[static_cast<std::size_t>(i)] = b * group + i;
            std::sort(order.begin(), order.end(),
                      [&](index_t i, index_t j) { return scores.data()[i] > scores.data()[j]; });
            for (index_t i = 0; i < group; ++i)
                for (index_t row = 0; row < 2; ++row)
                    x.data()[row + 2 * (b * group + i)] =
                        next.data()[row + 2 * order[static_cast<std::size_t>(i / children)]];
            if (step == steps) {
                CHECK(result.rewards[static_cast<std::size_t>(b)] == scores.data()[order[0]]);
                for (index_t row = 0; row < 2; ++row)
                    CHECK(result.particles.data()[row + 2 * b] == next.data()[row + 2 * order[0]]);
            }
        }
    }
    CHECK(rewards_of(result, bowl) == result.rewards);
    // width x children transitions and values a step and beam; the exact value costs two evaluations, and a
    // reward at t = 1.
    CHECK(result.spent ==
          cost{.forward = beams * group * steps + 2 * beams * group * (steps - 1), .reward = beams * group});
}

TEST_CASE("more search finds more reward") {
    // Means over 400 winners of a reward whose standard deviation is about 1: each step up is many standard
    // errors of 0.05.
    const auto context = back_ends::eigen<double>::make(2);
    const auto model = mixture<batch>(context);
    const auto tilt = tilt_2d<double>();
    const exact_posterior draws{model};
    const ddpm_posterior_kernel kernel{draws};
    double before = -infinity;
    for (const index_t n : {1, 2, 4, 16}) {
        best_of_n sampler{kernel, tilt, {.winners = 400, .candidates = n, .steps = 3}};
        const double now = average(sampler(context, philox{3}).rewards);
        CHECK(now > before + 0.1);
        before = now;
    }
    before = -infinity;
    for (const index_t width : {1, 3, 10}) {
        beam sampler{kernel,
                     posterior_value{draws, tilt, {.samples = 2}},
                     {.beams = 400, .width = width, .children = 3, .steps = 4}};
        const double now = average(sampler(context, philox{3}).rewards);
        CHECK(now > before + 0.1);
        before = now;
    }
    before = -infinity;
    for (const index_t children : {1, 3, 10}) {
        beam sampler{kernel,
                     posterior_value{draws, tilt, {.samples = 2}},
                     {.beams = 400, .width = 2, .children = children, .steps = 4}};
        const double now = average(sampler(context, philox{3}).rewards);
        CHECK(now > before + 0.1);
        before = now;
    }
}

TEST_CASE("beams are independent: more of them change none") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto model = mixture<batch>(context);
    const auto run = [&](index_t beams) {
        beam sampler{ddpm_posterior_kernel{exact_posterior{model}},
                     posterior_value{exact_posterior{model}, tilt_2d<double>(), {.samples = 2}},
                     {.beams = beams, .width = 2, .children = 3, .steps = 4}};
        return sampler(context, philox{4});
    };
    const auto few = run(3), many = run(8);
    const auto of_few = diamond::to_host(few.particles), of_many = diamond::to_host(many.particles);
    CHECK(std::equal(of_few.begin(), of_few.end(), of_many.begin()));
    CHECK(std::equal(few.rewards.begin(), few.rewards.end(), many.rewards.begin()));
    // And no two beams find the same, nor the first beam what best of N finds.
    for (std::size_t a = 0; a < 8; ++a)
        for (std::size_t b = 0; b < a; ++b) CHECK(of_many[2 * a] != of_many[2 * b]);
}

TEST_CASE("an observer stops a search: the best so far, said to be incomplete, and without rewards") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto model = mixture<batch>(context);
    const diamond::exact_value value{model, tilt_2d<double>()};
    beam sampler{ddpm_posterior_kernel{exact_posterior{model}},
                 value,
                 {.beams = 2, .width = 2, .children = 3, .steps = 4}};
    index_t calls = 0;
    const auto result = sampler(context, philox{5}, {}, [&](const auto&) { return ++calls < 2; });
    CHECK(calls == 2);
    CHECK_FALSE(result.complete);
    CHECK(result.particles.columns() == 2);
    CHECK(result.rewards.empty()); // a value of x_t is no reward
    index_t asked = 0;
    const auto reward = [&](diamond::column_view<const double> z) {
        ++asked;
        return z[0];
    };
    best_of_n best{
        ddpm_posterior_kernel{exact_posterior{model}}, reward, {.winners = 2, .candidates = 3, .steps = 4}};
    std::vector<double> seen;
    const auto stopped = best(context, philox{5}, {}, [&](const auto& view) {
        seen.assign(view.particles.data(), view.particles.data() + view.particles.size());
        return false;
    });
    CHECK_FALSE(stopped.complete);
    CHECK(stopped.rewards.empty());
    CHECK(asked == 0); // nor is the reward asked about it
    CHECK(stopped.spent == cost{.forward = 6});
    CHECK(diamond::to_host(stopped.particles) == std::vector<double>{seen[0], seen[1], seen[6], seen[7]});
}

TEST_CASE_TEMPLATE("ties and the forbidden: the first of equals, -inf last", back, BACK_ENDS) {
    const auto context = back::make();
    const auto scores = diamond::from_host<double>(
        context, 1, 9,
        std::vector<double>{1.0, 3.0, 3.0, -infinity, -infinity, 2.0, -infinity, -infinity, -infinity});
    diamond::owning_batch<std::int32_t, typename back::context> best(context, 1, 6);
    diamond::detail::best_of_groups(context, 3, 3)(2, scores.data(), best.data());
    CHECK(diamond::to_host(best) == std::vector<std::int32_t>{1, 2, 5, 3, 6, 7});
}

TEST_CASE_TEMPLATE("the best of groups of any size are those of a stable sort", back, BACK_ENDS) {
    const auto context = back::make();
    std::uint32_t draw = 1;
    const auto next = [&](index_t below) {
        return static_cast<index_t>((draw = draw * 1664525u + 1013904223u) >> 8) % below;
    };
    for (const index_t size : {1, 2, 255, 256, 257, 511, 513, 768, 1000, 5000})
        for (const index_t keep : {index_t{1}, (size + 1) / 2, size}) {
            CAPTURE(size);
            CAPTURE(keep);
            constexpr index_t groups = 3;
            const index_t kinds = size < 300 ? 5 : 400; // ties
            std::vector<double> scores(static_cast<std::size_t>(groups * size));
            for (double& score : scores) score = next(7) == 0 ? -infinity : static_cast<double>(next(kinds));
            std::vector<std::int32_t> wanted;
            for (index_t g = 0; g < groups; ++g) {
                std::vector<std::int32_t> order(static_cast<std::size_t>(size));
                std::iota(order.begin(), order.end(), static_cast<std::int32_t>(g * size));
                std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
                    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
                });
                wanted.insert(wanted.end(), order.begin(), order.begin() + keep);
            }
            const auto there = diamond::from_host(context, 1, groups * size, scores);
            diamond::owning_batch<std::int32_t, typename back::context> best(context, 1, groups * keep);
            diamond::detail::best_of_groups(context, groups, size)(keep, there.data(), best.data());
            CHECK(diamond::to_host(best) == wanted);
        }
}

TEST_CASE("choosing the best of n takes n log n: of four times as many not the sixteenfold time") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto seconds = [&](index_t size) {
        std::vector<double> scores(static_cast<std::size_t>(size));
        std::uint32_t draw = 1;
        for (double& score : scores) score = static_cast<double>(draw = draw * 1664525u + 1013904223u);
        std::vector<std::int32_t> best(static_cast<std::size_t>(size / 4));
        diamond::detail::best_of_groups choose(context, 1, size);
        double least = infinity;
        for (int again = 0; again < 3; ++again) {
            const auto before = std::clock();
            choose(size / 4, scores.data(), best.data());
            least = std::min(least, static_cast<double>(std::clock() - before));
        }
        return least;
    };
    CHECK(seconds(1 << 16) < 9.0 * seconds(1 << 14)); // 4.6 by n log n, 16 by n^2
}

} // namespace align_search_test
