/// A chain runs a transition kernel from noise to data without any reward: it is the prior of an alignment,
/// and the reference that alignment is held against.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <diamond/align/run.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/time_grid.hpp>

namespace diamond {

/// The options of chain.
struct chain_options {
    index_t particles = 1024; ///< N, 1 ... 2^31 - 1
    index_t steps = 16;       ///< K, the number of equal steps where `times` is empty
    /// The grid 0 = t_0 < ... < t_K = 1; `steps` equal steps where it is empty.
    std::vector<double> times = {};
};

/// The view of a chain that its observer gets after each step.
template <class Batch>
struct chain_view {
    index_t step, steps;           ///< the step just done, 1 ... K, and K
    double time;                   ///< t_k
    const_view_t<Batch> particles; ///< d x N
};

/// The result of a chain.
template <class Batch>
struct chain_result {
    Batch particles;                   ///< d x N draws at t = 1, or where the observer stopped
    std::vector<std::string> warnings; ///< reasons why they are not what they should be
    bool complete = false;             ///< says whether the last step was taken
    cost spent;                        ///< the evaluations of this run
    /// The time of the call. On a device that is the time until all is queued; the work is done when the
    /// particles have come to the host.
    double seconds = 0.0;
};

namespace detail {
/// Takes steps k = 1 ... K along a grid: step(k, span) moves the particles and returns a view of them for the
/// observer. Returns false where the observer stopped the run before its end.
template <class Batch, class Observer, class Step>
[[nodiscard]] bool walk(const std::vector<double>& grid, Observer& observer, const Step& step) {
    const auto steps = static_cast<index_t>(grid.size()) - 1;
    for (index_t k = 1; k <= steps; ++k) {
        const interval span{grid[static_cast<std::size_t>(k - 1)], grid[static_cast<std::size_t>(k)]};
        const chain_view<Batch> seen{.step = k, .steps = steps, .time = span.to, .particles = step(k, span)};
        if (!keep_going(observer, seen) && k < steps) return false;
    }
    return true;
}
/// Draws `particles` x_0 ~ N(0, I) and takes them along a grid, all by the streams of `noise`: what chain
/// does, and throws.
template <class Kernel, class Noise, class Condition, class Observer>
[[nodiscard]] chain_result<typename Kernel::batch_type> draw_chain(
    const backend_of_t<typename Kernel::batch_type>& context, Kernel& kernel, const std::vector<double>& grid,
    index_t particles, const Noise& noise, const Condition& condition, Observer& observer) {
    using batch_type = typename Kernel::batch_type;
    const stopwatch clock;
    const cost before = kernel.spent();
    chain_result<batch_type> result;
    batch_type next;
    const auto rows = static_cast<index_t>(kernel.dimension());
    result.particles.resize(context, rows, particles);
    next.resize(context, rows, particles);
    draw_normal(noise.stream(purpose::initial), result.particles.mutable_view());
    result.complete = walk<batch_type>(grid, observer, [&](index_t k, interval span) {
        at_step(k, [&] {
            kernel(result.particles, span, condition, noise.stream(purpose::transition, k), next);
        });
        require_particles(next.read(), k);
        result.particles.swap(next);
        return result.particles.read();
    });
    result.spent = cost(kernel.spent()) - before;
    result.seconds = clock.seconds();
    return result;
}
} // namespace detail

/// The grid of options that have `times` and `steps`: 0 = t_0 < ... < t_K = 1.
/// @throws std::invalid_argument for unsorted grids or no steps.
template <class Options>
[[nodiscard]] std::vector<double> time_grid_of(const Options& options) {
    constexpr index_t most = index_t{1} << 31; // a draw's address has 32 bits for its step
    require(!options.times.empty() || options.steps <= most, [&] {
        return "a time grid of " + digits_of(options.steps) + " steps: at most 2^31 can be told apart";
    });
    if (options.times.empty()) return uniform_time_grid(options.steps);
    require_time_grid(options.times);
    return options.times;
}

/// Draws x_0 ~ N(0, I) and x_{k+1} ~ kernel(x_k), and requires every particle of every step to be finite.
/// Cost: `steps` transitions a particle.
template <class Kernel>
class chain {
    static_assert(diagnose_transition_kernel_without_weights<Kernel>());

public:
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type = backend_of_t<batch_type>;

    /// @throws std::invalid_argument for no particles, no steps or an unsorted grid.
    explicit chain(Kernel kernel, const chain_options& options = {})
        : kernel_(std::move(kernel)), grid_(time_grid_of(options)), particles_(options.particles) {
        detail::require_particles("a chain", particles_);
    }

    /// Returns the number of transitions K, one less than the number of times in the grid.
    [[nodiscard]] index_t steps() const { return static_cast<index_t>(grid_.size()) - 1; }

    /// Runs all steps; the observer gets a chain_view after each of them, and stops the run where it returns
    /// false.
    /// @throws numeric_error naming step and particle where a coordinate is NaN or infinite; a device throws
    /// it when the host next waits.
    template <class Observer = no_observer>
    chain_result<batch_type> operator()(const context_type& context, philox rng,
                                        const condition_type& condition = {}, Observer observer = {}) {
        return detail::draw_chain(context, kernel_, grid_, particles_, rng, condition, observer);
    }
    template <class Rng, class Observer = no_observer>
    chain_result<batch_type> operator()(const context_type&, const Rng&, const condition_type& = {},
                                        Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }

private:
    Kernel kernel_;
    std::vector<double> grid_;
    index_t particles_;
};

} // namespace diamond
