/// The classifier reward: the log-probability that a sample is of a given class.
#pragma once

#include <string>
#include <utility>

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

namespace detail {
/// Writes the gradient of log softmax(l)_label with respect to l, which is e_label - softmax(l), in place of
/// softmax(l).
template <class View>
struct logit_slope {
    View probabilities;
    index_t label;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        using value_type = typename View::value_type;
        probabilities(k, j) = (k == label ? value_type{1} : value_type{0}) - probabilities(k, j);
    }
};
} // namespace detail

/// The reward r(z) = log softmax(A(z))_label: the log-probability of a class under a classifier whose m
/// logits are the measurement A.
template <class Measurement>
class classifier_reward {
    static_assert(diagnose_measurement<Measurement>());

public:
    using batch_type = typename Measurement::batch_type;
    using value_type = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @param logits is A, e.g. affine_measurement<Batch>(context, fit_linear_discriminant(...)).
    /// @throws std::invalid_argument unless 0 <= label < m.
    classifier_reward(Measurement logits, index_t label) : logits_of_(std::move(logits)), label_(label) {
        require(label >= 0 && label < classes(), [&] {
            return "classifier_reward: class " + digits_of(label) + " of " + digits_of(classes());
        });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(logits_of_.dimension()); } ///< d
    [[nodiscard]] index_t classes() const { return static_cast<index_t>(logits_of_.outputs()); }     ///< m

    /// Writes values[j] = r(z_j), finite wherever the logits are, for z d x n. @throws std::invalid_argument
    /// unless z has d rows.
    void operator()(const_view z, row_t<batch_type> values) {
        measure(z);
        assign(values, row_of(logits_, label_));
        z.context().softmax(logits_.mutable_view(), log_sums_.data());
        assign(values, values - row(log_sums_));
    }

    /// Writes out = (dA/dz)^T (e_label - softmax(A(z))), d x n. @throws std::invalid_argument unless z has d
    /// rows and out the shape of z.
    void gradient(const_view z, view out)
        requires differentiable_measurement<Measurement>
    {
        require_same_shape("classifier_reward: gradient", z, out);
        measure(z);
        z.context().softmax(logits_.mutable_view(), log_sums_.data());
        z.context().for_each(classes(), z.columns(),
                             detail::logit_slope<view>{.probabilities = logits_, .label = label_});
        logits_of_.vjp(z, logits_.read(), out);
    }

private:
    void measure(const_view z) {
        detail::require_rows("classifier_reward", dimension(), z);
        logits_.resize(z.context(), classes(), z.columns());
        log_sums_.resize(z.context(), 1, z.columns());
        logits_of_(z, logits_.mutable_view());
    }

    Measurement logits_of_;
    index_t label_;
    scratch<value_type, context_type> logits_;
    scratch<double, context_type> log_sums_;
};

} // namespace diamond
