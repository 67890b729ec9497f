/// Labels travel with their particles: through kernel, value samples, reward, resampling, snapshots and
/// search.
#include <array>

#include <diamond/align/guidance.hpp>
#include <diamond/align/log_densities.hpp>
#include <diamond/align/search.hpp>
#include <diamond/align/tree_search.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/corrected_posterior.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/schedule/field_evaluator.hpp>

#include <support/back_ends.hpp>
#include <support/labelled.hpp>

#include "cases.hpp"
#include "results.hpp"

namespace align_conditions_test {

using namespace cases;
using diamond::labels, diamond::smc, diamond::smc_options, diamond::time_view;

namespace {

// class c is N(place c, spread^2 I): ten standard deviations and more from all others
constexpr double place = 4.0, spread = 0.1;

/// The unconditional label sits at place * 100.
DIAMOND_HD double centre(std::int32_t label) {
    return place * (label == labels::unconditional ? 100 : label);
}

/// z | x_t of class c, from the normals in `out`: on the linear schedule its mean is (sigma^2 m + alpha v
/// x)/V.
template <class ConstView, class View>
struct draw_posterior {
    double t;
    index_t samples;
    labels c;
    ConstView x;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double alpha = t, sigma = 1.0 - t, v = spread * spread,
                     total = alpha * alpha * v + sigma * sigma;
        const index_t n = j / samples;
        const double mean = (sigma * sigma * centre(c[n]) + alpha * v * static_cast<double>(x(i, n))) / total;
        out(i, j) = static_cast<typename View::value_type>(mean + std::sqrt(v / total) * sigma *
                                                                      static_cast<double>(out(i, j)));
    }
};
template <class Batch>
struct labelled_posterior {
    using batch_type = Batch;
    using condition_type = labels;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;

    diamond::cost bill = {};

    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return bill; }
    [[nodiscard]] bool exact() const { return true; }

    void operator()(const_view x, double t, const labels& c, diamond::noise_stream stream, view out) {
        bill.forward += out.columns();
        diamond::draw_normal(stream, out);
        out.context().for_each(2, out.columns(),
                               draw_posterior<const_view, view>{t, stream.samples, c, x, out});
    }
};
/// u of the same model.
template <class ConstView, class View>
struct write_field {
    ConstView x;
    time_view t;
    labels c;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double alpha = t[j], sigma = 1.0 - t[j], v = spread * spread, m = centre(c[j]);
        out(i, j) = static_cast<typename View::value_type>(
            m + (alpha * v - sigma) / (alpha * alpha * v + sigma * sigma) *
                    (static_cast<double>(x(i, j)) - alpha * m));
    }
};
template <class Batch>
struct labelled_field {
    using batch_type = Batch;
    using condition_type = labels;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    struct workspace {};
    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }
    void operator()(const_view x, time_view t, const labels& c, workspace&, view out) const {
        x.context().for_each(2, x.columns(), write_field<const_view, view>{x, t, c, out});
    }
};
/// Likes classes of small number, so that resampling moves labels; and counts the samples that are not where
/// their label says.
struct write_reward {
    labels c;
    double* values;
    DIAMOND_HD void operator()(index_t j) const { values[j] = -0.7 * static_cast<double>(c[j]); }
};
template <class ConstView>
struct is_misplaced {
    ConstView z;
    labels c;
    DIAMOND_HD double operator()(index_t j) const {
        return std::abs(static_cast<double>(z(0, j)) - centre(c[j])) > 6.0 * spread ? 1.0 : 0.0;
    }
};
template <class Batch>
struct labelled_reward {
    using const_view = diamond::const_view_t<Batch>;
    index_t* misplaced;
    void operator()(const_view z, const labels& c, diamond::row_t<Batch> values) const {
        *misplaced += static_cast<index_t>(z.context().sum(z.columns(), is_misplaced<const_view>{z, c}));
        z.context().for_each(z.columns(), write_reward{c, values.data()});
    }
};
template <class Batch>
std::vector<std::int32_t> classes_of(const Batch& particles) {
    std::vector<std::int32_t> result;
    const auto host = diamond::to_host(particles);
    for (std::size_t j = 0; j < host.size(); j += 2)
        result.push_back(static_cast<std::int32_t>(std::lround(static_cast<double>(host[j]) / place)));
    return result;
}
std::vector<std::int32_t> repeating(index_t n, std::int32_t classes) {
    std::vector<std::int32_t> result;
    for (index_t j = 0; j < n; ++j) result.push_back(static_cast<std::int32_t>((j * 7 + j / 5) % classes));
    return result;
}

} // namespace

