/// The state of a run of sequential Monte Carlo, and its snapshot on the host, to save and to resume.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/smc_options.hpp>
#include <diamond/align/smc_result.hpp>
#include <diamond/concepts/resampler.hpp>
#include <diamond/core/condition.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/random/draw.hpp>

namespace diamond {

/// A state on the host. Its run goes on from it bit for bit: in the sampler that it belongs to, by the same
/// rng and under the same condition.
template <class Real>
struct smc_snapshot {
    index_t step = 0;                ///< k, the number of steps done
    std::vector<Real> particles;     ///< d N coordinates, particle by particle
    std::vector<double> values;      ///< V_k of each particle
    std::vector<double> log_weights; ///< accumulated since the last resampling
    /// log p_t, which a weighted kernel's particles carry; empty for others.
    std::vector<double> log_densities;
    /// The x_0 that each particle descends from, whose condition it keeps.
    std::vector<std::int32_t> families;
    double log_z = 0.0;                               ///< the log Z of the steps so far, in nats
    double log_delta = 0.0;                           ///< log delta, by which values of -inf are raised
    index_t resamplings = 0;                          ///< the number of steps that resampled
    std::vector<smc_step> steps;                      ///< the trace
    std::vector<std::vector<std::int32_t>> ancestors; ///< each step's ancestors, where recorded
    cost spent;                                       ///< all evaluations, the pilot's among them
    smc_pilot pilot;                                  ///< what the pilot saw
    smc_plan plan;                                    ///< what it decided
    std::uint64_t seed = 0;                           ///< the run's seed
    smc_setting setting;                              ///< its sampler's setting
};

namespace detail {

/// The sums of the step under way, in the back end's memory: what needs one of them reads it there, so that
/// nothing waits for the host.
struct step_numbers {
    /// The best value, the floor, and how many values are left to it.
    double best = 0, floor = 0, floored = 0;
    /// The highest log weights before and after the step's increments in full, and beta.
    double high_before = 0, high_after = 0, relaxation = 1;
    /// The highest log weight, and sums of the weights relative to it.
    double high = 0, sum = 0, sum_square = 0;
    /// Minus the least increment of a live particle, and the largest one.
    double minus_least = 0, largest = 0;
    /// The weighted sum of values, and the logarithm of the mean weight.
    double sum_of_values = 0, log_mean = 0;
    double resampled = 0;                   ///< 1 where the step resamples
    double accepted = 0, accepted_here = 0; ///< the numbers of moves accepted, in the step and in one move
    /// The highest log weight of a weighted kernel's own, sums of these weights relative to it, and how many
    /// there are.
    double correction_high = 0, correction_sum = 0, correction_sum_square = 0, corrected = 0;
};
/// The candidates for beta, 1, 2^-1/4, 2^-1/2, ..., of which the largest is taken that keeps the conditional
/// effective sample size; where none does, beta is 0.
struct relaxations {
    static constexpr index_t count = 80, sums = 1 + 2 * count; ///< the sums: see conditional_sums
    DIAMOND_HD static double at(index_t b) { return std::exp2(-0.25 * static_cast<double>(b)); }
};
/// The memory of moves within a step, in which they are made beside the state; without size where there are
/// none. Nothing in it outlives its step, so that snapshots do not hold it.
template <class Batch, class Condition>
struct move_memory {
    using rows_type = rebind_t<Batch, double>;

    Batch drawn_noise, drawn_centre; ///< e and the kernel's centre of the step's draws, d x N
    rows_type drawn_value;           ///< V of these, as moves are accepted by it
    Batch parent, noise, centre, x;  ///< x_{k-1}, e, centre and x_k of each particle, as resampled and moved
    rows_type v, value;              ///< V_k, and V as moves are accepted by it
    Batch next_noise, next_x;        ///< what a move proposes; the first its renoised state, without noise
    rows_type next_value, accepted;  ///< its V; and 1 for each particle that takes it, else 0
    condition_store<Condition, backend_of_t<Batch>> conditions; ///< the memory of the particles' condition

