/// particle_gibbs: the tilted law is what it leaves as it is, with three particles and noisy values; a move
/// whose kept path is resampled like any other goes to another law.
#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include <diamond/align/particle_gibbs.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/glass_diamond_map.hpp>

#include <support/back_ends.hpp>
#include <support/labelled.hpp>

#include "cases.hpp"

namespace align_particle_gibbs_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::exact_value, diamond::particle_gibbs,
    diamond::particle_gibbs_options, diamond::posterior_value;

namespace {

using batch = diamond::eigen::batch<double>;
const diamond::eigen::context context{.threads = 1};

using numbers_list = std::vector<double>;
/// Mean of z_0, z_1, z_0^2, z_0 z_1 and z_1^2 over the columns.
std::vector<statistics::estimate> moments_of(const numbers_list& z) {
    std::vector<statistics::estimate> all;
    for (int which = 0; which < 5; ++which)
        all.push_back(statistics::average(static_cast<index_t>(z.size() / 2), [&](index_t j) {
            const double a = z[2 * static_cast<std::size_t>(j)], b = z[2 * static_cast<std::size_t>(j) + 1];
            const double moments[] = {a, b, a * a, a * b, b * b};
            return moments[which];
        }));
    return all;
}
bool agree(const numbers_list& x, const numbers_list& y) {
    const auto a = moments_of(x), b = moments_of(y);
    for (std::size_t i = 0; i < a.size(); ++i)
        if (std::abs(a[i].value - b[i].value) > 4.0 * std::hypot(a[i].standard_error, b[i].standard_error))
            return false;
    return true;
}
numbers_list exact_draws(index_t n, const form_reward<double>& reward, std::uint64_t seed) {
    batch z(context, 2, n);
    mixture<batch>(context)
        .tilted(reward.quadratic_form())
        .tilted.draw(philox{seed}.stream(purpose::data), z.mutable_view());
    return diamond::to_host(z);
}
/// The last draw of each chain, which are independent of each other.
numbers_list last_of(const numbers_list& all, index_t chains) { return {all.end() - 2 * chains, all.end()}; }

/// Conditional SMC on the host, around the library's kernel and value: moves a path of K + 1 states and K
/// values, and returns its end. `fixes` says whether the kept path descends from itself, as it must.
template <class Kernel, class Value>
struct plain_gibbs {
    Kernel kernel;
    Value value;
    form_reward<double> reward;
    index_t n, steps;
    bool fixes = true;
    numbers_list path, values;

    void move(philox rng) {
        const auto count = static_cast<std::size_t>(n);
        std::vector<numbers_list> states, all_values;
        std::vector<std::vector<std::size_t>> ancestors;
        batch x(context, 2, n), next(context, 2, n);
        diamond::owning_batch<double, diamond::eigen::context> v(context, 1, n);
        diamond::draw_normal(rng.stream(purpose::initial), x.mutable_view());
        const bool keeps = !path.empty();
        const auto put = [&](batch& to, index_t k) {
            for (std::size_t i = 0; i < 2; ++i) to.data()[i] = path[2 * static_cast<std::size_t>(k) + i];
        };
        if (keeps) put(x, 0);
        states.push_back(diamond::to_host(x));
        numbers_list before(count, 0.0), weight(count);
        const auto draw = [&](double u) {
            double sum = 0.0, so_far = 0.0;
            for (const double w : weight) sum += w;
            std::size_t i = 0;
            while (i + 1 < count && (so_far += weight[i] / sum) < u) ++i;
            return i;
        };
        for (index_t k = 1; k <= steps; ++k) {
            const auto at = static_cast<double>(steps);
            const diamond::interval span{static_cast<double>(k - 1) / at, static_cast<double>(k) / at};
            kernel(x.read(), span, {}, rng.stream(purpose::transition, k), next.mutable_view());
            if (keeps) put(next, k);
            if (k < steps)
                value(next.read(), span.to, {}, rng.stream(purpose::value, k), {.value = row(v)});
            else
                for (index_t j = 0; j < n; ++j) v.data()[j] = reward(next.read().column(j));
            if (keeps) v.data()[0] = values[static_cast<std::size_t>(k - 1)];
            states.push_back(diamond::to_host(next));
            all_values.push_back(diamond::to_host(v));
            for (std::size_t j = 0; j < count; ++j) weight[j] = std::exp(all_values.back()[j] - before[j]);
            if (k == steps) break;
            std::vector<std::size_t> chosen(count);
            for (std::size_t j = 0; j < count; ++j) {
                chosen[j] = draw(rng.stream(purpose::resampling, k).uniform(static_cast<index_t>(j)));
                if (j == 0 && keeps && fixes) chosen[j] = 0;
                before[j] = all_values.back()[chosen[j]];
                for (std::size_t i = 0; i < 2; ++i) x.data()[2 * j + i] = next.data()[2 * chosen[j] + i];
            }
            ancestors.push_back(chosen);
        }
        std::size_t at = draw(rng.stream(purpose::resampling, steps).uniform(0));
        path.assign(2 * states.size(), 0.0);
        values.assign(all_values.size(), 0.0);
        for (std::size_t k = states.size(); k-- > 0;) {
            for (std::size_t i = 0; i < 2; ++i) path[2 * k + i] = states[k][2 * at + i];
            if (k > 0) values[k - 1] = all_values[k - 1][at];
            if (k > 1) at = ancestors[k - 2][at];
        }
    }
};

} // namespace

