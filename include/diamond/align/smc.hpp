/// Sequential Monte Carlo for the tilted target p^r, with an unbiased estimate of Z. Section 7, to the letter.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/chain.hpp>
#include <diamond/align/resampling.hpp>
#include <diamond/align/smc_result.hpp>
#include <diamond/concepts/resampler.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/value/reward_caller.hpp>

namespace diamond {

struct smc_options {
    index_t               particles = 1024;
    index_t               steps     = 16;
    std::vector<double>   times     = {};  ///< 0 = t_0 < ... < t_K = 1; `steps` equal ones where empty
    double                threshold = 0.5; ///< resample when ESS < threshold N; 0 never, above 1 always
    double                initial_value   = 0.0;     ///< V_0, where log Z starts: any number; x_0 carries nothing
    double                value_floor     = -1000.0; ///< V_k >= floor for k < K, so that only the reward itself can kill a particle
    std::optional<double> log_delta       = {};      ///< V_k = logaddexp(estimate, log delta) for k < K, fixed beforehand; -infinity: none
    index_t               pilot_particles = 128;     ///< where log_delta is not given: a run of so many on its own stream estimates log Z for it; 0: none
    bool                  record_ancestors = false;
    smc_trust             trust = {};
};

namespace detail {
struct raise_values {
    double  floor, log_delta;
    double* value;
    DIAMOND_HD void operator()(index_t j) const { value[j] = log_add_exp(value[j] > floor ? value[j] : floor, log_delta); }
};
struct not_a_value {
    const double* values;
    DIAMOND_HD bool operator()(index_t j) const { return std::isnan(values[j]) || values[j] == infinity; }
};
/// log w += V_k - V_{k-1}; the old value is finite, or the particle dead already.
struct weigh_by_value {
    const double *value, *before;
    double *      log_weight, *increment;
    DIAMOND_HD void operator()(index_t j) const {
        increment[j] = value[j] - before[j];
        log_weight[j] += increment[j];
    }
};
struct constant_fill {
    double  constant;
    double* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = constant; }
};
struct own_index {
    std::int32_t* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = static_cast<std::int32_t>(j); }
};
struct relative_weight {
    const double* log_weight;
    double        high;
    int           power;
    DIAMOND_HD double operator()(index_t j) const { return std::exp(power * (log_weight[j] - high)); }
};
struct weighted_entry {
    const double *log_weight, *value;
    double        high;
    DIAMOND_HD double operator()(index_t j) const {
        const double weight = std::exp(log_weight[j] - high);
        return weight > 0.0 ? weight * value[j] : 0.0;
    }
};
/// The sign-flipped increment of a live particle: its maximum is the least increment.
struct live_increment {
    const double *log_weight, *increment;
    double        sign;
    DIAMOND_HD double operator()(index_t j) const { return log_weight[j] == -infinity ? -infinity : sign * increment[j]; }
};
} // namespace detail

/// Particles x_k ~ kernel, weighed by exp(V_k - V_{k-1}), resampled when their effective number falls, on 0 = t_0 < ... < t_K = 1.
///
/// Step k: propagate; value; weigh; ESS of the accumulated weights; below threshold N resample: state, value, family, condition
/// travel together, weights to 1, log Z += log mean w. At K there is no resampling: log Z += log mean of the final weights, which
/// are returned. The increments telescope to exp r(x_1), so Z-hat is unbiased for the kernel's own end law for any finite values, noisy
/// or wrong, because each particle keeps the value that was drawn for it. Cost: K transitions and K - 1 values a particle, N rewards.
template <class Kernel, class Value, class Resampler = systematic>
class smc {
    static_assert(diagnose_transition_kernel<Kernel>() && diagnose_value_estimator<Value>());
    static_assert(diagnose_resampler<Resampler, backend_of_t<typename Kernel::batch_type>>());
    static_assert(std::is_same_v<typename Kernel::batch_type, typename Value::batch_type>,
                  "kernel and value estimator must run on the same batch type: float and double particles do not mix");

public:
    using batch_type     = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type   = backend_of_t<batch_type>;
    using real           = typename batch_type::value_type;
    using result_type    = smc_result<batch_type>;
    using snapshot_type  = smc_snapshot<real>;