    /// Says whether moves are made in the noise of transitions.
    [[nodiscard]] bool has_noise() const { return noise.size() > 0; }
    /// Says whether the kernel needs a centre to steer from.
    [[nodiscard]] bool has_centre() const { return centre.size() > 0; }

    void resize(const backend_of_t<Batch>& on, index_t dimension, index_t particles, bool with_noise,
                bool with_centre) {
        for (auto* batch : {&x, &next_noise, &next_x}) batch->resize(on, dimension, particles);
        if (with_noise)
            for (auto* batch : {&drawn_noise, &parent, &noise}) batch->resize(on, dimension, particles);
        if (with_centre)
            for (auto* batch : {&drawn_centre, &centre}) batch->resize(on, dimension, particles);
        for (auto* numbers : {&drawn_value, &v, &value, &next_value, &accepted})
            numbers->resize(on, 1, particles);
    }
};
/// The memory of the further draws of a run of plain weights, which its last step makes block by block;
/// without size before. Nothing in it outlives that step.
template <class Batch, class Condition>
struct draw_memory {
    Batch x, next_x;                    ///< a block of draws, of at least N columns
    rebind_t<Batch, double> rewards;    ///< r of each of its draws
    rebind_t<Batch, std::int32_t> from; ///< a draw for each place
    rebind_t<Batch, double> taken;      ///< 1 for each place that its draw takes, else 0
    condition_store<Condition, backend_of_t<Batch>> conditions; ///< the memory of the draws' conditions

    /// Makes room for blocks of so many draws, that come to so many places.
    void resize(const backend_of_t<Batch>& on, index_t dimension, index_t draws, index_t places) {
        for (auto* batch : {&x, &next_x}) batch->resize(on, dimension, draws);
        rewards.resize(on, 1, draws);
        taken.resize(on, 1, places);
        from.resize(on, 1, places);
    }
};
/// The totals of a run, in the back end's memory.
struct run_numbers {
    double log_z = 0, log_delta = -infinity;
    std::int64_t resamplings = 0;
};

/// Refuses a snapshot with a number that no run has. The snapshot's lengths fit each other, and it belongs to
/// a run of these options, whose times are the whole grid.
template <class Real>
class snapshot_check {
public:
    snapshot_check(const smc_snapshot<Real>& from, const smc_options& options)
        : from_(from), options_(options) {}

    /// @throws std::invalid_argument naming the number. Cost: some passes over the snapshot.
    void operator()() const {
        check_trace();
        check_particles();
        check_totals();
        check_ancestry();
        if (from_.step > 0 && !fresh()) check_sums();
    }

private:
    [[nodiscard]] index_t n() const { return options_.particles; }
    [[nodiscard]] bool done() const { return from_.step == static_cast<index_t>(options_.times.size()) - 1; }
    /// Says whether the run moves its particles, by its setting, which is this sampler's.
    [[nodiscard]] bool moves() const { return from_.setting.contains("rejuvenation"); }
    /// Says whether all weights are 1: at the start and after a resampling.
    [[nodiscard]] bool fresh() const { return from_.step == 0 || from_.steps.back().resampled; }

    /// @throws std::invalid_argument unless `holds`; `rule` says what the number should have been.
    template <class Number>
    static void expect(bool holds, const std::string& name, Number number, const std::string& rule) {
        require(holds, [&] { return "this snapshot's " + name + " is " + digits_of(number) + ": " + rule; });
    }
    template <class Numbers, class Rule>
    static void expect_all(const Numbers& numbers, const char* name, const Rule& holds,
                           const std::string& rule) {
        for (std::size_t j = 0; j < numbers.size(); ++j)
            if (!holds(j)) expect(false, std::string(name) + "[" + digits_of(j) + "]", numbers[j], rule);
    }
    static bool below_infinity(double x) { return !std::isnan(x) && x < infinity; }

