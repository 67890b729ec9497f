/// Rejuvenation in SMC by preconditioned Crank-Nicolson: Z-hat stays unbiased with few particles, whatever
/// the resampling decides and however values are relaxed; what would bias it is seen to.
///
/// A mean of Z-hat/Z must lie within 3 standard errors of 1: one that is right fails for one seed in 370, and
/// the seeds are fixed. What is wrong misses by more than 5.
#include <algorithm>
#include <memory>
#include <stdexcept>

#include <diamond/align/fit_crank_nicolson.hpp>
#include <diamond/align/measurement_guided_kernel.hpp>
#include <diamond/align/value_guided_kernel.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/runge_kutta.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/value/moment_value.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"
#include "results.hpp"

namespace align_rejuvenation_test {

using namespace cases;
using diamond::crank_nicolson, diamond::ddpm_posterior_kernel, diamond::early_stop_kernel,
    diamond::exact_posterior, diamond::exact_value, diamond::posterior_value, diamond::smc,
    diamond::smc_options, diamond::systematic;

namespace {

using batch = diamond::eigen::batch<double>;
const diamond::eigen::context context{.threads = 1};

/// What a wrong program does to its moves. Without any it is right, and a peer of the library's.
struct faults {
    bool redraws_value = false;      ///< V of the current state is drawn again at each move
    bool moves_if_resampled = false; ///< only where the effective sample size fell
    bool accepts_by_relaxed = false; ///< by beta V, with a beta that the step's particles choose
};
struct peer_options {
    index_t n = 4, steps = 4, moves = 1;
    double beta = 0.9, threshold = 0.5, least_ess = 0.0;
};
/// SMC on the host with moves, around the library's kernel and value.
template <class Kernel, class Value>
double plain_log_z(Kernel& kernel, Value& value, const peer_options& o, philox rng, const faults& wrong) {
    constexpr double log_delta = -3.0;
    const index_t n = o.n, d = kernel.dimension();
    const auto count = static_cast<std::size_t>(n);
    batch x(context, d, n), noise(context, d, n), centre(context, d, n), next(context, d, n),
        xi(context, d, n), other(context, d, n);
    diamond::owning_batch<double, diamond::eigen::context> values(context, 1, n), weights(context, 1, n);
    diamond::owning_batch<std::uint64_t, diamond::eigen::context> cumulative(context, 1, n);
    diamond::owning_batch<std::int32_t, diamond::eigen::context> ancestors(context, 1, n);
    diamond::resampling_scratch<diamond::eigen::context> space;
    std::vector<double> v(count, 0.0), v_next(count), v_own(count), v_other(count), log_w(count, 0.0);
    double log_z = 0.0;
    const auto evaluate = [&](const batch& at, double t, diamond::noise_stream stream,
                              std::vector<double>& to) {
        value(at, t, {}, stream, {.value = row(values)});
        context.to_host(values.data(), n, to.data());
        if (t < 1.0)
            for (double& one : to) one = diamond::log_add_exp(one, log_delta);
    };
    const auto sums = [&](const std::vector<double>& w) {
        const double high = *std::max_element(w.begin(), w.end());
        double sum = 0.0, squares = 0.0;
        for (const double one : w) {
            sum += std::exp(one - high);
            squares += std::exp(2.0 * (one - high));
        }
        return std::pair{high + std::log(sum / static_cast<double>(n)), sum * sum / squares};
    };
    diamond::draw_normal(rng.stream(purpose::initial), x.mutable_view());
    for (index_t k = 1; k <= o.steps; ++k) {
        const diamond::interval span{static_cast<double>(k - 1) / static_cast<double>(o.steps),
                                     static_cast<double>(k) / static_cast<double>(o.steps)};
        diamond::draw_normal(rng.stream(purpose::guided_noise, k), noise.mutable_view());
        kernel.centre(x.read(), span, {}, rng.stream(purpose::transition, k), centre.mutable_view());
        kernel.steered(x.read(), span, {}, noise.read(), centre.read(), next.mutable_view());
        evaluate(next, span.to, rng.stream(purpose::value, k), v_next);
        double relaxed = 1.0;
        std::vector<double> full = v_next;
        if (k < o.steps && o.least_ess > 0.0) // halved until the increments leave enough
            for (;; relaxed *= 0.5) {
                std::vector<double> w(count);
                for (std::size_t j = 0; j < count; ++j) w[j] = relaxed * (v_next[j] - v[j]);
                if (sums(w).second >= o.least_ess * static_cast<double>(n)) break;
            }
        for (std::size_t j = 0; j < count; ++j) v_next[j] = v[j] + relaxed * (v_next[j] - v[j]);
        for (std::size_t j = 0; j < count; ++j) log_w[j] += v_next[j] - v[j];
        const auto [mean, ess] = sums(log_w);
        if (k == o.steps) return log_z + mean;
        const bool resamples = ess < o.threshold * static_cast<double>(n);
        for (index_t j = 0; j < n; ++j) ancestors.data()[j] = static_cast<std::int32_t>(j);
        if (resamples) {
            log_z += mean;
            context.from_host(log_w.data(), n, weights.data());
            diamond::cumulative_weights(context, weights.data(), n, space, cumulative.data());
            diamond::multinomial{}(context, cumulative.data(), n, rng.stream(purpose::resampling, k), space,
                                   ancestors.data());
            std::fill(log_w.begin(), log_w.end(), 0.0);
        }
        const auto gather = [&](batch& what) {
            context.gather(what.read(), ancestors.data(), other.mutable_view());
            what.swap(other);
        };
        for (auto* what : {&x, &noise, &centre, &next}) gather(*what);
        for (index_t j = 0; j < n; ++j) {
            const auto from = static_cast<std::size_t>(ancestors.data()[j]), to = static_cast<std::size_t>(j);
            v[to] = v_next[from];
            v_own[to] = full[from];
        }
        for (index_t move = 0; move < o.moves && (resamples || !wrong.moves_if_resampled); ++move) {
            const philox own = rng.split(static_cast<std::uint64_t>(100 * k + move));
            diamond::draw_normal(own.stream(purpose::transition, k), xi.mutable_view());
            assign(xi, std::sqrt(1.0 - o.beta * o.beta) * noise + o.beta * xi);
            kernel.steered(x.read(), span, {}, xi.read(), centre.read(), other.mutable_view());
            evaluate(other, span.to, own.stream(purpose::value, k), v_other);
            if (wrong.redraws_value) {
                const auto before = v_own;
                evaluate(next, span.to, own.split(1).stream(purpose::value, k), v_own);
                for (std::size_t j = 0; j < count; ++j) v[j] += v_own[j] - before[j];
            }
            for (std::size_t j = 0; j < count; ++j) {
                const double gain = (v_other[j] - v_own[j]) * (wrong.accepts_by_relaxed ? relaxed : 1.0);
                if (std::log(own.stream(purpose::resampling, k).uniform(static_cast<index_t>(j))) >= gain)
                    continue;
                v[j] += gain;
                v_own[j] = v_other[j];
                for (index_t i = 0; i < d; ++i) {
                    const auto at = d * static_cast<index_t>(j) + i;
                    noise.data()[at] = xi.data()[at];
                    next.data()[at] = other.data()[at];
                }
            }
        }
        x.swap(next);
    }
    return log_z;
}
template <class Kernel, class Value>
statistics::estimate plain(Kernel kernel, Value value, double log_z, index_t runs, const peer_options& o,
                           const faults& wrong) {
    std::vector<double> result;
    for (index_t run = 0; run < runs; ++run)
        result.push_back(std::exp(
            plain_log_z(kernel, value, o, philox{99}.split(static_cast<std::uint64_t>(run)), wrong) - log_z));
    const auto mean = statistics::average(result);
    MESSAGE("E[Z-hat]/Z = ", mean.value, " +- ", mean.standard_error);
    return mean;
}

} // namespace

TEST_CASE("Z-hat is unbiased with moves at every step, and not where the moves break what they must keep") {
    const auto model = mixture<batch>(context);
    const auto bowl = bowl_2d<double>(3.0);
    const double log_z = model.tilted(bowl.quadratic_form()).log_z;
    const ddpm_posterior_kernel kernel{exact_posterior{model}};
    const posterior_value value{exact_posterior{model}, bowl, {.samples = 2}};
    const auto off = [](const statistics::estimate& mean) {
        return std::abs(mean.value - 1.0) > 5.0 * mean.standard_error;
    };
    const peer_options own{.moves = 3, .threshold = 0.6},
        relaxed{.moves = 3, .threshold = 2.0, .least_ess = 0.7};
    CHECK(statistics::within(plain(kernel, value, log_z, 15000, own, {}), 1.0, 3.0));
    CHECK(statistics::within(plain(kernel, value, log_z, 15000, relaxed, {}), 1.0, 3.0));
    CHECK(off(plain(kernel, value, log_z, 4000, own, {.redraws_value = true})));
    CHECK(off(plain(kernel, value, log_z, 15000, own, {.moves_if_resampled = true})));
    CHECK(off(plain(kernel, value, log_z, 15000, relaxed, {.accepts_by_relaxed = true})));
}

namespace {
template <class Sampler>
void check_unbiased(Sampler sampler, index_t runs, double log_z) {
    const auto mean = statistics::average(ratios(sampler, context, runs, log_z, 7));
    const auto one = sampler(context, philox{7});
    double accepted = 0.0, relaxed = 1.0;
    for (std::size_t k = 0; k + 1 < one.steps.size(); ++k) {
        accepted += one.steps[k].acceptance / static_cast<double>(one.steps.size() - 1);
        relaxed = std::min(relaxed, one.steps[k].relaxation);
    }
    MESSAGE("E[Z-hat]/Z = ", mean.value, " +- ", mean.standard_error, ", acceptance ", accepted,
            ", least beta ", relaxed);
    CHECK(statistics::within(mean, 1.0, 3.0));
    CHECK(mean.standard_error < 0.015);
    CHECK(accepted > 0.05);
    CHECK(accepted < 0.999);
    CHECK(std::isnan(one.steps.back().acceptance));
}
/// The Diamond map of a mixture by its ODE.
auto map_of_plane(const mixture_of<batch>& model) {
    return diamond::glass_diamond_map{diamond::linear_schedule{}, model, diamond::runge_kutta_4{.steps = 2}};
}
/// Four unlike components in eight dimensions.
mixture_of<batch> mixture_8d() {
    std::vector<double> means, variances;
    for (int part = 0; part < 4; ++part)
        for (int i = 0; i < 8; ++i) {
            means.push_back(std::sin(1.0 + 3.0 * part + 1.7 * i) * (1.0 + 0.1 * part));
            variances.push_back(0.1 + 0.04 * part + 0.02 * i);
        }
    return {context, {}, {0.4, 0.3, 0.2, 0.1}, means, variances};
}
form_reward<double, 8> bowl_8d() {
    return {{0.5, -0.3, 0.8, 0.1, -0.6, 0.2, 0.4, -0.2}, {0.6, 0.5, 0.4, 0.3, 0.6, 0.5, 0.4, 0.3}};
}
} // namespace

TEST_CASE("the library's Z-hat is unbiased with moves: four particles in the plane") {
    const auto model = mixture<batch>(context);
    const auto bowl = bowl_2d<double>(3.0);
    const double log_z = model.tilted(bowl.quadratic_form()).log_z;
    const ddpm_posterior_kernel kernel{exact_posterior{model}};
    const posterior_value value{exact_posterior{model}, bowl, {.samples = 2}};
    for (const double least : {0.0, 0.7}) // with values in full, and in part
        check_unbiased(smc{kernel, value,
                           smc_options{.particles = 4,
                                       .steps = 4,
                                       .threshold = least > 0.0 ? 2.0 : 0.6,
                                       .least_conditional_ess = least,
                                       .log_delta = -3.0},
                           diamond::multinomial{}, crank_nicolson{.moves = 3, .beta = 0.9}},
                       15000, log_z);
    // A wall, and a floor by which what stands behind it moves, too.
    auto walled = tilt_2d<double>();
    walled.wall = -0.7;
    const auto tilted = model.tilted(walled.quadratic_form());
    check_unbiased(smc{kernel, posterior_value{exact_posterior{model}, walled, {.samples = 4}},
                       smc_options{.particles = 16, .steps = 3, .value_floor = -1.0, .log_delta = -infinity},
                       systematic{}, crank_nicolson{.beta = 0.8}},
                   8000, tilted.log_z + log_probability_above(tilted.tilted, walled.wall));
}

TEST_CASE("and in eight dimensions; by early stop; and guided") {
    const auto model = mixture_8d();
    const auto bowl = bowl_8d();
    const smc_options options{.particles = 16, .steps = 4, .log_delta = -4.0};
    check_unbiased(smc{ddpm_posterior_kernel{exact_posterior{model}},
                       posterior_value{exact_posterior{model}, bowl, {.samples = 4}}, options, systematic{},
                       crank_nicolson{.moves = 2, .beta = 0.5}},
                   3000, model.tilted(bowl.quadratic_form()).log_z);

    const auto normal = gaussian<batch>(context);
    const diamond::gaussian_diamond_map map{normal};
    const auto bowl_3 = bowl_3d<double>();
    check_unbiased(smc{early_stop_kernel{map},
                       posterior_value{diamond::diamond_map_posterior{map}, bowl_3, {.samples = 2}}, options,
                       diamond::ssp{}, crank_nicolson{.beta = 0.6}},
                   6000, normal.tilted(bowl_3.quadratic_form()).log_z);

    // Guided draws: the noise that moves is the shifted one, its reference N(0, I), relaxed or not.
    const auto plane = mixture<batch>(context);
    const auto bowl_2 = bowl_2d<double>(1.5);
    const posterior_value value{exact_posterior{plane}, bowl_2, {.samples = 4}};
    for (const double least : {0.0, 0.8})
        check_unbiased(smc{diamond::value_guided_kernel{ddpm_posterior_kernel{exact_posterior{plane}},
                                                        value,
                                                        {.variance = 0.5, .trust = 2.0}},
                           value,
                           smc_options{.particles = 8,
                                       .steps = 4,
                                       .threshold = 0.9,
                                       .least_conditional_ess = least,
                                       .log_delta = -3.0},
                           diamond::multinomial{}, crank_nicolson{.moves = 2, .beta = 0.7}},
                       6000, plane.tilted(bowl_2.quadratic_form()).log_z);
    const diamond::gaussian_measurement_reward seen{
        context, diamond::mask_measurement<batch>{context, 2, {1}}, std::vector<double>{0.4}, 0.6};
    check_unbiased(smc{diamond::measurement_guided_kernel{
                           context, early_stop_kernel{map_of_plane(plane)}, plane, seen, {.variance = 0.4}},
                       exact_value{plane, seen},
                       smc_options{.particles = 4, .steps = 3, .threshold = 2.0, .log_delta = -infinity},
                       diamond::multinomial{}, crank_nicolson{.beta = 0.8}},
                   2000, plane.tilted(seen.quadratic_form()).log_z);
}

namespace {
/// The step's particles after it has resampled and moved.
template <class Value>
batch after_one_step(const Value& value, double t, const crank_nicolson& moves) {
    const exact_posterior draws{mixture<batch>(context)};
    smc sampler{ddpm_posterior_kernel{draws}, value,
                smc_options{.particles = 20000, .times = {0.0, t, 1.0}, .threshold = 2.0, .log_delta = -30.0},
                systematic{}, moves};
    auto state = sampler.start(context, philox{3});
    sampler.step(state);
    return std::move(state.x);
}
/// Draws of the tilted law's marginal at t, and what draws of a batch say of four moments.
batch exact_marginal(const form_reward<double>& reward, double t) {
    batch z(context, 2, 20000), noise(context, 2, 20000);
    mixture<batch>(context)
        .tilted(reward.quadratic_form())
        .tilted.draw(philox{5}.stream(purpose::data), z.mutable_view());
    diamond::draw_normal(philox{5}.stream(purpose::user), noise.mutable_view());
    assign(z, t * z + (1.0 - t) * noise);
    return z;
}
bool agree(const batch& x, const batch& y) {
    const auto moment = [](const batch& of, int which) {
        return statistics::average(of.columns(), [&](index_t j) {
            const double a = of.data()[2 * j], b = of.data()[2 * j + 1];
            const double all[] = {a, b, a * a, a * b, b * b};
            return all[which];
        });
    };
    for (int which = 0; which < 5; ++which) {
        const auto a = moment(x, which), b = moment(y, which);
        if (std::abs(a.value - b.value) > 4.0 * std::hypot(a.standard_error, b.standard_error)) return false;
    }
    return true;
}
/// The number of particles of which there is no other copy before them.
index_t distinct(const batch& x) {
    std::vector<std::pair<double, double>> all;
    for (index_t j = 0; j < x.columns(); ++j) all.emplace_back(x.data()[2 * j], x.data()[2 * j + 1]);
    std::sort(all.begin(), all.end());
    return std::unique(all.begin(), all.end()) - all.begin();
}
} // namespace

TEST_CASE("moves leave the step's tilted law as it is, and take copies apart") {
    const auto bowl = bowl_2d<double>(3.0);
    const auto model = mixture<batch>(context);
    const double t = 0.6;
    const batch exact = exact_marginal(bowl, t);
    const auto check = [&](const auto& value) {
        for (const crank_nicolson moves :
             {crank_nicolson{.beta = 0.3}, crank_nicolson{.moves = 8, .beta = 1.0}})
            CHECK(agree(after_one_step(value, t, moves), exact));
    };
    check(exact_value{model, bowl});
    check(posterior_value{exact_posterior{model}, bowl, {.samples = 2}});
    CHECK(!agree(exact_marginal(bowl_2d<double>(1.5), t), exact)); // as it sees another reward
    CHECK(distinct(after_one_step(exact_value{model, bowl}, t, {.moves = 4, .beta = 0.5})) > 18000);
}

TEST_CASE_TEMPLATE("every back end, and any number of threads, moves alike; a run resumes bit for bit", back,
                   BACK_ENDS) {
    using other = typename back::batch;
    using real = typename back::real;
    const auto one = back::make(1), two = back::make(2);
    const auto sampler_on = [](const auto& on, double threshold) {
        const exact_posterior draws{mixture<other>(on)};
        return smc{ddpm_posterior_kernel{draws}, posterior_value{draws, bowl_2d<real>(2.0), {.samples = 2}},
                   smc_options{.particles = 300,
                               .steps = 5,
                               .threshold = threshold,
                               .log_delta = -4.0,
                               .record_ancestors = true},
                   systematic{}, crank_nicolson{.moves = 2, .beta = 0.4}};
    };
    for (const double threshold : {0.7, 2.0}) {
        auto sampler = sampler_on(one, threshold), another = sampler_on(two, threshold);
        const auto whole = sampler(one, philox{4});
        check_same(another(two, philox{4}), whole);
        // K draws; K - 1 steps of 2 value draws; and 2 moves, a steered draw being free, of 2 value draws
        CHECK(whole.spent.forward == 300 * (5 + 4 * 2 + 4 * 2 * 2));
        CHECK(whole.spent.reward == 300 * (4 * 2 + 4 * 2 * 2 + 1));
        for (std::size_t k = 0; k < 4; ++k) {
            CHECK(whole.steps[k].acceptance > 0.3);
            CHECK(whole.steps[k].acceptance < 1.0);
        }
        auto state = sampler.start(one, philox{4});
        for (; !state.done(); sampler.step(state))
            check_same(sampler(one, philox{4}, state.snapshot()), whole);
    }
}

namespace {
/// Transitions to 100 times the label of a particle, and noise; values that differ within a label, by a
/// reward that takes the label.
struct to_label {
    using batch_type = batch;
    using condition_type = diamond::labels;
    static constexpr bool one_noise = true;
    struct reward_type {
        void operator()(diamond::const_view_t<batch> z, diamond::labels c, diamond::row_t<batch> out) const {
            for (index_t j = 0; j < z.columns(); ++j) out[j] = 2.0 * (z(0, j) - 100.0 * c[j]);
        }
    } of_label;
    [[nodiscard]] index_t dimension() const { return 1; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    [[nodiscard]] bool exact() const { return false; }
    [[nodiscard]] auto schedule() const { return diamond::linear_schedule{}; }
    [[nodiscard]] double noise_deviation(diamond::interval, double) const { return 1.0; }
    [[nodiscard]] reward_type& reward() { return of_label; }
    void steered(diamond::const_view_t<batch>, diamond::interval, diamond::labels c,
                 diamond::const_view_t<batch> e, diamond::const_view_t<batch>, diamond::view_t<batch> out) {
        for (index_t j = 0; j < out.columns(); ++j) out(0, j) = 100.0 * c[j] + e(0, j);
    }
    void centre(diamond::const_view_t<batch>, diamond::interval, diamond::labels c, diamond::noise_stream,
                diamond::view_t<batch> out) {
        for (index_t j = 0; j < out.columns(); ++j) out(0, j) = 100.0 * c[j];
    }
    void operator()(diamond::const_view_t<batch> x, diamond::interval span, diamond::labels c,
                    diamond::noise_stream stream, diamond::view_t<batch> out) {
        batch e(context, 1, x.columns());
        diamond::draw_normal(stream, e.mutable_view());
        steered(x, span, c, e.read(), e.read(), out);
    }
    void operator()(diamond::const_view_t<batch> x, double, diamond::labels c, diamond::noise_stream,
                    diamond::value_rows<diamond::eigen::context> values) {
        of_label(x, c, values.value);
    }
};
} // namespace

TEST_CASE("a move is made under the condition of its particle") {
    constexpr index_t n = 200;
    std::vector<std::int32_t> own(n);
    for (std::size_t j = 0; j < n; ++j) own[j] = static_cast<std::int32_t>(j * 7 % 5);
    smc sampler{to_label{}, to_label{},
                smc_options{.particles = n, .steps = 4, .threshold = 0.9, .log_delta = -infinity},
                systematic{}, crank_nicolson{.moves = 3, .beta = 0.9}};
    sampler(context, philox{1}, diamond::labels(own.data()), [&](const auto& view) {
        // log exp(2 x) of the particles' own label
        for (index_t j = 0; j < n; ++j) CHECK(std::abs(view.values[j]) < 20.0);
        for (index_t j = 0; j < n; ++j)
            CHECK(view.values[j] == doctest::Approx(2.0 * (view.particles(0, j) -
                                                           100.0 * std::round(view.particles(0, j) / 100.0)))
                                        .epsilon(1e-9));
    });
    auto state = sampler.start(context, philox{1}, diamond::labels(own.data()));
    for (int k = 0; k < 3; ++k) {
        sampler.step(state);
        for (index_t j = 0; j < n; ++j) {
            const auto family = static_cast<std::size_t>(state.family.data()[j]);
            CHECK(std::lround(state.x.data()[j] / 100.0) == own[family]);
        }
    }
    CHECK(state.totals_on_host().resamplings > 0);
}

TEST_CASE("the size of moves is found before the run, by streams of its own") {
    const auto model = mixture<batch>(context);
    const exact_posterior draws{model};
    const ddpm_posterior_kernel kernel{draws};
    const auto bowl = bowl_2d<double>(12.0);
    const posterior_value value{draws, bowl, {.samples = 8}};
    const smc_options options{.particles = 512, .steps = 6, .threshold = 2.0, .log_delta = -6.0};
    const exact_value exact{model, bowl};
    for (const double sought : {0.75, 0.9}) {
        CAPTURE(sought);
        const auto fit = diamond::fit_crank_nicolson(context, philox{1}, kernel, exact, options,
                                                     {.acceptance = sought, .particles = 400, .moves = 2});
        CHECK(fit.moves.moves == 2);
        CHECK(fit.moves.beta < 1.0);
        CHECK(std::abs(fit.acceptance - sought) < 0.05);
        CHECK(fit.reached);
        smc sampler{kernel, exact, options, systematic{}, fit.moves};
        const auto result = sampler(context, philox{1});
        double accepted = 0.0;
        for (std::size_t k = 0; k < 5; ++k) accepted += result.steps[k].acceptance / 5.0;
        CHECK(std::abs(accepted - sought) < 0.06);
        const auto again = diamond::fit_crank_nicolson(context, philox{1}, kernel, exact, options,
                                                       {.acceptance = sought, .particles = 400, .moves = 2});
        CHECK(again.moves.beta == fit.moves.beta);
    }
    // The noise of few draws refuses moves of any size, which is told. 8 runs of 6 draws, 5 steps of 8 value
    // draws, and their moves.
    const auto noisy = diamond::fit_crank_nicolson(context, philox{1}, kernel, value, options,
                                                   {.acceptance = 0.9, .particles = 400, .moves = 2});
    CHECK(!noisy.reached);
    CHECK(noisy.spent.forward == 8 * 400 * (6 + 5 * 8 + 5 * 2 * 8));
    // Where any move is taken often enough, the largest is best.
    CHECK(diamond::fit_crank_nicolson(context, philox{1}, kernel, value, options, {.acceptance = 0.01})
              .moves.beta == 1.0);
    const auto refused = [&](const diamond::crank_nicolson_fit_options& bad, const char* why) {
        CHECK_THROWS_WITH_AS(
            static_cast<void>(diamond::fit_crank_nicolson(context, philox{1}, kernel, value, options, bad)),
            doctest::Contains(why), std::invalid_argument);
    };
    for (const double bad : {0.0, 1.0, std::nan("")}) refused({.acceptance = bad}, "seeks an acceptance of");
    for (const index_t bad : {0, 65}) refused({.runs = bad}, "runs: 1 to 64");
    refused({.particles = 0}, "0 particles");
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::fit_crank_nicolson(
                             context, philox{1}, kernel, value, smc_options{.particles = 20, .steps = 1})),
                         doctest::Contains("at least 2 steps"), std::invalid_argument);
}

