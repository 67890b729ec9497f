/// Checks of how far a learned flow map with divergence is from being invertible; they belong beside its
/// log-densities. See (eq. round-trip).
#pragma once

#include <cmath>
#include <utility>

#include <diamond/core/expression.hpp>
#include <diamond/density/log_likelihood.hpp>

namespace diamond {

/// A summary of n numbers: their mean, their root mean square and the largest absolute value. All three are
/// NaN if one of the numbers is.
struct column_summary {
    /// The mean, the root mean square and the largest absolute value.
    double mean = 0.0, root_mean_square = 0.0, largest = 0.0;
};

namespace detail {
DIAMOND_HD inline double magnitude(double x) { return std::fabs(x); }
} // namespace detail

/// Summarises the numbers of a row. @throws std::invalid_argument if there are none.
template <class Value, class Context>
[[nodiscard]] column_summary summarise(row_view<Value, Context> x) {
    const index_t n = x.columns();
    require(n >= 1, "a summary of no columns");
    const auto count = static_cast<double>(n);
    const auto& context = x.context();
    return {.mean = context.sum(n, x) / count,
            .root_mean_square = std::sqrt(context.sum(n, square(x)) / count),
            .largest = context.max(n, elementwise<detail::magnitude>(x))};
}

/// The errors of a flow map with divergence on the way there and back.
///
/// round_trip[j] is the Euclidean distance between a point and what it becomes there and back. gap[j] is log
/// p by the way from noise to data, minus log p by the way from data to noise. Both are 0 for an exact flow
/// map with divergence: small ones do not prove that a map is right, and large ones prove that it is wrong.
/// Cost: 2 n evaluations of the map with its divergence for each column, n being the number of jumps.
template <class FlowMap>
class likelihood_validity {
public:
    using batch_type = typename FlowMap::batch_type;
    using condition_type = condition_of_t<FlowMap>;
    using const_view = const_view_t<batch_type>;

    /// Takes the log-likelihood whose numbers are to be checked.
    explicit likelihood_validity(log_likelihood<FlowMap> likelihood) : likelihood_(std::move(likelihood)) {}

    [[nodiscard]] cost spent() const { return likelihood_.spent(); }

    /// round_trip = |X_{1,0} X_{0,1} x_0 - x_0| and gap, rows of N numbers, for noise
    /// x_0, d x N.
    void from_noise(const_view x_0, const condition_type& condition, row_t<batch_type> round_trip,
                    row_t<batch_type> gap) {
        prepare(x_0);
        likelihood_.push_forward(x_0, condition, there_.mutable_view(), gap);
        likelihood_.pull_back(there_.read(), condition, back_.mutable_view(), row(way_back_));
        compare(x_0, 1.0, round_trip, gap);
    }
    /// round_trip = |X_{0,1} X_{1,0} x - x| and gap, rows of N numbers, for data x, d
    /// x N.
    void from_data(const_view x, const condition_type& condition, row_t<batch_type> round_trip,
                   row_t<batch_type> gap) {
        prepare(x);
        likelihood_.pull_back(x, condition, there_.mutable_view(), gap);
        likelihood_.push_forward(there_.read(), condition, back_.mutable_view(), row(way_back_));
        compare(x, -1.0, round_trip, gap);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    void prepare(const_view x) {
        for (auto* buffer : {&there_, &back_}) buffer->resize(x.context(), x.rows(), x.columns());
        way_back_.resize(x.context(), 1, x.columns());
    }
    void compare(const_view x, double sign, row_t<batch_type> round_trip, row_t<batch_type> gap) {
        assign(round_trip, column_sums(square(x - back_)));
        assign(round_trip, sqrt(round_trip));
        assign(gap, sign * (gap - row(way_back_)));
    }

    log_likelihood<FlowMap> likelihood_;
    scratch<real, context_type> there_, back_;
    scratch<double, context_type> way_back_;
};

} // namespace diamond