    void check_particles() const {
        const auto& x = from_.particles;
        const auto& v = from_.values;
        const auto& w = from_.log_weights;
        const auto& p = from_.log_densities;

        expect_all(
            x, "particles", [&](std::size_t j) { return std::isfinite(x[j]); }, "coordinates are finite");
        if (from_.step == 0)
            expect_all(
                v, "values", [&](std::size_t j) { return v[j] == options_.initial_value; },
                "before the first step values are V_0 = " + digits_of(options_.initial_value));
        else if (!done())
            expect_all(
                v, "values", [&](std::size_t j) { return std::isfinite(v[j]); },
                "values are finite before the last step");
        else
            expect_all(
                v, "values", [&](std::size_t j) { return below_infinity(v[j]); },
                "rewards are finite or -inf");

        if (fresh())
            expect_all(
                w, "log_weights", [&](std::size_t j) { return w[j] == 0.0; },
                "at the start and after a resampling weights are 1");
        else
            expect_all(
                w, "log_weights", [&](std::size_t j) { return below_infinity(w[j]); },
                "log weights are finite, or -inf of the dead");
        require(std::any_of(w.begin(), w.end(), [](double one) { return one > -infinity; }),
                "this snapshot's log_weights are -inf, all of them: such a run has ended");
        expect_all(
            p, "log_densities", [&](std::size_t j) { return w[j] == -infinity || below_infinity(p[j]); },
            "log-densities of particles that live are finite or -inf");
    }

    void check_trace() const {
        for (std::size_t k = 0; k < from_.steps.size(); ++k) check_line(k);
    }
    void check_line(std::size_t k) const {
        const auto count = static_cast<double>(n());
        const double most = count * (1.0 + rounding), least = 1.0 - rounding;
        const auto is_ess = [&](double ess) { return ess >= least && ess <= most; };

        const smc_step& line = from_.steps[k];
        const bool last = k + 2 == options_.times.size();
        const auto name = [&](const char* what) { return "steps[" + digits_of(k) + "]." + what; };
        const std::string many = "it lies between 1 and " + digits_of(n()) + ", the particles";
        expect(line.time == options_.times[k + 1], name("time"), line.time,
               "the grid has " + digits_of(options_.times[k + 1]));
        expect(is_ess(line.ess), name("ess"), line.ess, many);
        const double threshold = from_.plan.plain() ? 0.0 : options_.threshold;
        expect(line.resampled == (!last && line.ess < threshold * count), name("resampled"),
               static_cast<int>(line.resampled),
               "the effective sample size was " + digits_of(line.ess) + " of " + digits_of(n()) +
                   ", the threshold is " + digits_of(threshold));
        expect(std::isfinite(line.least_increment), name("least_increment"), line.least_increment,
               "it is finite");
        expect(std::isfinite(line.largest_increment) && line.largest_increment >= line.least_increment,
               name("largest_increment"), line.largest_increment,
               "it is finite and not below the least, " + digits_of(line.least_increment));
        expect(line.largest_share * count >= least && line.largest_share <= 1.0 + rounding,
               name("largest_share"), line.largest_share, "it lies between 1/N and 1");
        expect(std::isfinite(line.mean_value), name("mean_value"), line.mean_value, "it is finite");
        expect(line.relaxation >= 0.0 && line.relaxation <= 1.0, name("relaxation"), line.relaxation,
               "it lies between 0 and 1");
        expect(std::isnan(line.acceptance) == (last || !moves()) && !(line.acceptance < 0.0) &&
                   !(line.acceptance > 1.0),
               name("acceptance"), line.acceptance,
               last || !moves() ? "a step without moves has none, NaN" : "it lies between 0 and 1");
        expect(line.floored >= 0 && line.floored <= (last ? 0 : n()), name("floored"), line.floored,
               last ? "at the last step there is no floor" : "it lies between 0 and the particles");
        if (from_.log_densities.empty()) {
            const char* none = "a kernel without weights has none, NaN";
            expect(std::isnan(line.correction_ess), name("correction_ess"), line.correction_ess, none);
            expect(std::isnan(line.log_mean_correction), name("log_mean_correction"),
                   line.log_mean_correction, none);
            return;
        }
        expect(is_ess(line.correction_ess), name("correction_ess"), line.correction_ess, many);
        expect(std::isfinite(line.log_mean_correction), name("log_mean_correction"), line.log_mean_correction,
               "it is finite");
    }

