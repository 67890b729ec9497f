/// Where a run of sequential Monte Carlo stands: its particles, what they carry, and how they are saved.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/run.hpp>
#include <diamond/align/smc_snapshot.hpp>
#include <diamond/align/smc_weights.hpp>
#include <diamond/concepts/resampler.hpp>
#include <diamond/core/condition.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/random/draw.hpp>

namespace diamond {

/// Made by smc::start or smc::resume, moved on by smc::step, ended by smc::finish. It belongs to the caller between these, and to a sampler of the same
/// setting.
template <class Batch, class Condition>
class smc_state {
public:
    using context_type  = backend_of_t<Batch>;
    using snapshot_type = smc_snapshot<typename Batch::value_type>;

    [[nodiscard]] index_t                      step() const { return step_; }
    [[nodiscard]] index_t                      steps() const { return total_; }
    [[nodiscard]] bool                         done() const { return step_ == total_; }
    [[nodiscard]] const_view_t<Batch>          particles() const { return x_.read(); }
    // What follows waits for a device.
    [[nodiscard]] double                       log_z_so_far() const { return run_on_host().log_z; }
    [[nodiscard]] double                       log_delta() const { return run_on_host().log_delta; }
    [[nodiscard]] std::vector<smc_step>        trace() const { return to_host(lines_.read().columns(0, step_)); }

    /// Everything that a run depends on beside its own arguments, on the host.
    [[nodiscard]] snapshot_type snapshot() const {
        const auto run   = run_on_host();
        const auto lines = trace();
        return {step_, to_host(x_), to_host(v_), to_host(log_w_), to_host(log_p_), to_host(family_), run.log_z, run.log_delta, run.resamplings, lines, ancestors(lines),
                spent_, rng_.seed, setting_};
    }

private:
    template <class, class, class>
    friend class smc;

    smc_state(const context_type& context, philox rng, const Condition& condition, index_t rows, index_t columns, index_t steps, bool record_ancestors, bool weighted, smc_setting setting)
        : context_(&context), rng_(rng), setting_(std::move(setting)), given_(condition), condition_(condition), total_(steps), record_(record_ancestors) {
        for (auto* particles : {&x_, &next_}) particles->resize(context, rows, columns);
        for (auto* numbers : {&v_, &next_v_, &log_w_, &next_log_w_}) numbers->resize(context, 1, columns);
        for (auto* numbers : {&log_p_, &next_log_p_, &correction_}) numbers->resize(context, 1, weighted ? columns : 0);
        family_.resize(context, 1, columns);
        chosen_before_.resize(record_ ? static_cast<std::size_t>(steps) : 0);
        lines_.resize(context, 1, steps);
        numbers_.resize(context, 1, 1);
        run_.resize(context, 1, 1);
    }
    template <class Resampler>
    void prepare_to_resample(const Resampler& resampler) {
        for (auto* indices : {&next_family_, &chosen_}) indices->resize(*context_, 1, columns());
        cumulative_.resize(*context_, 1, columns());
        if constexpr (!context_type::host_memory) masked_.resize(*context_, 1, columns());
        if constexpr (requires { resampler.prepare(*context_, columns(), space_); }) resampler.prepare(*context_, columns(), space_);
        space_.highest.resize(*context_, 1, 1);
    }

    [[nodiscard]] index_t columns() const { return x_.columns(); }
    [[nodiscard]] bool    weighted() const { return log_p_.size() > 0; } ///< whether the kernel carries weights of its own
    [[nodiscard]] smc_step* line(index_t k) { return lines_.data() + (k - 1); } ///< of step k = 1, 2, ...
    [[nodiscard]] detail::run_numbers run_on_host() const { return to_host(run_).front(); }
    /// Of each step so far; empty where it did not resample, or before a snapshot that has none.
    [[nodiscard]] std::vector<std::vector<std::int32_t>> ancestors(const std::vector<smc_step>& lines) const {
        std::vector<std::vector<std::int32_t>> result(record_ ? lines.size() : 0);
        for (std::size_t k = 0; k < result.size(); ++k)
            if (lines[k].resampled && chosen_before_[k].size() > 0) result[k] = to_host(chosen_before_[k]);
        return result;
    }

