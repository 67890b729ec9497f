/// How far a flow map with divergence is from being one: what must be printed beside its log-densities. Section 8.
#pragma once

#include <cmath>
#include <utility>

#include <diamond/density/log_likelihood.hpp>

namespace diamond {

/// Of a number a column: mean, root mean square, and the largest in size; NaN where one is.
struct column_summary {
    double mean = 0.0, root_mean_square = 0.0, largest = 0.0;
};

namespace detail {
template <class Real>
struct squared_difference {
    const Real *a, *b;
    index_t     rows;
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        return square(static_cast<double>(a[i + rows * j]) - static_cast<double>(b[i + rows * j]));
    }
};
/// gap = sign (gap - way_back).
struct signed_difference {
    double        sign;
    const double* way_back;
    double*       gap;
    DIAMOND_HD void operator()(index_t j) const { gap[j] = sign * (gap[j] - way_back[j]); }
};
struct take_root {
    double* values;
    DIAMOND_HD void operator()(index_t j) const { values[j] = std::sqrt(values[j]); }
};
struct number_of {
    const double* values;
    DIAMOND_HD double operator()(index_t j) const { return values[j]; }
};
struct square_of {
    const double* values;
    DIAMOND_HD double operator()(index_t j) const { return square(values[j]); }
};
struct size_of {
    const double* values;
    DIAMOND_HD double operator()(index_t j) const { return std::fabs(values[j]); }
};
} // namespace detail

/// The summary of n >= 1 numbers in the memory of a context.
template <class Context>
[[nodiscard]] column_summary summarise(const Context& context, index_t n, const double* values) {
    require(n >= 1, "a summary of no columns");
    const auto count = static_cast<double>(n);
    return {context.sum(n, detail::number_of{values}) / count, std::sqrt(context.sum(n, detail::square_of{values}) / count), context.max(n, detail::size_of{values})};
}

/// There and back: round_trip[j] = |x - there and back again|, the Euclidean norm, and gap[j] = log p by the way from noise to data minus log p by
/// the way from data to noise. Both are 0 for an exact flow map with divergence; small ones do not prove a map right, large ones prove it wrong.
/// Cost: 2 n evaluations of the map with its divergence.
template <class FlowMap>
class likelihood_validity {
public:
    using batch_type     = typename FlowMap::batch_type;
    using condition_type = condition_of_t<FlowMap>;
    using const_view     = const_view_t<batch_type>;

    explicit likelihood_validity(log_likelihood<FlowMap> likelihood) : likelihood_(std::move(likelihood)) {}

    [[nodiscard]] cost spent() const { return likelihood_.spent(); }

    /// |X_{1,0} X_{0,1} x_0 - x_0|: begins and ends with noise, d x N.
    void from_noise(const_view x_0, const condition_type& condition, double* round_trip, double* gap) {
        prepare(x_0);
        likelihood_.push_forward(x_0, condition, there_.mutable_view(), gap);
        likelihood_.pull_back(there_.read(), condition, back_.mutable_view(), way_back_.data());
        compare(x_0, 1.0, round_trip, gap);
    }
    /// |X_{0,1} X_{1,0} x - x|: begins and ends with data, d x N.
    void from_data(const_view x, const condition_type& condition, double* round_trip, double* gap) {
        prepare(x);
        likelihood_.pull_back(x, condition, there_.mutable_view(), gap);
        likelihood_.push_forward(there_.read(), condition, back_.mutable_view(), way_back_.data());
        compare(x, -1.0, round_trip, gap);
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    void prepare(const_view x) {
        for (auto* buffer : {&there_, &back_}) buffer->resize(x.context(), x.rows(), x.columns());
        way_back_.resize(x.context(), 1, x.columns());
    }
    void compare(const_view x, double sign, double* round_trip, double* gap) {
        const auto& context = x.context();
        context.column_sums(x.rows(), x.columns(), detail::squared_difference<real>{x.data(), back_.data(), x.rows()}, round_trip);
        context.for_each(x.columns(), detail::take_root{round_trip});
        context.for_each(x.columns(), detail::signed_difference{sign, way_back_.data(), gap});
    }

    log_likelihood<FlowMap>      likelihood_;
    scratch<real, context_type>   there_, back_;
    scratch<double, context_type> way_back_;
};

} // namespace diamond
