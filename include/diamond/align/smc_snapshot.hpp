/// A run of sequential Monte Carlo on the host, to save and to resume: its numbers, and whether a run can have them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <diamond/align/smc_options.hpp>
#include <diamond/align/smc_result.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>

namespace diamond {

/// A state on the host, from which its run goes on bit for bit: in the sampler that it belongs to, by the same rng, under the same condition.
template <class Real>
struct smc_snapshot {
    index_t                                step = 0; ///< steps done
    std::vector<Real>                      particles;
    std::vector<double>                    values, log_weights;
    std::vector<double>                    log_densities; ///< log p_t, which a weighted kernel's particles carry; empty for others
    std::vector<std::int32_t>              families; ///< the x_0 each particle descends from, whose condition it keeps
    double                                 log_z = 0.0, log_delta = 0.0;
    index_t                                resamplings = 0;
    std::vector<smc_step>                  steps;
    std::vector<std::vector<std::int32_t>> ancestors;
    cost                                   spent;
    std::uint64_t                          seed = 0; ///< of the run
    smc_setting                            setting;  ///< of its sampler
};

namespace detail {

/// Refuses a snapshot with a number that no run has. Its lengths fit each other, and it belongs to a run of these options, whose times are the whole grid.
template <class Real>
class snapshot_check {
public:
    snapshot_check(const smc_snapshot<Real>& from, const smc_options& options) : from_(from), options_(options) {}

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
    [[nodiscard]] bool    done() const { return from_.step == static_cast<index_t>(options_.times.size()) - 1; }
    [[nodiscard]] bool    fresh() const { return from_.step == 0 || from_.steps.back().resampled; } ///< all weights are 1

    /// `rule` says what the number should have been.
    template <class Number>
    static void expect(bool holds, const std::string& name, Number number, const std::string& rule) {
        require(holds, [&] { return "this snapshot's " + name + " is " + digits_of(number) + ": " + rule; });
    }
    template <class Numbers, class Rule>
    static void expect_all(const Numbers& numbers, const char* name, const Rule& holds, const std::string& rule) {
        for (std::size_t j = 0; j < numbers.size(); ++j)
            if (!holds(j)) expect(false, std::string(name) + "[" + digits_of(j) + "]", numbers[j], rule);
    }
    static bool below_infinity(double x) { return !std::isnan(x) && x < infinity; }

    void check_particles() const {
        expect_all(from_.particles, "particles", [&](std::size_t j) { return std::isfinite(from_.particles[j]); }, "coordinates are finite");
        const auto& v = from_.values;
        if (from_.step == 0)
            expect_all(v, "values", [&](std::size_t j) { return v[j] == options_.initial_value; }, "before the first step values are V_0 = " + digits_of(options_.initial_value));
        else if (!done())
            expect_all(v, "values", [&](std::size_t j) { return std::isfinite(v[j]); }, "values are finite before the last step");
        else
            expect_all(v, "values", [&](std::size_t j) { return below_infinity(v[j]); }, "rewards are finite or -inf");

        const auto& w = from_.log_weights;
        if (fresh())
            expect_all(w, "log_weights", [&](std::size_t j) { return w[j] == 0.0; }, "at the start and after a resampling weights are 1");
        else
            expect_all(w, "log_weights", [&](std::size_t j) { return below_infinity(w[j]); }, "log weights are finite, or -inf of the dead");
        require(std::any_of(w.begin(), w.end(), [](double one) { return one > -infinity; }), "this snapshot's log_weights are -inf, all of them: such a run has ended");
        expect_all(from_.log_densities, "log_densities", [&](std::size_t j) { return w[j] == -infinity || below_infinity(from_.log_densities[j]); },
                   "log-densities of particles that live are finite or -inf");
    }

    void check_trace() const {
        const auto   count = static_cast<double>(n());
        const double most  = count * (1.0 + rounding), least = 1.0 - rounding;
        const auto   is_ess = [&](double ess) { return ess >= least && ess <= most; };
        for (std::size_t k = 0; k < from_.steps.size(); ++k) {
            const smc_step&   line = from_.steps[k];
            const bool        last = k + 2 == options_.times.size();
            const auto        name = [&](const char* what) { return "steps[" + digits_of(k) + "]." + what; };
            const std::string many = "it lies between 1 and " + digits_of(n()) + ", the particles";
            expect(line.time == options_.times[k + 1], name("time"), line.time, "the grid has " + digits_of(options_.times[k + 1]));
            expect(is_ess(line.ess), name("ess"), line.ess, many);
            expect(line.resampled == (!last && line.ess < options_.threshold * count), name("resampled"), static_cast<int>(line.resampled),
                   "the effective sample size was " + digits_of(line.ess) + " of " + digits_of(n()) + ", the threshold is " + digits_of(options_.threshold));
            expect(std::isfinite(line.least_increment), name("least_increment"), line.least_increment, "it is finite");
            expect(std::isfinite(line.largest_increment) && line.largest_increment >= line.least_increment, name("largest_increment"), line.largest_increment,
                   "it is finite and not below the least, " + digits_of(line.least_increment));
            expect(line.largest_share * count >= least && line.largest_share <= 1.0 + rounding, name("largest_share"), line.largest_share, "it lies between 1/N and 1");
            expect(std::isfinite(line.mean_value), name("mean_value"), line.mean_value, "it is finite");
            expect(line.floored >= 0 && line.floored <= (last ? 0 : n()), name("floored"), line.floored, last ? "at the last step there is no floor" : "it lies between 0 and the particles");
            if (from_.log_densities.empty()) {
                const char* none = "a kernel without weights has none, NaN";
                expect(std::isnan(line.correction_ess), name("correction_ess"), line.correction_ess, none);
                expect(std::isnan(line.log_mean_correction), name("log_mean_correction"), line.log_mean_correction, none);
                continue;
            }
            expect(is_ess(line.correction_ess), name("correction_ess"), line.correction_ess, many);
            expect(std::isfinite(line.log_mean_correction), name("log_mean_correction"), line.log_mean_correction, "it is finite");
        }
    }

