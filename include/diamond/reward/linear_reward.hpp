/// The linear reward r(z) = offset + c . z.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include <diamond/concepts/reward.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

/// The reward r(z) = offset + c . z for z in R^d. Copies share c.
template <class Batch>
class linear_reward {
    static_assert(diagnose_backend<backend_of_t<Batch>>());

public:
    using batch_type = Batch;
    using value_type = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// @param c is d numbers. @throws std::invalid_argument unless c has at least one entry and all numbers
    /// are finite.
    linear_reward(const context_type& context, const std::vector<value_type>& c, double offset = 0.0)
        : offset_(offset) {
        require(!c.empty(), "linear_reward: c has no entries");
        detail::require_finite("linear_reward: c", c);
        require(std::isfinite(offset),
                [&] { return "linear_reward: offset = " + digits_of(offset) + " must be finite"; });
        c_ = detail::share(context, detail::count_of(c), 1, c);
    }

    [[nodiscard]] index_t dimension() const { return c_->rows(); } ///< d

    /// Writes values[j] = r(z_j) for z d x n. @throws std::invalid_argument unless z has d rows.
    void operator()(const_view z, row_t<batch_type> values) const {
        detail::require_rows("linear_reward", dimension(), z);
        assign(values, column_sums(each_column(c_->read_on(z.context())) * z));
        if (offset_ != 0.0) assign(values, values + offset_);
    }

    /// Writes out(:, j) = c, d x n. @throws std::invalid_argument unless z has d rows and out the shape of z.
    void gradient(const_view z, view out) const {
        detail::require_rows("linear_reward", dimension(), z);
        require_same_shape("linear_reward: gradient", z, out);
        assign(out, each_column(c_->read_on(z.context())));
    }

    /// The reward as a quadratic form: the offset, c, and no curvature.
    [[nodiscard]] diamond::quadratic_form quadratic_form() const {
        const auto c = to_host(*c_);
        return {offset_, {c.begin(), c.end()}, std::vector<double>(c.size(), 0.0)};
    }

private:
    std::shared_ptr<const Batch> c_;
    double offset_;
};
/// Deduces batches of the numbers' type in the memory of the context.
template <class Context, class Real>
linear_reward(const Context&, const std::vector<Real>&, double = 0.0)
    -> linear_reward<owning_batch<Real, Context>>;

} // namespace diamond