namespace {
/// A reward that throws at one call.
struct failing {
    form_reward<double> of;
    std::shared_ptr<int> calls;
    int at;
    void operator()(diamond::const_view_t<batch> z, diamond::row_t<batch> values) const {
        if (++*calls == at) throw std::runtime_error("the simulator is gone");
        for (index_t j = 0; j < z.columns(); ++j) values[j] = of(z.column(j));
    }
};
} // namespace

TEST_CASE("a step whose moves throw may be tried again") {
    const exact_posterior draws{mixture<batch>(context)};
    const auto run = [&](int at) {
        const auto calls = std::make_shared<int>(0);
        smc sampler{ddpm_posterior_kernel{draws},
                    posterior_value{draws, failing{bowl_2d<double>(2.0), calls, at}, {.samples = 2}},
                    smc_options{.particles = 50, .steps = 4, .threshold = 2.0, .log_delta = -4.0},
                    systematic{}, crank_nicolson{.moves = 3}};
        auto state = sampler.start(context, philox{2});
        int failures = 0;
        while (!state.done()) try {
                sampler.step(state);
            } catch (const std::runtime_error&) {
                ++failures;
            }
        CHECK(failures == (at > 0 ? 1 : 0));
        return sampler.finish(std::move(state));
    };
    const auto whole = run(0);
    for (const int at : {2, 4, 7, 12}) {
        const auto again = run(at);
        CHECK(diamond::to_host(again.particles) == diamond::to_host(whole.particles));
        CHECK(again.steps == whole.steps);
        CHECK(again.log_z == whole.log_z);
    }
}