TEST_CASE("the tilted law is invariant with three particles and values of one draw, and not where the kept "
          "path is resampled like any other") {
    const auto reward = bowl_2d<double>(3.0);
    const exact_posterior draws{mixture<batch>(context)};
    const ddpm_posterior_kernel kernel{draws};
    const posterior_value value{draws, reward, {.samples = 1}};
    const auto exact = exact_draws(20000, reward, 6);
    const index_t chains = 3000;
    particle_gibbs sampler{
        kernel,
        value,
        {.chains = chains, .particles = 3, .adaptation = 20, .moves = 4, .steps = 3, .log_delta = -3.0}};
    const auto result = sampler(context, philox{1});
    CHECK(agree(last_of(diamond::to_host(result.particles), chains), exact));
    CHECK(result.renewal > 0.1);
    CHECK(result.renewal < 0.9);
    CHECK(result.exact_for_model);
    CHECK(result.spent.forward == chains * 25 * 3 * (3 + 2));
    CHECK(result.spent.reward == chains * 25 * 3 * 3);
    // After its first run, SMC with three particles, it is not there yet.
    numbers_list first;
    sampler(context, philox{1}, {}, [&](const auto& view) {
        first.assign(view.particles.data(), view.particles.data() + 2 * chains);
        return false;
    });
    CHECK(!agree(first, exact));

    for (const bool fixes : {true, false}) {
        numbers_list ends;
        for (index_t c = 0; c < chains; ++c) {
            plain_gibbs<ddpm_posterior_kernel<exact_posterior<mixture_of<batch>>>,
                        exact_value<mixture_of<batch>, form_reward<double>>>
                peer{kernel, exact_value{mixture<batch>(context), reward}, reward, 3, 3, fixes, {}, {}};
            for (std::uint64_t m = 0; m < 20; ++m)
                peer.move(philox{7}.split(static_cast<std::uint64_t>(c)).split(m));
            ends.insert(ends.end(), peer.path.end() - 2, peer.path.end());
        }
        CHECK(agree(ends, exact) == fixes);
    }
}

TEST_CASE("it says whether the chains agree, and how many draws they are worth") {
    const auto reward = bowl_2d<double>(3.0);
    const exact_posterior draws{mixture<batch>(context)};
    const ddpm_posterior_kernel kernel{draws};
    const posterior_value value{draws, reward, {.samples = 4}};
    const index_t chains = 16, moves = 50;
    particle_gibbs sampler{
        kernel, value, {.chains = chains, .particles = 32, .moves = moves, .steps = 4, .log_delta = -3.0}};
    const auto result = sampler(context, philox{1});
    CHECK(result.complete);
    CHECK(result.reliable);
    CHECK(result.warnings.empty());
    CHECK(result.r_hat < 1.1);
    CHECK(result.ess > 100.0);
    CHECK(result.ess <= static_cast<double>(chains * moves));
    CHECK(result.renewal > 0.7);
    const auto z = diamond::to_host(result.particles);
    REQUIRE(result.rewards.size() == static_cast<std::size_t>(chains * moves));
    for (index_t j = 0; j < chains * moves; ++j)
        CHECK(result.rewards[static_cast<std::size_t>(j)] ==
              doctest::Approx(reward(result.particles.read().column(j))).epsilon(1e-12));

    // Two particles on a peaked goal hardly leave a kept path.
    const auto peaked = bowl_2d<double>(400.0);
    particle_gibbs stuck{kernel,
                         posterior_value{draws, peaked, {.samples = 1}},
                         {.particles = 2, .adaptation = 0, .moves = 8, .steps = 4, .log_delta = -12.0}};
    const auto result_of_stuck = stuck(context, philox{1});
    CHECK(!result_of_stuck.reliable);
    CHECK(result_of_stuck.renewal < 0.2);
    CHECK(std::isnan(result_of_stuck.ess));
    REQUIRE(result_of_stuck.warnings.size() == 1);
    CHECK(result_of_stuck.warnings.front().find("R-hat is") != std::string::npos);

    const auto stopped = sampler(context, philox{1}, {}, [](const auto& view) { return view.step < 18; });
    CHECK(!stopped.complete);
    CHECK(!stopped.reliable);
    CHECK(stopped.rewards.empty());
    CHECK(std::isnan(stopped.r_hat));
    CHECK(stopped.particles.columns() == 2 * chains);
    const auto part = diamond::to_host(stopped.particles);
    CHECK(std::equal(part.begin(), part.end(), z.begin()));
}

