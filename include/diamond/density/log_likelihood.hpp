/// Log-densities of given data, and of samples as they are drawn, by a few jumps of a flow map with
/// divergence. See (eq. log-likelihood).
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/finite.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/time_grid.hpp>

namespace diamond {

/// The options of log_likelihood.
struct likelihood_options {
    index_t steps = 1;              ///< n, the number of jumps of equal length, unless `times` is given
    std::vector<double> times = {}; ///< the grid 0 = t_0 < ... < t_n <= 1; t_n is the time of the data
    double base_deviation = 1.0;    ///< s0 > 0 of the noise, x_0 ~ N(0, s0^2 I)
};

namespace detail {
inline void require_base_deviation(double deviation) {
    require(deviation > 0.0 && std::isfinite(deviation), [&] {
        return "a base deviation of " + digits_of(deviation) + ": it must be positive and finite";
    });
}
/// @throws std::invalid_argument also if the map states a base deviation and it is another one.
template <class FlowMap>
void require_base_deviation(const FlowMap& map, double deviation) {
    require_base_deviation(deviation);
    if constexpr (requires { map.base_deviation(); })
        require(map.base_deviation() == deviation, [&] {
            return "a base deviation of " + digits_of(deviation) + " for a flow map with divergence of " +
                   digits_of(map.base_deviation()) + ": give it map.base_deviation()";
        });
}
[[nodiscard]] inline std::vector<double> likelihood_grid(const likelihood_options& options) {
    if (options.times.empty()) return uniform_time_grid(options.steps);
    const auto& grid = options.times;
    require(grid.size() >= 2 && grid.front() == 0.0 && grid.back() <= 1.0, [&] {
        return "a likelihood's grid of " + digits_of(grid.size()) + " times from " + digits_of(grid.front()) +
               " to " + digits_of(grid.back()) + ": at least two are needed, from 0 and to at most 1";
    });
    for (std::size_t k = 1; k < grid.size(); ++k)
        require(grid[k] > grid[k - 1], [&] {
            return "a likelihood's grid has " + digits_of(grid[k]) + " after " + digits_of(grid[k - 1]) +
                   ": it must grow";
        });
    return grid;
}
} // namespace detail

/// log p(x) = log N(x_0; 0, s0^2 I) - sum_k (t_{k+1} - t_k) m_k, m_k the mean divergence of jump k between
/// the grid's times.
///
/// It works in both directions: it gives the latent and the density of given data, and samples with their
/// density. With ode_flow_map and one jump it is the many-step reference. x and x_0 are d x N and must not
/// overlap; log-densities, one number for each column, are in the memory of the batch. Each call throws
/// numeric_error, naming jump and column, if a mean divergence or a state is not finite, and
/// std::invalid_argument if shapes do not fit. Cost: n evaluations of the map with its divergence for each
/// column. [F2]
template <class FlowMap>
class log_likelihood {
    static_assert(diagnose_flow_map_with_divergence<FlowMap>());

public:
    using batch_type = typename FlowMap::batch_type;
    using condition_type = condition_of_t<FlowMap>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument for no steps, a grid that does not grow from 0 to at most 1, or a base
    /// deviation that is not positive, or not the map's, where the map says its own.
    explicit log_likelihood(FlowMap map, const likelihood_options& options = {})
        : map_(std::move(map)),
          grid_(detail::likelihood_grid(options)),
          base_deviation_(options.base_deviation) {
        detail::require_base_deviation(map_, base_deviation_);
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] auto schedule() const { return map_.schedule(); }
    [[nodiscard]] cost spent() const { return map_.spent(); }
    /// The times of the path from data to noise.
    [[nodiscard]] const std::vector<double>& times() const { return grid_; }
    [[nodiscard]] double base_deviation() const { return base_deviation_; }

    /// out[j] = log p(x_j), by the way from data to noise.
    void operator()(const_view x, const condition_type& condition, row_t<batch_type> out) {
        latent_.resize(x.context(), x.rows(), x.columns());
        pull_back(x, condition, latent_.mutable_view(), out);
    }
    /// out[j] = log p(x_j), by the way from data to noise; x_0 = the latent of each x.
    void pull_back(const_view x, const condition_type& condition, view x_0, row_t<batch_type> out) {
        jump(x, condition, x_0, out, static_cast<index_t>(grid_.size()) - 1, -1);
        add_base(x_0, out);
    }
    /// x = the sample that x_0 is mapped to; out[j] = log p(x_j), by the way from noise to data.
    void push_forward(const_view x_0, const condition_type& condition, view x, row_t<batch_type> out) {
        jump(x_0, condition, x, out, 0, 1);
        add_base(x_0, out);
    }
    /// x = a sample, the image of a drawn x_0 = s0 eps; out[j] = log p(x_j).
    void draw(noise_stream stream, const condition_type& condition, view x, row_t<batch_type> out) {
        latent_.resize(x.context(), x.rows(), x.columns());
        draw_normal(stream, latent_.mutable_view());
        assign(latent_, base_deviation_ * latent_);
        push_forward(latent_.read(), condition, x, out);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    /// Jumps along the grid from its time number `first`, forwards or backwards as `direction` is 1 or -1:
    /// `to` = the end, out = -sum of |length| m.
    void jump(const_view from, const condition_type& condition, view to, row_t<batch_type> out, index_t first,
              index_t direction) {
        require(from.rows() == dimension(), [&] {
            return "log_likelihood: " + digits_of(from.rows()) + " rows for dimension " +
                   digits_of(dimension());
        });
        require_same_shape("log_likelihood", from, const_view(to));
        const auto& context = from.context();
        const index_t count = static_cast<index_t>(grid_.size()) - 1;
        for (auto& buffer : between_)
            if (count > 1) buffer.resize(context, from.rows(), from.columns());
        mean_divergence_.resize(context, 1, from.columns());
        assign(out, 0.0);
        const_view here = from;
        for (index_t k = 0; k < count; ++k, first += direction) {
            const interval span{grid_[static_cast<std::size_t>(first)],
                                grid_[static_cast<std::size_t>(first + direction)]};
            const view there = k + 1 == count ? to : between_[k % 2].mutable_view();
            map_(here, span, condition, there, row(mean_divergence_));
            const deferred_error why{
                .what =
                    "a jump of a flow map with divergence is not finite: its mean divergence or its state",
                .step = k + 1};
            context.forbid(from.columns(), elementwise<detail::is_not_finite>(row(mean_divergence_)), why);
            detail::require_finite_columns(const_view(there), why);
            assign(out, out - std::abs(span.length()) * row(mean_divergence_));
            here = there;
        }
    }
    void add_base(const_view x_0, row_t<batch_type> out) {
        const auto base = row(mean_divergence_);
        assign(base, column_sums(elementwise<detail::log_normal_density>(x_0, base_deviation_)));
        assign(out, out + base);
    }

    FlowMap map_;
    std::vector<double> grid_;
    double base_deviation_;
    scratch<real, context_type> latent_, between_[2];
    scratch<double, context_type> mean_divergence_;
};

} // namespace diamond