TEST_CASE("what cannot move is refused; and runs with moves and without do not go on with each other") {
    const exact_posterior draws{mixture<batch>(context)};
    const auto bowl = bowl_2d<double>();
    const auto made = [&](const crank_nicolson& moves, double threshold = 0.5, bool fixed_noise = false) {
        return smc{ddpm_posterior_kernel{draws},
                   posterior_value{draws, bowl, {.samples = 2, .fixed_noise = fixed_noise}},
                   smc_options{.particles = 20, .steps = 3, .threshold = threshold, .log_delta = -4.0},
                   systematic{}, moves};
    };
    for (const index_t bad : {index_t{0}, index_t{-1}, index_t{1} << 30})
        CHECK_THROWS_WITH_AS(made({.moves = bad}), doctest::Contains("moves a step"), std::invalid_argument);
    for (const double bad : {0.0, -0.1, 1.1, std::nan("")})
        CHECK_THROWS_WITH_AS(made({.beta = bad}), doctest::Contains("beta is"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(made({}, 0.0), doctest::Contains("a threshold of 0 takes none"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(made({}, 0.5, true), doctest::Contains("on the noise of other steps"),
                         std::invalid_argument);
    const diamond::gaussian_measurement_reward seen{
        context, diamond::mask_measurement<batch>{context, 2, {1}}, std::vector<double>{0.4}, 0.6};
    CHECK_THROWS_WITH_AS((smc{ddpm_posterior_kernel{draws}, diamond::moment_value{draws, seen}, smc_options{},
                              systematic{}, crank_nicolson{}}),
                         doctest::Contains("depends on other particles"), std::invalid_argument);

    auto moving = made({}), more = made({.moves = 2});
    smc still{ddpm_posterior_kernel{draws}, posterior_value{draws, bowl, {.samples = 2}},
              smc_options{.particles = 20, .steps = 3, .log_delta = -4.0}};
    auto state = moving.start(context, philox{1});
    moving.step(state);
    auto saved = state.snapshot();
    CHECK_THROWS_WITH_AS(still.resume(context, philox{1}, saved), doctest::Contains("says rejuvenation"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(more.resume(context, philox{1}, saved), doctest::Contains("its rejuvenation is"),
                         std::invalid_argument);
    for (const double bad : {-0.1, 1.5, std::nan("")}) {
        auto copy = saved;
        copy.steps[0].acceptance = bad;
        CHECK_THROWS_WITH_AS(moving.resume(context, philox{1}, copy), doctest::Contains("acceptance is"),
                             std::invalid_argument);
    }
}

} // namespace align_rejuvenation_test
