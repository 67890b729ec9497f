/// Where the training of a network with divergence has its divergences from. With no teacher they are those of the moving average's own velocity: its trace,
/// exactly or by probes, or what its head says of it. Sections 5 and 8.
///
/// A type of these is `Trace` of diamond_training_options: trace.products(d) is how many Jacobian-vector products a column takes, trace.random(d)
/// says that the target is a random number of the right mean, for which no loss is weighted by its own size.
#pragma once

#include <string>
#include <utility>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/density/divergence.hpp>
#include <diamond/density/probe.hpp>
#include <diamond/schedule/field_evaluator.hpp>
#include <diamond/train/option_checks.hpp>
#include <diamond/train/teacher.hpp>

namespace diamond {

/// div v by d products.
struct exact_trace {
    [[nodiscard]] static index_t products(index_t d) { return d; }
    [[nodiscard]] static bool random(index_t) { return false; }
    template <class Real, class Context>
    void direction(const Context& context, noise_stream, index_t k, index_t rows, index_t columns, Real* out) const {
        context.for_each(rows, columns, detail::unit_tangent<Real>{k, rows, out});
    }
    [[nodiscard]] static double share(index_t) { return 1.0; }
    [[nodiscard]] static std::string text() { return "exact_trace"; }
};

/// div v by Hutchinson's estimate with M probes.
template <class Probe = rademacher_probe>
struct hutchinson_trace {
    index_t probes = 1;
    Probe probe    = {};
    [[nodiscard]] index_t products(index_t) const { return probes; }
    [[nodiscard]] static bool random(index_t) { return true; }
    template <class Real, class Context>
    void direction(const Context& context, noise_stream stream, index_t k, index_t rows, index_t columns, Real* out) const {
        context.for_each(columns, detail::fill_probe<Probe, Real>{probe, stream, probes, k, rows, out});
    }
    [[nodiscard]] double share(index_t) const { return 1.0 / static_cast<double>(probes); }
    [[nodiscard]] std::string text() const { return "hutchinson_trace of " + digits_of(probes); }
};

/// The default: exact up to d = most_exact_dimension, Hutchinson's above.
struct default_trace {
    hutchinson_trace<> probing = {};
    [[nodiscard]] index_t products(index_t d) const { return random(d) ? probing.products(d) : d; }
    [[nodiscard]] static bool random(index_t d) { return d > most_exact_dimension; }
    template <class Real, class Context>
    void direction(const Context& context, noise_stream stream, index_t k, index_t rows, index_t columns, Real* out) const {
        random(rows) ? probing.direction(context, stream, k, rows, columns, out) : exact_trace{}.direction(context, stream, k, rows, columns, out);
    }
    [[nodiscard]] double share(index_t d) const { return random(d) ? probing.share(d) : 1.0; }
    [[nodiscard]] std::string text() const { return "default_trace, " + probing.text(); }
};

/// A trace teaches the diagonal, and the moving average's own head there teaches what is off it: one evaluation in place of the products, and
/// where those are probes, without their noise.
template <class Trace = default_trace>
struct on_diagonal : Trace {
    static constexpr bool off_diagonal_by_head = true;
    [[nodiscard]] std::string text() const { return "on_diagonal, " + detail::text_of(static_cast<const Trace&>(*this)); }
};

namespace detail {
/// The last row from, or plus, share a . b.
template <class Real>
struct add_trace_term {
    const Real *direction, *product;
    index_t d, rows;
    double share;
    bool first;
    Real* out; // of `rows` rows
    DIAMOND_HD void operator()(index_t j) const {
        double sum = 0.0;
        for (index_t i = 0; i < d; ++i) sum += static_cast<double>(direction[i + d * j]) * static_cast<double>(product[i + rows * j]);
        Real& trace = out[d + rows * j];
        trace       = static_cast<Real>((first ? 0.0 : static_cast<double>(trace)) + share * sum);
    }
};
template <class Real>
struct put_last_row {
    const double* value;
    index_t d;
    Real* out;
    DIAMOND_HD void operator()(index_t j) const { out[d + (d + 1) * j] = static_cast<Real>(value[j]); }
};
} // namespace detail

/// A trained sampler as the teacher of a flow map with divergence: a velocity field on the inner schedule, with the divergence that a `Divergence`
/// (density/divergence.hpp) makes of it. For training at t = 0 (uniform_time{.at_zero = 1}). Cost: one evaluation of the field and a divergence.
template <class Field, class Divergence>
class flow_teacher {
    static_assert(diagnose_differentiable_velocity_field<Field>());

public:
    using batch_type             = typename Field::batch_type;
    static constexpr bool random = Divergence::random;
    static constexpr bool knows_no_outer_time = true; ///< a trainer refuses it where t is not always 0

    explicit flow_teacher(Divergence trace) : field_(trace.field()), divergence_(std::move(trace)) {}

    /// out = u, d x n.
    template <class Condition>
    void operator()(const diamond_arguments<batch_type>& at, const Condition& condition, view_t<batch_type> out) {
        field_(at.xbar, at.s, detail::known_condition<Field>(condition), out);
    }
    /// out[j] = div u, or an estimate.
    template <class Condition>
    void divergence(const diamond_arguments<batch_type>& at, const Condition& condition, noise_stream stream, double* out) {
        divergence_(at.xbar, at.s, detail::known_condition<Field>(condition), stream, out);
    }

private:
    field_evaluator<Field> field_;
    Divergence divergence_;
};
template <class Divergence>
flow_teacher(Divergence) -> flow_teacher<typename Divergence::field_type, Divergence>;

} // namespace diamond