    void check_totals() const {
        const auto resampled = std::count_if(from_.steps.begin(), from_.steps.end(),
                                             [](const smc_step& line) { return line.resampled; });
        expect(from_.resamplings == resampled, "resamplings", from_.resamplings,
               "its trace has " + digits_of(resampled));
        const bool piloted = has_pilot(options_);
        const auto delta = options_.log_delta.value_or(-infinity);
        if (piloted)
            expect(below_infinity(from_.log_delta), "log_delta", from_.log_delta,
                   "a pilot's is finite or -inf");
        else
            expect(from_.log_delta == delta, "log_delta", from_.log_delta,
                   "this sampler's is " + digits_of(delta));
        const smc_pilot& pilot = from_.pilot;
        expect(pilot.draws >= 0 && (piloted || pilot.draws == 0), "pilot.draws", pilot.draws,
               "it is a number of draws, and 0 without a pilot");
        expect(pilot.draws == 0 ||
                   (pilot.ess >= 0.0 && pilot.ess <= static_cast<double>(pilot.draws) * (1.0 + rounding)),
               "pilot.ess", pilot.ess, "it lies between 0 and the draws");
        expect(pilot.draws == 0 || pilot.log_z == from_.log_delta, "pilot.log_z", pilot.log_z,
               "log_delta is " + digits_of(from_.log_delta));
        expect(pilot.evaluations >= 0, "pilot.evaluations", pilot.evaluations,
               "it is a number of evaluations");
        const smc_plan& plan = from_.plan;
        const bool chooses = pilot.draws > 0 && options_.plain_ratio > 0.0 && !moves() &&
                             from_.setting.at("kernel") == "without weights";
        constexpr index_t most_more = index_t{1} << 53; // draws beside the particles
        expect(plan.draws == 0 || (chooses && plan.draws >= n() && plan.draws - n() <= most_more),
               "plan.draws", plan.draws,
               "it is 0 of SMC, and else at least the particles and at most 2^53 more, of a run whose pilot "
               "may choose that");
        const bool tells_variance = done() && plan.draws > 1;
        expect(tells_variance ? plan.relative_variance >= 0.0 : std::isnan(plan.relative_variance),
               "plan.relative_variance", plan.relative_variance,
               "it is not negative where a plain run of two draws or more is done, and else NaN");
        // Each resampling, and the end, adds the log of the mean weight: that of no more than what increments
        // have made, and of at least one particle in N.
        double low = options_.initial_value, high = low, least = 0.0, largest = 0.0;
        for (std::size_t k = 0; k < from_.steps.size(); ++k) {
            least += from_.steps[k].least_increment;
            largest += from_.steps[k].largest_increment;
            if (!from_.steps[k].resampled && k + 2 != options_.times.size()) continue;
            low += least - std::log(static_cast<double>(n()));
            high += largest;
            least = largest = 0.0;
        }
        expect(std::isfinite(from_.log_z), "log_z", from_.log_z, "it is finite");
        expect(from_.log_z >= low - slack(low) && from_.log_z <= high + slack(high), "log_z", from_.log_z,
               "by its trace it lies between " + digits_of(low) + " and " + digits_of(high));
        constexpr std::int64_t most = std::int64_t{1} << 53; // a run of so many evaluations takes centuries
        const auto is_count = [](std::int64_t x) { return x >= 0 && x <= most; };
        const std::string range = "it lies between 0 and 2^53";
        expect(is_count(from_.spent.forward), "spent.forward", from_.spent.forward, range);
        expect(is_count(from_.spent.jvp), "spent.jvp", from_.spent.jvp, range);
        expect(is_count(from_.spent.vjp), "spent.vjp", from_.spent.vjp, range);
        expect(is_count(from_.spent.reward), "spent.reward", from_.spent.reward, range);
    }

