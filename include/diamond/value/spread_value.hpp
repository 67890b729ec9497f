/// Draws spread over the particles by the variance of their values, under one budget. (eq. spread-shares),
/// (eq. spread-value).
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/host_device.hpp>

namespace diamond {

namespace detail {
/// Says whether a value has a spread that nobody knows: NaN without being forbidden.
DIAMOND_HD inline bool has_no_error(double value, double error) {
    return value > -infinity && !(error >= 0.0);
}
/// The share of particle with this standard error of its first value, in fixed point. It is at most that of
/// an error of 2, and one without a weight, of which nothing is known, counts as one of error 1, the largest
/// of draws without weights of their own.
DIAMOND_HD inline std::uint64_t share_of_error(double error) {
    constexpr double unit = 0x1p30, most = 2.0;
    if (!(error >= 0.0)) error = 1.0;
    return static_cast<std::uint64_t>((error < most ? error : most) * unit) + 1;
}

/// Writes which particle each unit of the second stage is of: unit k < N of particle k, and of the E units
/// behind them number k that in which (k + 1/2)/E of all shares falls.
template <class Context>
struct place_units {
    static constexpr index_t relative_cost = 32;
    row_view<const std::uint64_t, Context> cumulative; ///< running sums of the N shares
    row_view<std::int32_t, Context> particle;          ///< N + E
    DIAMOND_HD void operator()(index_t u) const {
        const index_t n = cumulative.columns(), further = particle.columns() - n;
        if (u < n) {
            particle[u] = static_cast<std::int32_t>(u);
            return;
        }
        const double at = (static_cast<double>(u - n) + 0.5) / static_cast<double>(further) *
                          static_cast<double>(cumulative[n - 1]);
        index_t low = 0, high = n - 1;
        while (low < high) {
            const index_t middle = low + (high - low) / 2;
            if (static_cast<double>(cumulative[middle]) > at)
                high = middle;
            else
                low = middle + 1;
        }
        particle[u] = static_cast<std::int32_t>(low);
    }
};

/// Writes V_j = log(w exp V_first + (1 - w) mean exp V_u) over the units u of particle j, and its standard
/// error.
template <class Context>
struct join_units {
    static constexpr index_t relative_cost = 64;
    row_view<const double, Context> first, first_error;
    row_view<const double, Context> unit, unit_error;
    row_view<const std::int32_t, Context> particle;
    double weight; ///< w, that of the first stage, which no draw decides
    value_rows<Context> out;
    DIAMOND_HD void operator()(index_t j) const {
        const index_t begin = first_unit_of(j), end = first_unit_of(j + 1);
        double high = first[j] > unit[j] ? first[j] : unit[j];
        for (index_t u = begin; u < end; ++u) high = unit[u] > high ? unit[u] : high;
        if (high == -infinity) {
            out.value[j] = -infinity;
            if (out.standard_error) out.standard_error[j] = not_a_number;
            return;
        }
        const double each = (1.0 - weight) / static_cast<double>(1 + end - begin);
        double sum = 0.0, squares = 0.0;
        const auto add = [&](double value, double error, double share) {
            if (value == -infinity) return;
            const double term = share * std::exp(value - high);
            sum += term;
            squares += square(term * error);
        };
        add(first[j], first_error[j], weight);
        add(unit[j], unit_error[j], each);
        for (index_t u = begin; u < end; ++u) add(unit[u], unit_error[u], each);
        out.value[j] = high + std::log(sum);
        if (out.standard_error) out.standard_error[j] = std::sqrt(squares) / sum;
    }

private:
    /// The first unit behind the N own ones whose particle is j or a later one.
    DIAMOND_HD index_t first_unit_of(index_t j) const {
        index_t low = first.columns(), high = particle.columns();
        while (low < high) {
            const index_t middle = low + (high - low) / 2;
            if (particle[middle] >= j)
                high = middle;
            else
                low = middle + 1;
        }
        return low;
    }
};
} // namespace detail

/// Options of spread_value.
struct spread_value_options {
    /// The number of units a particle on average, one unit being a call of the value within: 3 to 2^20. Each
    /// particle has two of them at least.
    index_t units = 4;
};

/// A value whose draws go where they are needed: a first call of `value` for all particles tells the standard
/// error of each, a second one has a unit for each particle, and N (units - 2) more that are dealt out in
/// proportion to these errors (Neyman 1934). With w = 1/units and the U_j units of the second stage of
/// particle j,
///
///   V_j = log(w exp V_j^first + (1 - w) 1/U_j sum_u exp V_u).
///
/// exp V is unbiased where that of `value` is, for w does not depend on the draws, and the second stage draws
/// afresh. It costs as many draws as `units` times the samples of `value`. Where all particles have the same
/// variance V is as good as by even draws; where few have most of it theirs falls to w^2 of that of a unit at
/// the least, at the price of the others, which have w^2 + (1 - w)^2. A particle's value depends on the
/// others of the call: no move is accepted by it. As any finite value it leaves Z-hat unbiased.
///
/// It has the standard error of the whole, and no effective number: NaN. It has no guidance. Cost a particle:
/// `units` times that of `value`; at t = 1 once. Source: (eq. spread-value).
template <class Value>
class spread_value {
    static_assert(diagnose_value_estimator<Value>());
    static_assert(diagnose_condition<condition_of_t<Value>, backend_of_t<typename Value::batch_type>>());

public:
    using batch_type = typename Value::batch_type;
    using condition_type = condition_of_t<Value>;
    using const_view = const_view_t<batch_type>;
    static constexpr bool on_own_scale = detail::on_own_scale<Value>; ///< as the value's