TEST_CASE_TEMPLATE("every back end, and any number of threads, moves alike", back, BACK_ENDS) {
    using other = typename back::batch;
    using real = typename back::real;
    const auto one = back::make(1), two = back::make(2);
    const auto run = [&](const auto& on) {
        const exact_posterior draws{mixture<other>(on)};
        particle_gibbs sampler{
            ddpm_posterior_kernel{draws},
            posterior_value{draws, bowl_2d<real>(2.0), {.samples = 2}},
            {.chains = 3, .particles = 20, .adaptation = 2, .moves = 6, .steps = 4, .log_delta = -4.0}};
        auto result = sampler(on, philox{4});
        CHECK(result.renewal > 0.5);
        return std::tuple{diamond::to_host(result.particles), result.rewards, result.r_hat, result.spent};
    };
    CHECK(run(one) == run(two));
}

TEST_CASE("what no chain can take is refused") {
    const exact_posterior draws{mixture<batch>(context)};
    const auto bowl = bowl_2d<double>();
    const auto of = [&](const particle_gibbs_options& options, bool fixed_noise = false) {
        return particle_gibbs{ddpm_posterior_kernel{draws},
                              posterior_value{draws, bowl, {.samples = 2, .fixed_noise = fixed_noise}},
                              options};
    };
    CHECK_THROWS_WITH_AS(of({.chains = 1}), doctest::Contains("chains is 1: 2 to 2^20"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(of({.particles = 1}), doctest::Contains("particles is 1: 2 to 2^31 - 1"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(of({.adaptation = -1}), doctest::Contains("adaptation is -1"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(of({.moves = 3}), doctest::Contains("moves is 3: 4 to 2^30"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(of({.times = {0.0, 0.5}}), doctest::Contains("time"), std::invalid_argument);
    for (const double bad : {std::nan(""), infinity, 1e20}) {
        CHECK_THROWS_WITH_AS(of({.value_floor = bad}), doctest::Contains("value_floor"),
                             std::invalid_argument);
        CHECK_THROWS_WITH_AS(of({.log_delta = bad}), doctest::Contains("log_delta"), std::invalid_argument);
    }
    CHECK_THROWS_WITH_AS(of({}, true), doctest::Contains("keeps values with their paths"),
                         std::invalid_argument);
    // A constraint that no draw of a value has met, and nothing that raises it.
    auto walled = bowl;
    walled.wall = 1.0;
    particle_gibbs lost{ddpm_posterior_kernel{draws}, posterior_value{draws, walled, {.samples = 1}},
                        particle_gibbs_options{.particles = 16, .steps = 3}};
    CHECK_THROWS_WITH_AS(lost(context, philox{1}), doctest::Contains("neither value_floor nor log_delta"),
                         diamond::numeric_error);
    particle_gibbs found{ddpm_posterior_kernel{draws}, posterior_value{draws, walled, {.samples = 1}},
                         particle_gibbs_options{.particles = 64, .moves = 8, .steps = 3, .log_delta = -2.0}};
    for (const double z : found(context, philox{1}).rewards) CHECK(z > -infinity);
}

TEST_CASE("of a constraint alone the draws are worth what their coordinates say, not as many as there are") {
    const exact_posterior draws{mixture<batch>(context)};
    const auto above = [](diamond::column_view<const double> z) { return z[0] > 0.5 ? 0.0 : -infinity; };
    particle_gibbs sampler{
        ddpm_posterior_kernel{draws}, posterior_value{draws, above, {.samples = 1}},
        particle_gibbs_options{.chains = 16, .particles = 10, .moves = 200, .steps = 3, .log_delta = -1.0}};
    const auto result = sampler(context, philox{1});
    CHECK(result.renewal < 0.95);
    CHECK(result.ess < 16 * 200);
}

TEST_CASE("a condition of its own for each particle is refused, alone and beside another part") {
    using both = diamond::label_and_vector<batch>;
    const std::int32_t classes[] = {0, 1};
    CHECK(both{}.broadcast());
    CHECK(both{diamond::labels(2)}.broadcast());
    CHECK(!both{diamond::labels(classes)}.broadcast());
    const diamond::linear_schedule schedule;
    const diamond::glass_diamond_map map{schedule, labelled::field<batch, diamond::linear_schedule>{schedule},
                                         diamond::explicit_midpoint{.steps = 1}};
    const diamond::diamond_map_posterior draws{map};
    particle_gibbs sampler{ddpm_posterior_kernel{draws},
                           posterior_value{draws, bowl_2d<double>(), {.samples = 1}},
                           particle_gibbs_options{.particles = 2, .moves = 4, .steps = 2, .log_delta = -9.0}};
    CHECK_THROWS_WITH_AS(sampler(context, philox{1}, diamond::labels(classes)),
                         doctest::Contains("compares all particles"), std::invalid_argument);
    CHECK_NOTHROW(sampler(context, philox{1}, diamond::labels(1)));
}

} // namespace align_particle_gibbs_test