    /// Families and ancestors are particles; and where all ancestors are there, families are what they make
    /// them.
    void check_ancestry() const {
        const auto is_particle = [&](std::int32_t i) { return i >= 0 && i < n(); };
        for (const std::int32_t family : from_.families)
            require(is_particle(family), [&] {
                return "this snapshot names particle " + digits_of(family) + " of " + digits_of(n());
            });
        std::vector<std::int32_t> composed(from_.families.size());
        for (std::size_t j = 0; j < composed.size(); ++j) composed[j] = static_cast<std::int32_t>(j);
        bool all = true;
        for (std::size_t k = 0; k < from_.steps.size(); ++k) {
            const bool has = k < from_.ancestors.size() && !from_.ancestors[k].empty();
            all = all && has == from_.steps[k].resampled;
            if (!has) continue;
            const auto& ancestors = from_.ancestors[k];
            require(from_.steps[k].resampled, [&] {
                return "this snapshot has ancestors of step " + digits_of(k + 1) + ", which did not resample";
            });
            expect_all(
                ancestors, ("ancestors[" + digits_of(k) + "]").c_str(),
                [&](std::size_t j) { return is_particle(ancestors[j]); },
                "there are " + digits_of(n()) + " particles");
            auto next = composed;
            for (std::size_t j = 0; j < next.size(); ++j)
                next[j] = composed[static_cast<std::size_t>(ancestors[j])];
            composed.swap(next);
        }
        if (all)
            expect_all(
                from_.families, "families", [&](std::size_t j) { return from_.families[j] == composed[j]; },
                "its ancestors say otherwise");
    }

    /// Sums the weights again: they must be what the trace says.
    void check_sums() const {
        const auto& w = from_.log_weights;
        const double high = *std::max_element(w.begin(), w.end());
        double sum = 0.0, squares = 0.0, values = 0.0, scale = 0.0;
        for (std::size_t j = 0; j < w.size(); ++j) {
            const double weight = std::exp(w[j] - high);
            if (weight == 0.0) continue;
            sum += weight;
            squares += weight * weight;
            values += weight * from_.values[j];
            scale += weight * std::fabs(from_.values[j]);
        }
        const smc_step& line = from_.steps.back();
        const auto agree = [](const char* what, double here, double there, double size) {
            require(std::fabs(here - there) <= rounding * size, [&] {
                return std::string(
                           "this snapshot's numbers are not of one run: by its log_weights and values the ") +
                       what + " is " + digits_of(here) + ", by its trace " + digits_of(there);
            });
        };
        agree("effective sample size", sum * sum / squares, line.ess, line.ess);
        agree("largest share", 1.0 / sum, line.largest_share, line.largest_share);
        // Moves come after the trace's line, and change values.
        if (!moves() || done())
            agree("mean value", values / sum, line.mean_value, scale / sum + least_normal);
    }

    /// The relative rounding that is allowed, far above that of sums of 2^31 numbers in any order.
    static constexpr double rounding = 1e-6;
    static double slack(double bound) { return rounding * (1.0 + std::fabs(bound)); }