    /// Takes the value, whose standard error must be known: two samples or more, and no Latin hypercube.
    /// @throws std::invalid_argument unless 3 <= units <= 2^20.
    explicit spread_value(Value value, spread_value_options options = {})
        : value_(std::move(value)), options_(options) {
        constexpr index_t most = index_t{1} << 20;
        require(options.units >= 3 && options.units <= most, [&] {
            return "spread_value of " + digits_of(options.units) +
                   " units a particle: 3 to 2^20 are taken, of which two are each particle's own";
        });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(value_.dimension()); }
    /// The reward of the value, which drivers evaluate at t = 1.
    [[nodiscard]] auto& reward() { return value_.reward(); }
    /// A particle's value depends on the others of the call.
    [[nodiscard]] bool fresh() const { return false; }
    [[nodiscard]] cost spent() const { return value_.spent(); }

    /// Writes values.value[j] = V_t(x_j), d x N particles, t in [0, 1], and its standard error; at t = 1 it
    /// is r(x_j).
    /// @throws as the value does; numeric_error naming the step and the particle where the value has no
    /// standard error; std::invalid_argument for more than 2^31 - 1 units.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        require_time("spread_value", t);
        require_columns("spread_value", values, x.columns());
        if (t >= 1.0 || x.columns() == 0) return value_(x, t, condition, stream, values);
        const auto& context = x.context();
        const index_t n = x.columns(),
                      units = extent_product("a spread value's particles and units", n, options_.units - 1);
        require(units <= INT32_MAX, [&] {
            return "spread_value: " + digits_of(units) + " units in one call: at most 2^31 - 1 are counted";
        });
        first_.resize(context, 1, n);
        first_error_.resize(context, 1, n);
        value_(x, t, condition, stream, {.value = row(first_), .standard_error = row(first_error_)});
        context.forbid(
            n, elementwise<detail::has_no_error>(row(first_), row(first_error_)),
            deferred_error{.what = "spread_value deals out draws by standard errors, and the value has none: "
                                   "give it two samples or more, and no Latin hypercube",
                           .step = static_cast<index_t>(stream.step)});
        place(context, n, units);
        gathered_.resize(context, x.rows(), units);
        context.gather(x, particle_.data(), gathered_.mutable_view());
        unit_.resize(context, 1, units);
        unit_error_.resize(context, 1, units);
        stream.seed = philox{stream.seed}.split(second_stage).seed;
        value_(gathered_.read(), t, conditions_.gather(context, condition, particle_.data(), units), stream,
               {.value = row(unit_), .standard_error = row(unit_error_)});
        context.for_each(n,
                         detail::join_units<context_type>{.first = row(first_.read()),
                                                          .first_error = row(first_error_.read()),
                                                          .unit = row(unit_.read()),
                                                          .unit_error = row(unit_error_.read()),
                                                          .particle = row(particle_.read()),
                                                          .weight = 1.0 / static_cast<double>(options_.units),
                                                          .out = values});
        if (values.ess) assign(values.ess, not_a_number);
        if (values.ess_base) assign(values.ess_base, not_a_number);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    /// The run that the noise of the second stage is of, so that no number serves both: far from those that
    /// programs count.
    static constexpr std::uint64_t second_stage = 0x7365636f6e640000u;

    /// Writes the particle of each unit of the second stage.
    void place(const context_type& context, index_t n, index_t units) {
        shares_.resize(context, 1, n);
        particle_.resize(context, 1, units);
        assign(row(shares_), elementwise<detail::share_of_error>(row(first_error_)));
        context.scan_sum(shares_.data(), n, shares_.data());
        context.for_each(units, detail::place_units<context_type>{.cumulative = row(shares_.read()),
                                                                  .particle = row(particle_)});
    }

    Value value_;
    spread_value_options options_;
    scratch<double, context_type> first_, first_error_, unit_, unit_error_;
    scratch<std::uint64_t, context_type> shares_;
    scratch<std::int32_t, context_type> particle_;
    scratch<real, context_type> gathered_;
    condition_store<condition_type, context_type> conditions_;
};

} // namespace diamond
