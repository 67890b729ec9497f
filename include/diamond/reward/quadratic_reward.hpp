/// The quadratic reward with a diagonal curvature.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include <diamond/concepts/reward.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

namespace detail {
/// The derivative q (y - z) of -q (z - y)^2/2, in the number type of the particles.
template <class Real>
DIAMOND_HD constexpr Real quadratic_slope(Real q, Real y, Real z) {
    return q * (y - z);
}
} // namespace detail

/// The reward r(z) = -1/2 sum_i q_i (z_i - y_i)^2 for z in R^d and q_i >= 0: the log-density of N(y,
/// diag(1/q)), up to its constant. Copies share y and q.
template <class Batch>
class quadratic_reward {
    static_assert(diagnose_backend<backend_of_t<Batch>>());

public:
    using batch_type = Batch;
    using value_type = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// @param centre is y, d numbers. @param curvature is q, d numbers.
    /// @throws std::invalid_argument unless both have the same d >= 1 entries, all finite and q >= 0.
    quadratic_reward(const context_type& context, const std::vector<value_type>& centre,
                     const std::vector<value_type>& curvature) {
        require(!centre.empty() && centre.size() == curvature.size(), [&] {
            return "quadratic_reward: centre has " + digits_of(centre.size()) + " entries, curvature has " +
                   digits_of(curvature.size());
        });
        detail::require_finite("quadratic_reward: centre", centre);
        detail::require_each("quadratic_reward: curvature", curvature, "finite and not negative",
                             [](value_type q) { return q >= 0 && std::isfinite(q); });
        centre_ = detail::share(context, detail::count_of(centre), 1, centre);
        curvature_ = detail::share(context, detail::count_of(curvature), 1, curvature);
    }

    [[nodiscard]] index_t dimension() const { return centre_->rows(); } ///< d

    /// Writes values[j] = r(z_j) for z d x n. @throws std::invalid_argument unless z has d rows.
    void operator()(const_view z, row_t<batch_type> values) const {
        detail::require_rows("quadratic_reward", dimension(), z);
        const auto y = each_column(centre_->read_on(z.context()));
        const auto q = each_column(curvature_->read_on(z.context()));
        assign(values, column_sums(-0.5 * q * square(z - y)));
    }

    /// Writes out(i, j) = q_i (y_i - z_ij), d x n. @throws std::invalid_argument unless z has d rows and out
    /// the shape of z.
    void gradient(const_view z, view out) const {
        detail::require_rows("quadratic_reward", dimension(), z);
        require_same_shape("quadratic_reward: gradient", z, out);
        const auto y = each_column(centre_->read_on(z.context()));
        const auto q = each_column(curvature_->read_on(z.context()));
        assign(out, elementwise<detail::quadratic_slope<value_type>>(q, y, z));
    }

    /// The reward as a quadratic form: the constant -1/2 sum_i q_i y_i^2, the slope q_i y_i and the curvature
    /// q_i.
    [[nodiscard]] diamond::quadratic_form quadratic_form() const {
        const auto y = to_host(*centre_), q = to_host(*curvature_);
        diamond::quadratic_form form{0.0, std::vector<double>(y.size()), {q.begin(), q.end()}};
        for (std::size_t i = 0; i < y.size(); ++i) {
            form.linear[i] = form.curvature[i] * static_cast<double>(y[i]);
            form.constant -= 0.5 * form.linear[i] * static_cast<double>(y[i]);
        }
        return form;
    }

private:
    std::shared_ptr<const Batch> centre_, curvature_;
};
/// Deduces batches of the numbers' type in the memory of the context.
template <class Context, class Real>
quadratic_reward(const Context&, const std::vector<Real>&, const std::vector<Real>&)
    -> quadratic_reward<owning_batch<Real, Context>>;

} // namespace diamond