    /// @throws std::invalid_argument for no particles or steps, an unsorted grid, a floor that is not finite or a log_delta that is NaN or +inf.
    smc(Kernel kernel, Value value, smc_options options = {}, Resampler resampler = {})
        : kernel_(std::move(kernel)), value_(std::move(value)), resampler_(std::move(resampler)), grid_(time_grid_of(options)), options_(std::move(options)) {
        require(options_.particles >= 1 && options_.particles <= INT32_MAX,
                [&] { return "SMC of " + std::to_string(options_.particles) + " particles: at least 1 and at most 2^31 - 1 are needed"; });
        require(kernel_.dimension() == value_.dimension(), [&] {
            return "the kernel has dimension " + std::to_string(kernel_.dimension()) + ", the value estimator " + std::to_string(value_.dimension());
        });
        require(std::isfinite(options_.value_floor) && std::isfinite(options_.initial_value), "the value floor and V_0 must be finite");
        require(!std::isnan(options_.threshold) && options_.pilot_particles >= 0, "the threshold must be a number, and the pilot's particles not negative");
        require(!options_.log_delta || *options_.log_delta < infinity, "log_delta must be finite, or -infinity for none");
    }

    /// Where a run stands. Owned by the caller between `start`, `step` and `finish`.
    class state {
    public:
        [[nodiscard]] index_t step() const { return step_; }
        [[nodiscard]] index_t steps() const { return total_; }
        [[nodiscard]] bool    done() const { return step_ == total_; }
        [[nodiscard]] double  log_z_so_far() const { return log_z_; }
        [[nodiscard]] const std::vector<smc_step>& trace() const { return trace_; }
        [[nodiscard]] const_view_t<batch_type> particles() const { return x_.read(); }

        /// Everything that a run depends on, on the host.
        [[nodiscard]] snapshot_type snapshot() const {
            return {step_, to_host(x_), to_host(v_), to_host(log_w_), to_host(family_), to_host(lineage_), log_z_, log_delta_, resamplings_, trace_, ancestors_, spent_};
        }

    private:
        friend class smc;
        const context_type*               context_ = nullptr;
        philox                            rng_{0};
        condition_type                    given_{}, condition_{};
        condition_store<condition_type, context_type> conditions_;
        index_t                           step_ = 0, total_ = 0, resamplings_ = 0;
        double                            log_z_ = 0.0, log_delta_ = -infinity, final_ess_ = NAN;
        batch_type                        x_, next_;
        rebind_t<batch_type, double>      v_, next_v_, log_w_, increment_;
        rebind_t<batch_type, std::int32_t>  family_, lineage_, spare_, chosen_;
        rebind_t<batch_type, std::uint64_t> cumulative_;
        resampling_scratch<context_type>  resampling_;
        std::vector<smc_step>             trace_;
        std::vector<std::vector<std::int32_t>> ancestors_;
        cost                              spent_;
        detail::stopwatch                 clock_;
    };