TEST_CASE_TEMPLATE("a particle keeps its label, for all value samples and after resampling", back,
                   TWO_BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(1);
    const auto own = repeating(120, 5);
    const auto given = diamond::from_host(context, 1, 120, own);
    for (const index_t samples : {1, 3}) {
        index_t misplaced = 0;
        const labelled_posterior<batch> draws;
        smc sampler{diamond::ddpm_posterior_kernel{draws},
                    diamond::posterior_value{draws, labelled_reward<batch>{&misplaced}, {.samples = samples}},
                    smc_options{.particles = 120,
                                .steps = 6,
                                .threshold = 2.0,
                                .log_delta = -infinity,
                                .record_ancestors = true}};
        const auto result = sampler(context, philox{1}, labels(given.data()));
        const auto classes = classes_of(result.particles);
        REQUIRE(misplaced == 0);
        std::vector<index_t> members(5), before(5);
        for (std::size_t j = 0; j < 120; ++j) {
            REQUIRE(classes[j] == own[static_cast<std::size_t>(result.families[j])]);
            ++members[static_cast<std::size_t>(classes[j])];
            ++before[static_cast<std::size_t>(own[j])];
        }
        CHECK(members[0] > before[0] + 20); // labels have moved
        CHECK(members[4] < before[4]);
        // Z is the mean of exp r over the labels given: no noise is in it but the resampling's.
        double z = 0.0;
        for (const auto c : own) z += std::exp(-0.7 * c) / 120.0;
        CHECK(result.log_z == doctest::Approx(std::log(z)).epsilon(0.1));

        // The default pilot reads the first labels only; and a run resumes with its labels in the order of
        // its particles.
        for (const double ratio : {0.0, 1.0}) {
            CAPTURE(ratio);
            smc resumable{
                diamond::ddpm_posterior_kernel{draws},
                diamond::posterior_value{draws, labelled_reward<batch>{&misplaced}, {.samples = samples}},
                smc_options{.particles = 120,
                            .steps = 6,
                            .threshold = 2.0,
                            .pilot_particles = 50,
                            .plain_ratio = ratio}};
            const auto whole = resumable(context, philox{2}, labels(given.data()));
            CHECK(whole.plan.plain() == (ratio > 0.0));
            auto state = resumable.start(context, philox{2}, labels(given.data()));
            for (int k = 0; k < 3; ++k) resumable.step(state);
            check_same(resumable(context, philox{2}, state.snapshot(), labels(given.data())), whole);
            CHECK(misplaced == 0);
            if (!whole.plan.plain()) continue;
            // A place has the label that was given for it, whichever of its draws it keeps.
            CHECK(whole.plan.draws > 120);
            CHECK(classes_of(whole.particles) == own);
            CHECK(whole.log_z == doctest::Approx(std::log(z)).epsilon(0.1));
        }
    }
}

TEST_CASE("one label serves all particles, and unconditional is a label") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    const labelled_posterior<batch> draws;
    index_t misplaced = 0;
    smc sampler{diamond::ddpm_posterior_kernel{draws},
                diamond::posterior_value{draws, labelled_reward<batch>{&misplaced}, {.samples = 2}},
                smc_options{.particles = 30, .steps = 4, .threshold = 2.0, .plain_ratio = 0.0}};
    for (const auto c : classes_of(sampler(context, philox{3}, labels(3)).particles)) CHECK(c == 3);
    for (const auto c : classes_of(sampler(context, philox{3}).particles)) CHECK(c == 100);
    CHECK(misplaced == 0);
}