    /// x_0 ~ N(0, I), V_0 for all, weights 1.
    void begin(double initial_value, double log_delta) {
        write_run({.log_z = initial_value, .log_delta = log_delta});
        draw_normal(rng_.stream(purpose::initial), x_.mutable_view());
        context_->for_each(columns(), detail::fill_number{initial_value, v_.data()});
        context_->for_each(columns(), detail::fill_number{0.0, log_w_.data()});
        context_->for_each(columns(), detail::own_index{family_.data()});
        order_conditions();
    }

    /// @throws std::invalid_argument with the numbers of both unless the snapshot belongs to such a run, and with the number where it has one that no run has.
    void restore(const snapshot_type& from, const smc_options& options) {
        const auto n = static_cast<std::size_t>(columns());
        require(static_cast<index_t>(from.log_densities.size()) == log_p_.size(), [&] {
            return "this snapshot holds " + digits_of(from.log_densities.size()) + " log-densities, and this sampler's kernel carries " + digits_of(log_p_.size()) +
                   ": a kernel with weights and one without do not go on with each other's runs";
        });
        require(from.particles.size() == static_cast<std::size_t>(x_.size()) && from.values.size() == n && from.log_weights.size() == n && from.families.size() == n,
                [&] {
                    return "this snapshot holds " + digits_of(from.values.size()) + " particles and " + digits_of(from.particles.size()) +
                           " coordinates, this sampler has " + digits_of(n) + " and " + digits_of(x_.size());
                });
        require(from.step >= 0 && from.step <= total_ && static_cast<index_t>(from.steps.size()) == from.step, [&] {
            return "this snapshot is of step " + digits_of(from.step) + " with a trace of " + digits_of(from.steps.size()) + ", this sampler has " +
                   digits_of(total_) + " steps";
        });
        require(static_cast<index_t>(from.ancestors.size()) <= from.step,
                [&] { return "this snapshot of step " + digits_of(from.step) + " has ancestors of " + digits_of(from.ancestors.size()) + " steps"; });
        for (const auto& ancestors : from.ancestors)
            require(ancestors.empty() || ancestors.size() == n, [&] { return "this snapshot has " + digits_of(ancestors.size()) + " ancestors of " + digits_of(n) + " particles"; });
        detail::require_setting("snapshot", from.setting, setting_);
        require(from.seed == rng_.seed, [&] { return "this snapshot belongs to the run of seed " + digits_of(from.seed) + ", this one is of seed " + digits_of(rng_.seed); });
        detail::snapshot_check<typename Batch::value_type>(from, options)();
        context_->from_host(from.particles.data(), x_.size(), x_.data());
        context_->from_host(from.values.data(), columns(), v_.data());
        context_->from_host(from.log_weights.data(), columns(), log_w_.data());
        context_->from_host(from.log_densities.data(), log_p_.size(), log_p_.data());
        context_->from_host(from.families.data(), columns(), family_.data());
        for (std::size_t k = 0; k < (record_ ? from.ancestors.size() : 0); ++k)
            if (!from.ancestors[k].empty()) chosen_before_[k] = from_host<std::int32_t>(*context_, 1, columns(), from.ancestors[k]);
        context_->from_host(from.steps.data(), from.step, lines_.data());
        order_conditions();
        write_run({.log_z = from.log_z, .log_delta = from.log_delta, .resamplings = from.resamplings});
        step_  = from.step;
        spent_ = from.spent;
    }
    void write_run(const detail::run_numbers& run) { context_->from_host(&run, 1, run_.data()); }

    /// The weights of the next particles by their values, and the step's line.
    /// @throws dead_weights
    void weigh(const detail::step_plan& plan) {
        const detail::weight_increment increment{next_v_.data(), v_.data(), weighted() ? correction_.data() : nullptr};
        context_->for_each(columns(), detail::add_increment{increment, log_w_.data(), next_log_w_.data()});
        detail::summarise_weights(*context_, columns(), log_w_.data(), next_log_w_.data(), increment, plan, numbers_.data(), line(plan.k));
    }

