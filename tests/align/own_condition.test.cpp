// Vector conditions, and a user's own, an embedding for the whole batch and one with a row a column, through
// everything that takes labels: what a particle gets is what it gets alone, and what the exact model of its
// mean gives.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/oracle/gaussian.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/statistics.hpp"

using diamond::condition_vectors, diamond::index_t, diamond::linear_schedule, diamond::philox;

namespace {

/// One mean for the whole batch, as a text's embedding would be.
struct prompt {
    std::shared_ptr<const std::vector<double>> mean;
};
/// One mean a column.
template <class Batch>
struct prompts {
    diamond::const_view_t<Batch> rows;
};

} // namespace

template <class Context>
class diamond::condition_store<prompt, Context> : public diamond::condition_for_all<prompt> {};

template <class Batch, class Context>
class diamond::condition_store<prompts<Batch>, Context> {
public:
    prompts<Batch> repeat(const Context& context, const prompts<Batch>& from, diamond::index_t columns,
                          diamond::index_t samples) {
        repeated_.resize(context, from.rows.rows(), columns * samples);
        diamond::repeat_columns(from.rows, samples, repeated_.mutable_view());
        return {repeated_.read()};
    }
    prompts<Batch> gather(const Context& context, const prompts<Batch>& from, const std::int32_t* ancestors,
                          diamond::index_t columns) {
        gathered_.resize(context, from.rows.rows(), columns);
        context.gather(from.rows, ancestors, gathered_.mutable_view());
        return {gathered_.read()};
    }

private:
    diamond::scratch<typename Batch::value_type, Context> repeated_, gathered_;
};

namespace {

using batch = diamond::eigen::batch<double>;
constexpr double deviation = 0.25;

double mean_of(const prompt& c, index_t i, index_t) { return (*c.mean)[static_cast<std::size_t>(i)]; }
double mean_of(const prompts<batch>& c, index_t i, index_t j) { return c.rows(i, j); }
double mean_of(const condition_vectors<batch>& c, index_t i, index_t j) { return c(i, j); }

/// u(x, t | m), the velocity of N(m, deviation^2 I): a user's network whose condition is m.
template <class Condition>
struct field {
    using batch_type = batch;
    using condition_type = Condition;
    struct workspace {};
    [[nodiscard]] static index_t dimension() { return 2; }
    [[nodiscard]] static workspace make_workspace(const diamond::eigen::context&, index_t) { return {}; }
    void operator()(diamond::const_view_t<batch> x, diamond::time_view t, const Condition& c, workspace&,
                    diamond::view_t<batch> out) const {
        for (index_t j = 0; j < x.columns(); ++j)
            for (index_t i = 0; i < 2; ++i) {
                const double variance = diamond::square(deviation), now = t[j], rest = 1.0 - now,
                             m = mean_of(c, i, j);
                out(i, j) = m + (now * variance - rest) / (now * now * variance + rest * rest) *
                                    (x(i, j) - now * m);
            }
    }
};
/// Likes what is near the particle's own mean: r(z | m) = -|z - m|^2/2, of which a particle with another's
/// condition would get next to nothing.
struct near_own_mean {
    template <class View, class Condition>
    void operator()(View z, const Condition& c,
                    diamond::row_view<double, typename View::context_type> values) const {
        for (index_t j = 0; j < z.columns(); ++j)
            values[j] = -0.5 * (diamond::square(z(0, j) - mean_of(c, 0, j)) +
                                diamond::square(z(1, j) - mean_of(c, 1, j)));
    }
};
const auto first = [](const auto& z) { return 0.5 * static_cast<double>(z[0]); };

template <class Condition>
auto map_of() {
    return diamond::glass_diamond_map(linear_schedule{}, field<Condition>{},
                                      diamond::explicit_midpoint{.steps = 4});
}
/// What each driver makes of a condition; two numbers a particle.
template <class Field, class Condition>
std::vector<std::vector<double>> all_drivers(const diamond::eigen::context& context, const Field& of,
                                             const Condition& c, index_t n) {
    const diamond::glass_diamond_map map(linear_schedule{}, of, diamond::explicit_midpoint{.steps = 4});
    const diamond::early_stop_kernel kernel(map);
    const diamond::posterior_value value(diamond::diamond_map_posterior{map}, first, {.samples = 3});
    diamond::chain chain(kernel, {.particles = n, .steps = 3});
    diamond::smc smc(kernel, value, {.particles = n, .steps = 3, .threshold = 0.0, .pilot_particles = 0});
    diamond::guidance guidance(of, value, {.particles = n, .steps = 3});
    diamond::best_of_n best(kernel, first, {.winners = n, .candidates = 1, .steps = 3});
    diamond::beam beam(kernel, value, {.beams = n, .width = 1, .children = 1, .steps = 3});
    return {batches::host(chain(context, philox{1}, c).particles),
            batches::host(smc(context, philox{2}, c).particles),
            batches::host(guidance(context, philox{3}, c).particles),
            batches::host(best(context, philox{4}, c).particles),
            batches::host(beam(context, philox{5}, c).particles)};
}

} // namespace