TEST_CASE("chain, guidance, best of N, beam and trees keep labels with their columns") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    const labelled_posterior<batch> draws;
    index_t misplaced = 0;
    const labelled_reward<batch> reward{&misplaced};
    const diamond::posterior_value value{draws, reward, {.samples = 2}};
    const diamond::ddpm_posterior_kernel kernel{draws};
    const auto own = repeating(60, 4);
    const auto given = diamond::from_host(context, 1, 60, own);

    CHECK(classes_of(
              diamond::chain(kernel, {.particles = 60, .steps = 4})(context, philox{4}, labels(given.data()))
                  .particles) == own);
    CHECK(classes_of(diamond::guidance{labelled_field<batch>{}, value, {.particles = 60, .steps = 40}}(
                         context, philox{4}, labels(given.data()))
                         .particles) == own);

    // 12 winners of 5 candidates each: the least label of each five wins, the reward knows nothing else.
    diamond::best_of_n best{kernel, reward, {.winners = 12, .candidates = 5, .steps = 3}};
    const auto winners = classes_of(best(context, philox{4}, labels(given.data())).particles);
    for (std::size_t w = 0; w < 12; ++w)
        CHECK(winners[w] == *std::min_element(own.begin() + static_cast<long>(5 * w),
                                              own.begin() + static_cast<long>(5 * w + 5)));

    // 5 beams of 3 x 4 particles, a label a beam.
    std::vector<std::int32_t> by_beam;
    for (std::int32_t beam = 0; beam < 5; ++beam) by_beam.insert(by_beam.end(), 12, 4 - beam);
    const auto per_beam = diamond::from_host(context, 1, 60, by_beam);
    diamond::beam search{kernel, value, {.beams = 5, .width = 3, .children = 4, .steps = 3}};
    CHECK(classes_of(search(context, philox{4}, labels(per_beam.data())).particles) ==
          std::vector<std::int32_t>{4, 3, 2, 1, 0});

    // 5 trees, a label a tree, by a reward and by values.
    const auto per_tree = diamond::from_host(context, 1, 5, std::vector<std::int32_t>{4, 3, 2, 1, 0});
    const auto check_trees = [&](auto trees) {
        const auto found = trees(context, philox{4}, labels(per_tree.data()));
        CHECK(classes_of(found.particles) == std::vector<std::int32_t>{4, 3, 2, 1, 0});
        CHECK(classes_of(found.draws) == std::vector<std::int32_t>{4, 4, 3, 3, 2, 2, 1, 1, 0, 0});
    };
    const diamond::tree_search_options options{.trees = 5, .evaluations = 90, .draws = 2, .steps = 3};
    check_trees(diamond::tree_search{kernel, reward, options});
    check_trees(diamond::tree_search{kernel, value, options});
    CHECK(misplaced == 0);
}

namespace {
/// The joint Diamond map of class c in closed form, data N(place c, spread^2 I): GLASS's inner flow of a
/// Gaussian, X_{s,r} = r m + W_r/W_s (xbar - s m), W^2 = s^2 v + (1 - s)^2. `push` moves every draw, so that
/// there is something to correct.
struct labelled_map {
    using batch_type = diamond::eigen::batch<double>;
    using condition_type = labels;
    using view = diamond::view_t<batch_type>;
    using const_view = diamond::const_view_t<batch_type>;
    double push = 0.0;
    diamond::cost bill = {};

    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::linear_schedule inner_schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return bill; }
    [[nodiscard]] bool exact_density() const { return true; }
    void operator()(const_view xbar, diamond::interval inner, const_view x_t, time_view t, const labels& c,
                    view out) {
        diamond::rebind_t<batch_type, double> m(xbar.context(), 1, xbar.columns());
        (*this)(xbar, inner, x_t, t, c, out, row(m));
    }
    void operator()(const_view xbar, diamond::interval inner, const_view x_t, time_view t, const labels& c,
                    view out, diamond::row_t<batch_type> divergence) {
        bill.forward += xbar.columns();
        for (index_t j = 0; j < xbar.columns(); ++j) {
            const double alpha = t[j], sigma = 1.0 - alpha, v = spread * spread,
                         total = alpha * alpha * v + sigma * sigma, posterior = v * sigma * sigma / total;
            const auto width = [&](double s) { return std::sqrt(s * s * posterior + (1.0 - s) * (1.0 - s)); };
            const double ratio = width(inner.to) / width(inner.from);
            for (index_t i = 0; i < 2; ++i) {
                const double mean = (sigma * sigma * centre(c[j]) + alpha * v * x_t(i, j)) / total +
                                    push * std::sqrt(posterior);
                out(i, j) = inner.to * mean + ratio * (xbar(i, j) - inner.from * mean);
            }
            divergence[j] = 2.0 * std::log(ratio) / inner.length();
        }
    }
};
/// log N(x; t place c, (t^2 spread^2 + (1 - t)^2) I)
struct labelled_density {
    using batch_type = diamond::eigen::batch<double>;
    using condition_type = labels;
    diamond::cost bill = {};
    [[nodiscard]] index_t dimension() const { return 2; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return bill; }
    [[nodiscard]] bool exact() const { return true; }
    void operator()(diamond::const_view_t<batch_type> x, double t, const labels& c,
                    diamond::row_t<batch_type> out) {
        bill.forward += x.columns();
        const double variance = t * t * spread * spread + (1.0 - t) * (1.0 - t);
        for (index_t j = 0; j < x.columns(); ++j) {
            out[j] = -std::log(2.0 * diamond::pi * variance);
            for (index_t i = 0; i < 2; ++i)
                out[j] -= 0.5 * diamond::square(x(i, j) - t * centre(c[j])) / variance;
        }
    }
};
} // namespace