    /// The whole run. @throws dead_weights where all final weights are zero; numeric_error where a value or reward is NaN or +inf.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const condition_type& condition = {}, Observer observer = {}) {
        return run(start(context, rng, condition), observer);
    }
    /// The rest of a run from a snapshot; the same arguments give the same bits as the run that it was taken from.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const snapshot_type& from, const condition_type& condition = {}, Observer observer = {}) {
        return run(resume(context, rng, from, condition), observer);
    }

    /// x_0 ~ N(0, I), and the pilot where log_delta asks for one.
    state start(const context_type& context, philox rng, const condition_type& condition = {}) {
        state s     = empty(context, rng, condition);
        s.log_z_    = options_.initial_value;
        s.log_delta_ = options_.log_delta ? *options_.log_delta : pilot(s);
        draw_normal(rng.stream(purpose::initial), s.x_.mutable_view());
        context.for_each(options_.particles, detail::constant_fill{options_.initial_value, s.v_.data()});
        context.for_each(options_.particles, detail::constant_fill{0.0, s.log_w_.data()});
        context.for_each(options_.particles, detail::own_index{s.family_.data()});
        context.for_each(options_.particles, detail::own_index{s.lineage_.data()});
        return s;
    }

    state resume(const context_type& context, philox rng, const snapshot_type& from, const condition_type& condition = {}) {
        state s = empty(context, rng, condition);
        require(static_cast<index_t>(from.values.size()) == options_.particles && static_cast<index_t>(from.particles.size()) == s.x_.size() && from.step >= 0 &&
                    from.step <= s.total_ && static_cast<index_t>(from.steps.size()) == from.step,
                [&] { return "this snapshot is of " + std::to_string(from.values.size()) + " particles at step " + std::to_string(from.step) + ", not of this sampler's " +
                             std::to_string(options_.particles) + " particles and " + std::to_string(s.total_) + " steps"; });
        s.step_ = from.step;
        context.from_host(from.particles.data(), s.x_.size(), s.x_.data());
        context.from_host(from.values.data(), options_.particles, s.v_.data());
        context.from_host(from.log_weights.data(), options_.particles, s.log_w_.data());
        context.from_host(from.families.data(), options_.particles, s.family_.data());
        context.from_host(from.lineage.data(), options_.particles, s.lineage_.data());
        s.condition_   = s.conditions_.gather(context, s.given_, s.lineage_.data(), options_.particles);
        s.log_z_       = from.log_z;
        s.log_delta_   = from.log_delta;
        s.resamplings_ = from.resamplings;
        s.trace_.assign(from.steps.begin(), from.steps.end());
        s.trace_.reserve(static_cast<std::size_t>(s.total_));
        s.ancestors_ = from.ancestors;
        s.spent_     = from.spent;
        return s;
    }

    /// One step. Where kernel, value or reward throw, the state is as before and the step may be tried again.
    /// @throws dead_weights where all weights are zero: the run is over.
    void step(state& s) {
        require(!s.done(), "this run of SMC has taken its last step");
        const context_type& context = *s.context_;
        const index_t       n = options_.particles, k = s.step_ + 1;
        const bool          last = k == s.total_;
        const interval      span{grid_[static_cast<std::size_t>(k - 1)], grid_[static_cast<std::size_t>(k)]};
        const cost          before = spent();

        kernel_(s.x_.read(), span, s.condition_, s.rng_.stream(purpose::transition, k), s.next_.mutable_view());
        evaluate(s, k, span.to);
        s.x_.swap(s.next_);
        context.for_each(n, detail::weigh_by_value{s.next_v_.data(), s.v_.data(), s.log_w_.data(), s.increment_.data()});
        s.v_.swap(s.next_v_);
        s.step_ = k;

        const double high = context.max(n, detail::log_weight_entry{s.log_w_.data()});
        if (high == -infinity) throw dead_weights(static_cast<long>(k));
        const double sum        = context.sum(n, detail::relative_weight{s.log_w_.data(), high, 1});
        const double sum_square = context.sum(n, detail::relative_weight{s.log_w_.data(), high, 2});
        smc_step     trace{.time = span.to, .ess = square(sum) / sum_square, .largest_share = 1.0 / sum};
        trace.least_increment   = -context.max(n, detail::live_increment{s.log_w_.data(), s.increment_.data(), -1.0});
        trace.largest_increment = context.max(n, detail::live_increment{s.log_w_.data(), s.increment_.data(), 1.0});
        trace.mean_value        = context.sum(n, detail::weighted_entry{s.log_w_.data(), s.v_.data(), high}) / sum;
        const double log_mean   = high + std::log(sum / static_cast<double>(n));
        if (last) {
            s.log_z_ += log_mean;
            s.final_ess_ = trace.ess;
        } else if (trace.ess < options_.threshold * static_cast<double>(n)) {
            s.log_z_ += log_mean;
            resample(s, k);
            trace.resampled = true;
            // Rejuvenation has its place here: right after resampling, from the stored parents.
        }
        s.trace_.push_back(trace);
        s.spent_ += spent() - before;
    }

    /// The result of a run that is done, or of one stopped early: incomplete, and without log Z.
    result_type finish(state s) const {
        result_type result;
        result.complete    = s.done();
        result.log_weights = to_host(s.log_w_);
        result.families    = to_host(s.family_);
        result.steps       = std::move(s.trace_);
        result.ancestors   = std::move(s.ancestors_);
        result.particles   = std::move(s.x_);
        result.log_delta   = s.log_delta_;
        result.spent       = s.spent_;
        result.seconds     = s.clock_.seconds();
        if (!result.complete) {
            result.warnings.emplace_back("the run was stopped after step " + std::to_string(s.step_) + " of " + std::to_string(s.total_) + ": it has no log Z");
            return result;
        }
        result.log_z        = s.log_z_;
        result.ess          = s.final_ess_;
        result.log_z_method = resampler_.method();
        const double variance = relative_variance_of_z(result.log_z_method, family_square(result), options_.particles, s.resamplings_);
        result.log_z_standard_error = std::sqrt(std::fmax(variance, 0.0));
        result.exact_for_sampler    = true; // carried values, full weights, finite V: this driver does nothing else
        result.exact_for_model      = kernel_.exact();
        detail::warn_of_distrust(result.steps, options_.particles, variance, options_.trust, result.warnings);
        return result;
    }

    /// Evaluations of kernel and value estimator so far.
    [[nodiscard]] cost spent() const { return cost(kernel_.spent()) + cost(value_.spent()) + cost{.reward = final_rewards_}; }