    void check_totals() const {
        const auto resampled = std::count_if(from_.steps.begin(), from_.steps.end(), [](const smc_step& line) { return line.resampled; });
        expect(from_.resamplings == resampled, "resamplings", from_.resamplings, "its trace has " + digits_of(resampled));
        const bool piloted = !options_.log_delta && options_.pilot_particles > 0 && options_.times.size() > 2;
        if (piloted)
            expect(below_infinity(from_.log_delta), "log_delta", from_.log_delta, "a pilot's is finite or -inf");
        else
            expect(from_.log_delta == options_.log_delta.value_or(-infinity), "log_delta", from_.log_delta, "this sampler's is " + digits_of(options_.log_delta.value_or(-infinity)));
        // Each resampling, and the end, adds the log of the mean weight: that of no more than what increments have made, and of at least one particle in N.
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
        expect(from_.log_z >= low - slack(low) && from_.log_z <= high + slack(high), "log_z", from_.log_z, "by its trace it lies between " + digits_of(low) + " and " + digits_of(high));
        constexpr std::int64_t most = std::int64_t{1} << 53; // a run of so many evaluations takes centuries
        const auto             is_count = [](std::int64_t x) { return x >= 0 && x <= most; };
        const std::string      range = "it lies between 0 and 2^53";
        expect(is_count(from_.spent.forward), "spent.forward", from_.spent.forward, range);
        expect(is_count(from_.spent.jvp), "spent.jvp", from_.spent.jvp, range);
        expect(is_count(from_.spent.vjp), "spent.vjp", from_.spent.vjp, range);
        expect(is_count(from_.spent.reward), "spent.reward", from_.spent.reward, range);
    }

    /// Families are particles, ancestors, too; and where all ancestors are there, families are what they make them.
    void check_ancestry() const {
        const auto is_particle = [&](std::int32_t i) { return i >= 0 && i < n(); };
        for (const std::int32_t family : from_.families)
            require(is_particle(family), [&] { return "this snapshot names particle " + digits_of(family) + " of " + digits_of(n()); });
        std::vector<std::int32_t> composed(from_.families.size());
        for (std::size_t j = 0; j < composed.size(); ++j) composed[j] = static_cast<std::int32_t>(j);
        bool all = true;
        for (std::size_t k = 0; k < from_.steps.size(); ++k) {
            const bool has = k < from_.ancestors.size() && !from_.ancestors[k].empty();
            all            = all && has == from_.steps[k].resampled;
            if (!has) continue;
            const auto& ancestors = from_.ancestors[k];
            require(from_.steps[k].resampled, [&] { return "this snapshot has ancestors of step " + digits_of(k + 1) + ", which did not resample"; });
            for (std::size_t j = 0; j < ancestors.size(); ++j)
                if (!is_particle(ancestors[j]))
                    expect(false, "ancestors[" + digits_of(k) + "][" + digits_of(j) + "]", ancestors[j], "there are " + digits_of(n()) + " particles");
            auto next = composed;
            for (std::size_t j = 0; j < next.size(); ++j) next[j] = composed[static_cast<std::size_t>(ancestors[j])];
            composed.swap(next);
        }
        if (all) expect_all(from_.families, "families", [&](std::size_t j) { return from_.families[j] == composed[j]; }, "its ancestors say otherwise");
    }

    /// What the trace says of the weights, once more of these.
    void check_sums() const {
        const auto&  w    = from_.log_weights;
        const double high = *std::max_element(w.begin(), w.end());
        double       sum = 0.0, squares = 0.0, values = 0.0, scale = 0.0;
        for (std::size_t j = 0; j < w.size(); ++j) {
            const double weight = std::exp(w[j] - high);
            if (weight == 0.0) continue;
            sum += weight;
            squares += weight * weight;
            values += weight * from_.values[j];
            scale += weight * std::fabs(from_.values[j]);
        }
        const smc_step& line = from_.steps.back();
        const auto      same = [](double a, double b, double size) { return std::fabs(a - b) <= rounding * size; };
        const auto      say  = [](const char* what, double here, double there) {
            return std::string("this snapshot's numbers are not of one run: by its log_weights and values the ") + what + " is " + digits_of(here) + ", by its trace " + digits_of(there);
        };
        require(same(sum * sum / squares, line.ess, line.ess), [&] { return say("effective sample size", sum * sum / squares, line.ess); });
        require(same(1.0 / sum, line.largest_share, line.largest_share), [&] { return say("largest share", 1.0 / sum, line.largest_share); });
        require(same(values / sum, line.mean_value, scale / sum + least_normal), [&] { return say("mean value", values / sum, line.mean_value); });
    }

    static constexpr double rounding = 1e-6; ///< relative, and far above that of sums of 2^31 numbers in any order
    static double           slack(double bound) { return rounding * (1.0 + std::fabs(bound)); }

    const smc_snapshot<Real>& from_;
    const smc_options&        options_;
};

} // namespace detail

} // namespace diamond