    /// Whether there is resampling to do at step k: where the host cannot tell, there is, and it comes to nothing if the line says no.
    [[nodiscard]] bool may_resample(const detail::step_plan& plan) {
        if constexpr (context_type::host_memory)
            return line(plan.k)->resampled;
        else
            return !plan.last && plan.least_ess > 0.0;
    }

    /// Ancestors by the next weights. @throws numeric_error naming step and place where the resampler's is no particle.
    template <class Resampler>
    void choose(const Resampler& resampler, index_t k) {
        const double* weights = next_log_w_.data();
        if constexpr (!context_type::host_memory) {
            context_->for_each(columns(), detail::weight_to_resample{line(k), weights, masked_.data()});
            weights = masked_.data();
        }
        cumulative_weights(*context_, weights, columns(), space_, cumulative_.data());
        resampler(*context_, cumulative_.data(), columns(), rng_.stream(purpose::resampling, k), space_, chosen_.data());
        context_->forbid(columns(), detail::no_particle{chosen_.data(), columns()},
                         deferred_error{.what = "the resampler wrote an ancestor that is no particle", .step = k, .indices = chosen_.data()});
        if constexpr (!context_type::host_memory) context_->for_each(columns(), detail::stay_unless_resampled{line(k), columns(), chosen_.data()});
    }

    /// The next particles, values and weights become the state.
    void advance(const detail::step_plan& plan) {
        x_.swap(next_);
        v_.swap(next_v_);
        log_w_.swap(next_log_w_);
        log_p_.swap(next_log_p_);
        step_ = plan.k;
        context_->for_each(1, detail::settle_step{numbers_.data(), line(step_), run_.data(), plan.last});
    }

    /// The chosen ancestors take all places: state, value, density, family and condition travel together, weights become 1.
    void take_chosen() {
        const auto take = [&](auto& carried, auto& next) {
            context_->gather(carried.read(), chosen_.data(), next.mutable_view());
            carried.swap(next);
        };
        take(x_, next_);
        take(v_, next_v_);
        if (weighted()) take(log_p_, next_log_p_);
        take(family_, next_family_);
        order_conditions();
        context_->for_each(columns(), detail::forget_weight{line(step_), log_w_.data()});
        if (!record_) return;
        auto& kept = chosen_before_[static_cast<std::size_t>(step_ - 1)];
        kept.resize(*context_, 1, columns());
        context_->copy(chosen_.data(), columns(), kept.data());
    }

    /// Each particle keeps the condition of the x_0 that it descends from.
    void order_conditions() { condition_ = conditions_.gather(*context_, given_, family_.data(), columns()); }

    const context_type*                      context_;
    philox                                   rng_;
    smc_setting                              setting_; ///< of the sampler that made it
    Condition                                given_, condition_; ///< as the caller gave it, and in the order of the particles
    condition_store<Condition, context_type> conditions_;
    index_t                                  step_ = 0, total_ = 0;
    bool                                     record_ = false;
    Batch                                    x_, next_;
    rebind_t<Batch, double>                  v_, next_v_, log_w_, next_log_w_, masked_;
    rebind_t<Batch, double>                  log_p_, next_log_p_, correction_; ///< of a weighted kernel; else empty
    rebind_t<Batch, std::int32_t>            family_, next_family_, chosen_;
    std::vector<rebind_t<Batch, std::int32_t>> chosen_before_; ///< of each step, where it is recorded; else empty
    rebind_t<Batch, smc_step>                lines_; ///< the trace
    rebind_t<Batch, detail::step_numbers>    numbers_;
    rebind_t<Batch, detail::run_numbers>     run_;
    rebind_t<Batch, std::uint64_t>           cumulative_;
    resampling_scratch<context_type>         space_;
    cost                                     spent_;
    stopwatch                        clock_;
};

} // namespace diamond