TEST_CASE_TEMPLATE("a condition with a row a column is repeated and gathered with its particles", back,
                   BACK_ENDS) {
    using there = typename back::batch;
    const auto context = back::make();
    const auto rows = diamond::from_host<typename back::real>(context, 2, 3, {1, 2, 3, 4, 5, 6});
    const auto chosen = diamond::from_host(context, 1, 4, std::vector<std::int32_t>{2, 0, 2, 1});
    diamond::condition_store<prompts<there>, typename back::context> store;
    static_assert(diamond::diagnose_condition<prompts<there>, typename back::context>() &&
                  diamond::diagnose_condition<prompt, typename back::context>());
    using list = std::vector<typename back::real>;
    CHECK(diamond::to_host(store.repeat(context, {rows.read()}, 3, 2).rows) ==
          list{1, 2, 1, 2, 3, 4, 3, 4, 5, 6, 5, 6});
    CHECK(diamond::to_host(store.gather(context, {rows.read()}, chosen.data(), 4).rows) ==
          list{5, 6, 1, 2, 5, 6, 3, 4});
}

TEST_CASE("an embedding for the whole batch, and one a column, through every driver: the exact model's "
          "particles, each its own") {
    const diamond::eigen::context context{.threads = 2};
    constexpr index_t n = 9;
    const auto embedding = [](double a, double b) {
        return prompt{std::make_shared<const std::vector<double>>(std::vector<double>{a, b})};
    };
    const auto cat = all_drivers(context, field<prompt>{}, embedding(1.0, -2.0), n),
               dog = all_drivers(context, field<prompt>{}, embedding(-3.0, 0.5), n);
    const diamond::gaussian<batch, linear_schedule> exact(
        context, {}, {1.0, -2.0}, {deviation * deviation, 0.0, 0.0, deviation * deviation});
    const auto model = all_drivers(context, exact, diamond::no_condition{}, n);
    batch means(context, 2, n);
    for (index_t j = 0; j < n; ++j) {
        means.mutable_view()(0, j) = j % 2 ? 1.0 : -3.0;
        means.mutable_view()(1, j) = j % 2 ? -2.0 : 0.5;
    }
    const auto mixed = all_drivers(context, field<prompts<batch>>{}, prompts<batch>{means.read()}, n);
    const auto vectors = all_drivers(context, field<condition_vectors<batch>>{},
                                     condition_vectors<batch>(means.read()), n);
    // One vector for all, and as many equal ones.
    const batch one = diamond::from_host<double>(context, 2, 1, {1.0, -2.0});
    batch equal(context, 2, n);
    diamond::repeat_columns(one.read(), n, equal.mutable_view());
    const auto for_all = all_drivers(context, field<condition_vectors<batch>>{},
                                     condition_vectors<batch>::for_all(one.read()), n),
               by_columns = all_drivers(context, field<condition_vectors<batch>>{},
                                        condition_vectors<batch>(equal.read()), n);
    for (std::size_t driver = 0; driver < model.size(); ++driver) {
        CAPTURE(driver);
        CHECK(statistics::largest_error(cat[driver], model[driver]) < 1e-12);
        CHECK(statistics::largest_error(cat[driver], dog[driver]) > 1.0);
        CHECK(vectors[driver] == mixed[driver]);
        CHECK(for_all[driver] == cat[driver]);
        CHECK(by_columns[driver] == cat[driver]);
        for (std::size_t k = 0; k < mixed[driver].size(); ++k)
            CHECK(mixed[driver][k] == (k / 2 % 2 ? cat : dog)[driver][k]);
    }
}

TEST_CASE(
    "SMC that resamples takes each particle's row along, and goes on from a snapshot to the same bits") {
    const diamond::eigen::context context{.threads = 2};
    constexpr index_t n = 40;
    batch means(context, 2, n);
    for (index_t j = 0; j < n; ++j) {
        means.mutable_view()(0, j) = 10.0 * static_cast<double>(j);
        means.mutable_view()(1, j) = -10.0 * static_cast<double>(j);
    }
    const condition_vectors<batch> own(means.read());
    const auto map = map_of<condition_vectors<batch>>();
    diamond::smc sampler(
        diamond::early_stop_kernel{map},
        diamond::posterior_value{diamond::diamond_map_posterior{map}, near_own_mean{}, {.samples = 2}},
        {.particles = n, .steps = 4, .threshold = 2.0, .pilot_particles = 0});
    const auto result = sampler(context, philox{3}, own);
    bool moved = false;
    const auto x = batches::host(result.particles);
    // Each stands where its own mean is, 14 deviations from the next.
    for (std::size_t j = 0; j < x.size() / 2; ++j) {
        CHECK(std::lround(x[2 * j] / 10.0) == result.families[j]);
        CHECK(result.rewards[j] > -2.0);
        moved = moved || result.families[j] != static_cast<std::int32_t>(j);
    }
    CHECK(moved);

    auto state = sampler.start(context, philox{3}, own);
    sampler.step(state);
    sampler.step(state);
    const auto resumed = sampler(context, philox{3}, state.snapshot(), own);
    CHECK(batches::host(resumed.particles) == x);
    CHECK(resumed.log_z == result.log_z);
}