    const smc_snapshot<Real>& from_;
    const smc_options& options_;
};

} // namespace detail

/// The sizes of a run.
struct smc_sizes {
    index_t dimension, particles, steps; ///< d, N and K
    bool record_ancestors;               ///< Whether each step's ancestors are kept.
};

/// The state of a run: the particles and what they carry, the next ones that a step makes of them, and the
/// run's totals.
///
/// smc::start and smc::resume make it, smc::step moves it on, smc::finish ends it. Between these it belongs
/// to the caller, and only a sampler of the same setting takes it. `Weighted` says whether the kernel is a
/// weighted_transition_kernel, `Guided` whether it is a guided_kernel.
template <class Batch, class Condition, bool Weighted = false, bool Guided = false>
struct smc_state {
    using context_type = backend_of_t<Batch>;
    /// The copy of a state on the host, by which a run is saved and resumed.
    using snapshot_type = smc_snapshot<typename Batch::value_type>;

    /// Says whether the particles carry the log-densities and log weights of a weighted kernel.
    static constexpr bool weighted = Weighted;
    /// Says whether the particles' transitions carry the log ratios of a guided_kernel.
    static constexpr bool guided = Guided;

    /// The state before x_0 is drawn: everything has its size, and log Z is 0. The context must outlive it.
    smc_state(const context_type& on, philox run, const Condition& given_condition, const smc_sizes& sizes,
              smc_setting of_sampler)
        : context(&on),
          rng(run),
          setting(std::move(of_sampler)),
          given(given_condition),
          condition(given_condition),
          step_count(sizes.steps) {
        for (auto* batch : {&x, &next_x}) batch->resize(on, sizes.dimension, sizes.particles);
        for (auto* numbers : {&v, &next_v, &log_w, &next_log_w}) numbers->resize(on, 1, sizes.particles);
        for (auto* numbers : {&log_p, &next_log_p}) numbers->resize(on, 1, weighted ? sizes.particles : 0);
        correction.resize(on, 1, sizes.particles);
        assign(row(correction), 0.0);
        family.resize(on, 1, sizes.particles);
        if (sizes.record_ancestors) recorded.resize(static_cast<std::size_t>(step_count));
        trace_lines.resize(on, 1, step_count);
        step_sums.resize(on, 1, 1);
        totals.resize(on, 1, 1);
    }

    [[nodiscard]] index_t step() const { return steps_done; }  ///< k, the number of steps done
    [[nodiscard]] index_t steps() const { return step_count; } ///< K
    /// Says whether the last step has been taken.
    [[nodiscard]] bool done() const { return steps_done == step_count; }
    [[nodiscard]] const_view_t<Batch> particles() const { return x.read(); } ///< x_t, d x N

    // The following accessors wait for a device.

    /// The run's totals so far.
    [[nodiscard]] detail::run_numbers totals_on_host() const { return to_host(totals).front(); }
    /// log Z of the steps so far, as far as resamplings have added it up.
    [[nodiscard]] double log_z_so_far() const { return totals_on_host().log_z; }
    /// Returns log delta, by which values of -inf are raised. It waits for a device.
    [[nodiscard]] double log_delta() const { return totals_on_host().log_delta; }
    /// The trace of the steps so far.
    [[nodiscard]] std::vector<smc_step> trace() const {
        return to_host(trace_lines.read().columns(0, steps_done));
    }
    /// The ancestors of each step in `lines`, the trace; empty where a step did not resample, or comes before
    /// a snapshot that has none.
    [[nodiscard]] std::vector<std::vector<std::int32_t>> ancestors(const std::vector<smc_step>& lines) const {
        std::vector<std::vector<std::int32_t>> result(recorded.empty() ? 0 : lines.size());
        for (std::size_t k = 0; k < result.size(); ++k)
            if (lines[k].resampled && recorded[k].size() > 0) result[k] = to_host(recorded[k]);
        return result;
    }
    /// Everything that a run depends on beside its own arguments, on the host.
    [[nodiscard]] snapshot_type snapshot() const {
        const auto run = totals_on_host();
        const auto lines = trace();
        return {.step = steps_done,
                .particles = to_host(x),
                .values = to_host(v),
                .log_weights = to_host(log_w),
                .log_densities = to_host(log_p),
                .families = to_host(family),
                .log_z = run.log_z,
                .log_delta = run.log_delta,
                .resamplings = run.resamplings,
                .steps = lines,
                .ancestors = ancestors(lines),
                .spent = spent,
                .pilot = pilot,
                .plan = plan,
                .seed = rng.seed,
                .setting = setting};
    }