private:
    state empty(const context_type& context, philox rng, const condition_type& condition) const {
        state s;
        const index_t n = options_.particles, rows = static_cast<index_t>(kernel_.dimension());
        s.context_ = &context;
        s.rng_     = rng;
        s.given_ = s.condition_ = condition;
        s.total_                = static_cast<index_t>(grid_.size()) - 1;
        s.x_.resize(context, rows, n);
        s.next_.resize(context, rows, n);
        for (auto* values : {&s.v_, &s.next_v_, &s.log_w_, &s.increment_}) values->resize(context, 1, n);
        for (auto* indices : {&s.family_, &s.lineage_, &s.spare_, &s.chosen_}) indices->resize(context, 1, n);
        s.cumulative_.resize(context, 1, n);
        s.trace_.reserve(static_cast<std::size_t>(s.total_));
        if (options_.record_ancestors) s.ancestors_.resize(static_cast<std::size_t>(s.total_));
        return s;
    }

    template <class Observer>
    result_type run(state s, Observer& observer) {
        while (!s.done()) {
            step(s);
            const smc_view<batch_type> view{s.step_, s.total_, s.trace_.back().time, s.x_.read(), s.v_.data(), s.log_w_.data(), s.trace_.back()};
            if (!detail::keep_going(observer, view)) break;
        }
        return finish(std::move(s));
    }

    /// V of the propagated particles into next_v_: r itself at the last step.
    void evaluate(state& s, index_t k, double t) {
        const context_type& context = *s.context_;
        const index_t       n       = options_.particles;
        if (t >= 1.0) {
            call_reward(value_.reward(), s.next_.read(), s.condition_, k, 1, s.next_v_.data());
            final_rewards_ += n;
            return;
        }
        value_(s.next_.read(), t, s.condition_, s.rng_.stream(purpose::value, k), value_batch{.value = s.next_v_.data()});
        const index_t bad = context.find_first(n, detail::not_a_value{s.next_v_.data()});
        if (bad < n) throw numeric_error("the value estimate is NaN or +infinity", static_cast<long>(k), static_cast<long>(bad));
        context.for_each(n, detail::raise_values{options_.value_floor, s.log_delta_, s.next_v_.data()});
    }

    void resample(state& s, index_t k) {
        const context_type& context = *s.context_;
        const index_t       n       = options_.particles;
        cumulative_weights(context, s.log_w_.data(), n, s.cumulative_.data());
        resampler_(context, s.cumulative_.data(), n, s.rng_.stream(purpose::resampling, k), s.resampling_, s.chosen_.data());
        context.gather(s.x_.read(), s.chosen_.data(), s.next_.mutable_view());
        s.x_.swap(s.next_);
        context.gather(s.v_.read(), s.chosen_.data(), s.next_v_.mutable_view());
        s.v_.swap(s.next_v_);
        for (auto* indices : {&s.family_, &s.lineage_}) {
            context.gather(indices->read(), s.chosen_.data(), s.spare_.mutable_view());
            indices->swap(s.spare_);
        }
        s.condition_ = s.conditions_.gather(context, s.given_, s.lineage_.data(), n);
        context.for_each(n, detail::constant_fill{0.0, s.log_w_.data()});
        ++s.resamplings_;
        if (options_.record_ancestors) s.ancestors_[static_cast<std::size_t>(k - 1)] = to_host(s.chosen_);
    }

    /// log Z of a small run without delta, on its own stream, so that delta is fixed before the run that uses it; its bill is the run's.
    double pilot(state& s) const {
        constexpr std::uint64_t pilot_stream = 0x9170701; // any number that no user is likely to split by
        if (options_.pilot_particles == 0 || s.total_ == 1) return -infinity; // with one step there is no V_k, k < K, to raise
        smc_options options      = options_;
        options.particles        = std::min(options_.pilot_particles, options_.particles);
        options.log_delta        = -infinity;
        options.record_ancestors = false;
        smc    small(kernel_, value_, options, resampler_);
        double log_z = -infinity;
        try {
            log_z = small(*s.context_, s.rng_.split(pilot_stream), s.given_).log_z;
        } catch (const dead_weights&) {
            // A pilot that finds nothing says nothing: no delta.
        }
        s.spent_ = small.spent() - spent();
        return log_z;
    }

    double family_square(const result_type& result) const {
        const std::vector<double> weight = result.weights();
        std::vector<double>       family(weight.size(), 0.0);
        for (std::size_t j = 0; j < weight.size(); ++j) family[static_cast<std::size_t>(result.families[j])] += weight[j];
        double sum = 0.0;
        for (const double w : family) sum += square(w);
        return sum;
    }

    Kernel               kernel_;
    Value                value_;
    Resampler            resampler_;
    std::vector<double>  grid_;
    smc_options          options_;
    std::int64_t         final_rewards_ = 0;
};

} // namespace diamond
