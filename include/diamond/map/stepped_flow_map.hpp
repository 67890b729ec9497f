/// A flow map that takes an interval in several jumps.
#pragma once

#include <string>
#include <utility>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>

namespace diamond {

/// The options of stepped_flow_map.
struct stepped_flow_map_options {
    index_t steps = 2; ///< n, the number of jumps of equal length, at least 1
};

/// X_{t,s} = X_{t_n-1,s} o ... o X_{t,t_1} over n equal parts of any interval, for learned maps, which are
/// more accurate in several jumps than in one.
///
/// Models flow_map, and those of differentiable_flow_map, flow_map_with_divergence and
/// differentiable_flow_map_with_divergence that its map models; m is the mean over the parts. x and out are d
/// x N. Cost: n calls of the map; for a vjp n - 1 calls and n vjps.
template <class Map>
class stepped_flow_map {
    static_assert(diagnose_flow_map<Map>());

public:
    using batch_type = typename Map::batch_type;
    using condition_type = condition_of_t<Map>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless steps >= 1.
    explicit stepped_flow_map(Map map, stepped_flow_map_options options = {})
        : map_(std::move(map)), options_(options) {
        require(options.steps >= 1,
                [&] { return "a flow map in " + digits_of(options.steps) + " steps: at least 1 is needed"; });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] cost spent() const { return map_.spent(); }
    [[nodiscard]] bool exact() const { return detail::is_exact(map_); }
    [[nodiscard]] auto schedule() const
        requires detail::names_schedule<Map>
    {
        return map_.schedule();
    }
    [[nodiscard]] double base_deviation() const
        requires requires(const Map& m) { m.base_deviation(); }
    {
        return map_.base_deviation();
    }

    /// out = X_{from,to}(x | condition). @throws std::invalid_argument if shapes differ.
    void operator()(const_view x, interval span, const condition_type& condition, view out) {
        require_apart("stepped_flow_map", x, const_view(out));
        prepare(x, out);
        for (index_t k = 0; k < options_.steps; ++k)
            map_(before(k, x), part(span, k), condition, after(k, out));
    }
    /// out = X_{from,to}(x | condition) and divergence[j] = m(x_j, from, to), N numbers in the memory of the
    /// batch.
    void operator()(const_view x, interval span, const condition_type& condition, view out,
                    row_t<batch_type> divergence)
        requires flow_map_with_divergence<Map>
    {
        require_apart("stepped_flow_map", x, const_view(out));
        prepare(x, out);
        numbers_.resize(x.context(), 1, x.columns());
        assign(divergence, 0.0);
        for (index_t k = 0; k < options_.steps; ++k) {
            map_(before(k, x), part(span, k), condition, after(k, out), row(numbers_));
            assign(divergence, divergence + share() * row(numbers_));
        }
    }
    /// out = cotangent^T dX/dx, d x N.
    void vjp(const_view x, interval span, const condition_type& condition, const_view cotangent, view out)
        requires differentiable_flow_map<Map>
    {
        forward(x, span, condition);
        const auto pull = [&](const_view here, interval step, const_view lambda, view pulled) {
            map_.vjp(here, step, condition, lambda, pulled);
        };
        pull_back(x, out, cotangent, pull, span);
    }
    /// out = cotangent^T dX/dx + divergence_cotangent dm/dx, d x N; null data of either cotangent stand for
    /// zeros.
    void vjp(const_view x, interval span, const condition_type& condition, const_view cotangent,
             const_row_t<batch_type> divergence_cotangent, view out)
        requires differentiable_flow_map_with_divergence<Map>
    {
        forward(x, span, condition);
        const_row_t<batch_type> of_part = {};
        if (divergence_cotangent) {
            numbers_.resize(x.context(), 1, x.columns());
            assign(row(numbers_), share() * divergence_cotangent);
            of_part = row(numbers_);
        }
        const auto pull = [&](const_view here, interval step, const_view lambda, view pulled) {
            map_.vjp(here, step, condition, lambda, of_part, pulled);
        };
        pull_back(x, out, cotangent, pull, span);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    [[nodiscard]] double share() const { return 1.0 / static_cast<double>(options_.steps); }
    [[nodiscard]] interval part(interval span, index_t k) const {
        const auto n = static_cast<double>(options_.steps);
        const auto time = [&](index_t i) {
            return i == options_.steps ? span.to : span.from + span.length() * static_cast<double>(i) / n;
        };
        return {time(k), time(k + 1)};
    }
    void prepare(const_view x, const_view out) {
        require_same_shape("stepped_flow_map", x, out);
        columns_ = x.columns();
        states_.resize(x.context(), x.rows(),
                       extent_product("columns and steps that are kept", x.columns(), options_.steps - 1));
    }
    /// The state after part k < n - 1.
    view state(index_t k) { return states_.mutable_view().columns(k * columns_, columns_); }
    const_view before(index_t k, const_view x) { return k == 0 ? x : const_view(state(k - 1)); }
    view after(index_t k, view out) { return k + 1 == options_.steps ? out : state(k); }

    void forward(const_view x, interval span, const condition_type& condition) {
        prepare(x, x);
        for (index_t k = 0; k + 1 < options_.steps; ++k)
            map_(before(k, x), part(span, k), condition, state(k));
    }
    template <class Pull>
    void pull_back(const_view x, view out, const_view cotangent, const Pull& pull, interval span) {
        for (auto* buffer : {&lambda_, &pulled_}) buffer->resize(x.context(), x.rows(), x.columns());
        for (index_t k = options_.steps - 1; k >= 0; --k) {
            pull(before(k, x), part(span, k), k + 1 == options_.steps ? cotangent : lambda_.read(),
                 k == 0 ? out : pulled_.mutable_view());
            lambda_.swap(pulled_);
        }
    }

    Map map_;
    stepped_flow_map_options options_;
    index_t columns_ = 0;
    scratch<real, context_type> states_, lambda_, pulled_;
    scratch<double, context_type> numbers_;
};

} // namespace diamond