    /// The trace's line of step k = 1 ... K, in the back end's memory.
    [[nodiscard]] row_view<smc_step, context_type> line(index_t k) {
        return row(*context, 1, trace_lines.data() + (k - 1));
    }

    const context_type* context; ///< The context of the run, which must outlive it.
    philox rng;                  ///< The run's seed, of which all its draws are functions.
    smc_setting setting;         ///< the setting of the sampler that made it

    Condition given;     ///< the condition as the caller gave it, one for each x_0
    Condition condition; ///< the condition in the order of the particles
    condition_store<Condition, context_type> conditions; ///< the memory of `condition`

    index_t steps_done = 0, step_count; ///< k and K

    Batch x, next_x;                   ///< d x N particles
    rebind_t<Batch, double> v, next_v; ///< V_k
    /// log weights; masked_w is 0 where a device does not resample.
    rebind_t<Batch, double> log_w, next_log_w, masked_w;
    rebind_t<Batch, double> log_p, next_log_p; ///< a weighted kernel's log p_t; else empty
    /// The log weights or ratios of a step's transitions; else 0, but for the last step of plain weights.
    rebind_t<Batch, double> correction;
    rebind_t<Batch, std::int32_t> family, next_family; ///< the x_0 that each particle descends from
    rebind_t<Batch, std::int32_t> chosen;              ///< the ancestors that a step resamples

    /// Each step's ancestors, K of them; empty unless they are recorded.
    std::vector<rebind_t<Batch, std::int32_t>> recorded;

    rebind_t<Batch, smc_step> trace_lines;           ///< K lines
    rebind_t<Batch, detail::step_numbers> step_sums; ///< one
    rebind_t<Batch, double> relaxation_sums;         ///< those by which relax chooses beta
    rebind_t<Batch, detail::run_numbers> totals;     ///< one
    detail::move_memory<Batch, Condition> moving;    ///< without size where no particles are moved
    detail::draw_memory<Batch, Condition> drawing;   ///< without size before a plain run's last step

