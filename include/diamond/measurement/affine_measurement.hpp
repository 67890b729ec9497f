/// The affine measurement A(z) = W z + b: a blur, a projection or the logits of a linear classifier.
#pragma once

#include <memory>
#include <vector>

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/reward/detail/parameters.hpp>
#include <diamond/reward/linear_discriminant.hpp>

namespace diamond {

/// The measurement A(z) = W z + b of z in R^d, with W an m x d matrix and b in R^m. Copies share W and b.
template <class Batch>
class affine_measurement {
    static_assert(diagnose_backend<backend_of_t<Batch>>());

public:
    using batch_type = Batch;
    using value_type = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// @param weights is W, m d numbers, column by column. @param biases is b, m numbers.
    /// @throws std::invalid_argument unless b has m >= 1 entries, W has m d, d >= 1, and all are finite.
    affine_measurement(const context_type& context, const std::vector<value_type>& weights,
                       const std::vector<value_type>& biases) {
        require(!biases.empty() && !weights.empty() && weights.size() % biases.size() == 0, [&] {
            return "affine_measurement: " + digits_of(weights.size()) + " weights and " +
                   digits_of(biases.size()) + " biases";
        });
        detail::require_finite("affine_measurement: weights", weights);
        detail::require_finite("affine_measurement: biases", biases);
        const index_t outputs = detail::count_of(biases);
        weights_ = detail::share(context, outputs, detail::count_of(weights) / outputs, weights);
        biases_ = detail::share(context, outputs, 1, biases);
    }
    /// The logits log p(k | z) + constant of a fitted classifier: m is the number of its classes.
    affine_measurement(const context_type& context, const linear_discriminant& fit)
        : affine_measurement(context, {fit.weights.begin(), fit.weights.end()},
                             {fit.biases.begin(), fit.biases.end()}) {}

    [[nodiscard]] index_t dimension() const { return weights_->columns(); } ///< d
    [[nodiscard]] index_t outputs() const { return weights_->rows(); }      ///< m

    /// Writes out(:, j) = W z_j + b, d x n to m x n. @throws std::invalid_argument for other shapes.
    void operator()(const_view z, view out) const {
        detail::require_map("affine_measurement", dimension(), outputs(), z, out);
        z.context().product(transpose::no, weights_->read_on(z.context()), z, out);
        assign(out, out + each_column(biases_->read_on(z.context())));
    }
    /// Writes out = W^T cotangent, m x n to d x n. @throws std::invalid_argument for other shapes.
    void vjp(const_view, const_view cotangent, view out) const {
        detail::require_map("affine_measurement", outputs(), dimension(), cotangent, out);
        out.context().product(transpose::yes, weights_->read_on(out.context()), cotangent, out);
    }

private:
    std::shared_ptr<const Batch> weights_, biases_;
};
/// Deduces batches of the numbers' type in the memory of the context.
template <class Context, class Real>
affine_measurement(const Context&, const std::vector<Real>&, const std::vector<Real>&)
    -> affine_measurement<owning_batch<Real, Context>>;

} // namespace diamond