TEST_CASE("corrections read the label of their own particle, after resampling, too; and so do densities of "
          "results") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(2);
    const auto own = repeating(300, 5);
    const auto given = diamond::from_host(context, 1, 300, own);
    const labelled_density density;
    index_t misplaced = 0;
    const auto run = [&](double push, double threshold) {
        const labelled_map map{push};
        smc sampler{
            diamond::corrected_kernel{diamond::early_stop_kernel{map}, density},
            diamond::posterior_value{
                diamond::corrected_posterior{diamond::diamond_map_posterior{map}, density},
                labelled_reward<batch>{&misplaced},
                {.samples = 2}},
            smc_options{.particles = 300, .steps = 4, .threshold = threshold, .log_delta = -infinity}};
        return sampler(context, philox{6}, labels(given.data()));
    };
    // With the right map no step corrects anything, whatever labels have moved where: a particle read by
    // another's label would be 40 deviations off.
    const auto right = run(0.0, 2.0);
    for (const auto& step : right.steps) {
        CHECK(step.correction_ess == doctest::Approx(300.0).epsilon(1e-9));
        CHECK(std::abs(step.log_mean_correction) < 1e-9);
    }
    CHECK(right.exact_for_density);
    const auto classes = classes_of(right.particles);
    for (std::size_t j = 0; j < 300; ++j)
        CHECK(classes[j] == own[static_cast<std::size_t>(right.families[j])]);
    CHECK(misplaced == 0);
    double z = 0.0;
    for (const auto c : own) z += std::exp(-0.7 * c) / 300.0;
    CHECK(right.log_z == doctest::Approx(std::log(z)).epsilon(0.1));

    // log p_1 of each particle under its own label, carried and added alike.
    auto added = run(0.0, 2.0);
    auto asked = density;
    diamond::add_log_densities(added, asked, labels(given.data()));
    CHECK(statistics::largest_error(added.log_densities, right.log_densities) < 1e-12);
    for (const double one : added.log_densities) CHECK(one > -20.0);
    auto wrong = run(0.0, 2.0);
    diamond::add_log_densities(wrong, asked, labels(2)); // one label for all
    CHECK(*std::min_element(wrong.log_densities.begin(), wrong.log_densities.end()) < -500.0);

    // With a map that is off by 0.8 deviations the corrections are at work, and right: their means lie within
    // 5 standard errors of 1; once in 400,000 one of four steps does not.
    const auto off = run(0.8, 0.0);
    CHECK(off.correction_ess < 250.0);
    for (const auto& step : off.steps)
        CHECK(std::abs(step.log_mean_correction) < 5.0 * std::sqrt(1.0 / step.correction_ess - 1.0 / 300.0));

    // A particle of any field has the same bits, too, alone or among others.
    using field = labelled::field<batch, diamond::linear_schedule>;
    const diamond::glass_diamond_map map(diamond::linear_schedule{},
                                         diamond::exact_divergence{field(diamond::linear_schedule{})},
                                         diamond::explicit_midpoint{.steps = 2});
    const auto compared = labelled::compare(context, 9, 1, [&](const labels& c) {
        smc sampler{
            diamond::corrected_kernel{diamond::early_stop_kernel{map}, density},
            diamond::posterior_value{diamond::diamond_map_posterior{map}, labelled::reward{}, {.samples = 2}},
            smc_options{.particles = 9, .steps = 3, .threshold = 0.0, .log_delta = -infinity}};
        return sampler(context, philox{7}, c).log_weights;
    });
    CHECK(compared.mixed == 0.0);
    CHECK(compared.apart > 0.01);
}

} // namespace align_conditions_test