    rebind_t<Batch, std::uint64_t> cumulative; ///< cumulative weights
    resampling_scratch<context_type> space;    ///< the resampler's working space
    cost spent;                                ///< All evaluations so far, the pilot's among them.
    smc_pilot pilot;                           ///< what the pilot saw
    smc_plan plan;                             ///< what it decided
    stopwatch clock;                           ///< Runs from when the state was made, in seconds.
};

namespace detail {

/// Gives each particle the condition of the x_0 that it descends from.
template <class State>
void order_conditions(State& s) {
    s.condition = s.conditions.gather(*s.context, s.given, s.family.data(), s.x.columns());
}
template <class State>
void write_totals(State& s, const run_numbers& run) {
    s.context->from_host(&run, 1, s.totals.data());
}
/// Makes all room that resampling needs, so that the first one, whenever it comes, allocates nothing.
template <class State, class Resampler>
void prepare_to_resample(State& s, const Resampler& resampler) {
    const auto& context = *s.context;
    const index_t n = s.x.columns();
    for (auto* indices : {&s.next_family, &s.chosen}) indices->resize(context, 1, n);
    s.cumulative.resize(context, 1, n);
    s.relaxation_sums.resize(context, 1, relaxations::sums);
    if constexpr (!State::context_type::host_memory) s.masked_w.resize(context, 1, n);
    if constexpr (requires { resampler.prepare(context, n, s.space); })
        resampler.prepare(context, n, s.space);
    s.space.highest.resize(context, 1, 1);
}

/// Puts the state at the start: x_0 ~ N(0, I), V_0 = initial_value for all, weights 1.
template <class State>
void begin(State& s, double initial_value, double log_delta) {
    write_totals(s, {.log_z = initial_value, .log_delta = log_delta});
    draw_normal(s.rng.stream(purpose::initial), s.x.mutable_view());
    assign(row(s.v), initial_value);
    assign(row(s.log_w), 0.0);
    assign(row(s.family), column_number());
    order_conditions(s);
}

/// Puts the state where the snapshot was taken. @throws std::invalid_argument, with the numbers of both,
/// unless the snapshot belongs to such a run, and with the number where it has one that no run has.
template <class State>
void restore(State& s, const typename State::snapshot_type& from, const smc_options& options) {
    const index_t columns = s.x.columns();
    const auto n = static_cast<std::size_t>(columns);
    const auto densities = static_cast<index_t>(from.log_densities.size());
    require(densities == s.log_p.size(), [&] {
        return "this snapshot holds " + digits_of(densities) +
               " log-densities, and this sampler's kernel carries " + digits_of(s.log_p.size()) +
               ": a kernel with weights and one without do not go on with each other's runs";
    });
    require(from.particles.size() == static_cast<std::size_t>(s.x.size()) && from.values.size() == n &&
                from.log_weights.size() == n && from.families.size() == n,
            [&] {
                return "this snapshot holds " + digits_of(from.values.size()) + " particles and " +
                       digits_of(from.particles.size()) + " coordinates, this sampler has " + digits_of(n) +
                       " and " + digits_of(s.x.size());
            });
    require(from.step >= 0 && from.step <= s.steps() && static_cast<index_t>(from.steps.size()) == from.step,
            [&] {
                return "this snapshot is of step " + digits_of(from.step) + " with a trace of " +
                       digits_of(from.steps.size()) + ", this sampler has " + digits_of(s.steps()) + " steps";
            });
    require(static_cast<index_t>(from.ancestors.size()) <= from.step, [&] {
        return "this snapshot of step " + digits_of(from.step) + " has ancestors of " +
               digits_of(from.ancestors.size()) + " steps";
    });
    for (const auto& ancestors : from.ancestors)
        require(ancestors.empty() || ancestors.size() == n, [&] {
            return "this snapshot has " + digits_of(ancestors.size()) + " ancestors of " + digits_of(n) +
                   " particles";
        });
    require_setting("snapshot", from.setting, s.setting);
    require(from.seed == s.rng.seed, [&] {
        return "this snapshot belongs to the run of seed " + digits_of(from.seed) + ", this one is of seed " +
               digits_of(s.rng.seed);
    });
    snapshot_check(from, options)();

    const auto& context = *s.context;
    context.from_host(from.particles.data(), s.x.size(), s.x.data());
    context.from_host(from.values.data(), columns, s.v.data());
    context.from_host(from.log_weights.data(), columns, s.log_w.data());
    context.from_host(from.log_densities.data(), s.log_p.size(), s.log_p.data());
    context.from_host(from.families.data(), columns, s.family.data());
    for (std::size_t k = 0; k < (s.recorded.empty() ? 0 : from.ancestors.size()); ++k)
        if (!from.ancestors[k].empty())
            s.recorded[k] = from_host<std::int32_t>(context, 1, columns, from.ancestors[k]);
    context.from_host(from.steps.data(), from.step, s.trace_lines.data());
    order_conditions(s);
    write_totals(s, {.log_z = from.log_z, .log_delta = from.log_delta, .resamplings = from.resamplings});
    s.steps_done = from.step;
    s.spent = from.spent;
    s.pilot = from.pilot;
    s.plan = from.plan;
}

} // namespace detail

} // namespace diamond
