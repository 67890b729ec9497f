/// The density log p_t of a flow map with divergence, at every time and by a few evaluations. See
/// (eq. flow-density).
#pragma once

#include <string>
#include <utility>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/concepts/marginal_density.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

/// log p_t(x) = log N(X_{t,0}(x); 0, I) - t m(x, t, 0), m the map's mean divergence. Give it a
/// stepped_flow_map to take several jumps.
///
/// Models marginal_density, and scored_marginal_density where the map is differentiable:
///   grad log p_t = -(dX/dx)^T X_{t,0}(x) - t dm/dx,
/// whose error is the derivative of the map's error; scored_density takes the score from a velocity instead.
/// The density is exact where the map is exact and alpha(0) = 0: otherwise X_{t,0}(x) contains some data, and
/// log N is off by O(alpha(0)). Cost: one call of the map; for a score one call and one vjp. [F2]
template <class FlowMap>
class flow_density {
    static_assert(diagnose_flow_map_with_divergence<FlowMap>());

public:
    using batch_type = typename FlowMap::batch_type;
    using condition_type = condition_of_t<FlowMap>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument for a map whose noise has another deviation than 1: its times are not
    /// those of a schedule.
    explicit flow_density(FlowMap map) : map_(std::move(map)) {
        check_schedule(map_.schedule());
        if constexpr (requires { map_.base_deviation(); })
            require(map_.base_deviation() == 1.0, [&] {
                return "marginal densities of a flow map with divergence from noise of deviation " +
                       digits_of(map_.base_deviation()) + ": only 1 is the noise of a schedule";
            });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] auto schedule() const { return map_.schedule(); }
    [[nodiscard]] cost spent() const { return map_.spent(); }
    [[nodiscard]] bool exact() const { return detail::is_exact(map_) && schedule().alpha(0.0) == 0.0; }

    /// out[j] = log p_t(x_j). @throws std::invalid_argument if rows differ or t leaves [0, 1].
    void operator()(const_view x, double t, const condition_type& condition, row_t<batch_type> out) {
        require_time("flow_density", t);
        const auto& context = x.context();
        noise_.resize(context, x.rows(), x.columns());
        divergence_.resize(context, 1, x.columns());
        const bool moves = t > 0.0;
        if (moves) map_(x, interval{t, 0.0}, condition, noise_.mutable_view(), row(divergence_));
        const const_view noise = moves ? noise_.read() : x;
        assign(out, column_sums(elementwise<detail::log_normal_density>(noise, 1.0)));
        if (moves) assign(out, out - t * row(divergence_));
    }
    /// out = grad log p_t(x), d x N: the gradient of the density that operator() gives.
    /// @throws std::invalid_argument if shapes differ or t leaves [0, 1].
    void score(const_view x, double t, const condition_type& condition, view out)
        requires differentiable_flow_map_with_divergence<FlowMap>
    {
        require_time("flow_density::score", t);
        require_same_shape("flow_density::score", x, const_view(out));
        if (t == 0.0) return assign(out, -x);
        noise_.resize(x.context(), x.rows(), x.columns());
        divergence_.resize(x.context(), 1, x.columns());
        map_(x, interval{t, 0.0}, condition, noise_.mutable_view());
        assign(noise_, -noise_);
        assign(row(divergence_), -t);
        map_.vjp(x, interval{t, 0.0}, condition, noise_.read(), row(divergence_), out);
    }

private:
    using real = typename batch_type::value_type;

    FlowMap map_;
    scratch<real, backend_of_t<batch_type>> noise_;
    scratch<double, backend_of_t<batch_type>> divergence_;
};

} // namespace diamond
