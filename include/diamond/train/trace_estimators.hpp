/// The traces of Jacobians by which a network with divergence is trained: where no teacher gives the
/// divergence, it is that of the moving average's own velocity, exact, estimated by probes, or read from the
/// network's last row. See (eq. divergence-loss).
#pragma once

#include <concepts>
#include <string>
#include <type_traits>

#include <diamond/concepts/backend.hpp>
#include <diamond/density/divergence.hpp>
#include <diamond/density/probe.hpp>
#include <diamond/train/option_checks.hpp>

namespace diamond {

/// Trace estimator: a policy of diamond_trainer for networks with divergence. It gives directions v_1 ... v_M
/// such that tr J is the expectation of share * sum_k v_k . J v_k.
///
/// A type T models `trace_estimator` for batches of type Batch if
///   1. trace.products(d) is M, the number of Jacobian-vector products for each column in dimension d, at
///      least 1;
///   2. trace.share(d) is the factor of the sum;
///   3. trace.direction(noise_stream, k, out) writes v_k, k = 0 ... M - 1, into each column of `out`, d x
///      n;
///   4. trace.random(d) says whether the estimate is random. A random target has no loss weighted by its
///      own size.
/// T may have text() const, which names it in the identity of a training.
/// Models: exact_trace, hutchinson_trace, default_trace, and on_diagonal of one of these.
template <class T, class Batch>
concept trace_estimator = std::copy_constructible<T> &&
                          requires(const T& trace, index_t d, noise_stream stream, view_t<Batch> out) {
                              { trace.products(d) } -> std::convertible_to<index_t>;
                              { trace.random(d) } -> std::convertible_to<bool>;
                              { trace.share(d) } -> std::convertible_to<double>;
                              trace.direction(stream, d, out);
                          };

/// The exact trace, by d products with the unit vectors.
struct exact_trace {
    [[nodiscard]] static index_t products(index_t d) { return d; }
    [[nodiscard]] static bool random(index_t) { return false; }
    [[nodiscard]] static double share(index_t) { return 1.0; }
    template <class Real, class Context>
    void direction(noise_stream, index_t k, batch_view<Real, Context> out) const {
        out.context().for_each(out.rows(), out.columns(),
                               detail::unit_tangent<batch_view<Real, Context>>{.k = k, .out = out});
    }
    [[nodiscard]] static std::string text() { return "exact_trace"; }
};

/// Hutchinson's estimate of the trace, the mean over M probes.
template <class Probe = rademacher_probe>
struct hutchinson_trace {
    index_t probes = 1; ///< M, at least 1
    Probe probe = {};   ///< the law of the probes, whose covariance is the identity
    [[nodiscard]] index_t products(index_t) const { return probes; }
    [[nodiscard]] static bool random(index_t) { return true; }
    [[nodiscard]] double share(index_t) const { return 1.0 / static_cast<double>(probes); }
    template <class Real, class Context>
    void direction(noise_stream stream, index_t k, batch_view<Real, Context> out) const {
        out.context().for_each(
            out.columns(), detail::fill_probe<Probe, batch_view<Real, Context>>{
                               .probe = probe, .stream = stream, .samples = probes, .sample = k, .out = out});
    }
    /// Names the probe, unless it is the default, of which the states that were written before do not speak.
    [[nodiscard]] std::string text() const {
        std::string result = "hutchinson_trace of " + digits_of(probes);
        if constexpr (!std::is_same_v<Probe, rademacher_probe>) result += " by " + detail::text_of(probe);
        return result;
    }
};

/// The exact trace up to d = most_exact_dimension, and Hutchinson's estimate above.
struct default_trace {
    /// The estimate above the dimension in which the exact trace is affordable.
    hutchinson_trace<> probing = {};
    [[nodiscard]] index_t products(index_t d) const { return random(d) ? probing.products(d) : d; }
    [[nodiscard]] static bool random(index_t d) { return d > most_exact_dimension; }
    [[nodiscard]] double share(index_t d) const { return random(d) ? probing.share(d) : 1.0; }
    template <class Real, class Context>
    void direction(noise_stream stream, index_t k, batch_view<Real, Context> out) const {
        random(out.rows()) ? probing.direction(stream, k, out) : exact_trace{}.direction(stream, k, out);
    }
    [[nodiscard]] std::string text() const { return "default_trace, " + probing.text(); }
};

/// A trace that is taken on the diagonal only. Off the diagonal the divergence is the last row that the
/// moving average's network gives there: one evaluation in place of the products, and without the noise of
/// probes.
template <class Trace = default_trace>
struct on_diagonal : Trace {
    /// The divergence off the diagonal is the network's own last row.
    static constexpr bool off_diagonal_by_head = true;
    [[nodiscard]] std::string text() const {
        return "on_diagonal, " + detail::text_of(static_cast<const Trace&>(*this));
    }
};

} // namespace diamond
