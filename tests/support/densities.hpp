/// This header computes log-densities by dense long-double algebra that shares nothing with the library, and
/// defines flow maps with divergence that are wrong on purpose.
#pragma once

#include <cmath>
#include <vector>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/schedule/linear.hpp>

#include "support/models.hpp"
#include "support/small_matrix.hpp"

namespace densities {

using diamond::index_t;

/// This is the flow map with divergence of Gaussian data over noise of another deviation, x_t = t z + s0 (1 -
/// t) eps. In units of s0 it is that of z/s0 on the linear schedule.
template <class Batch>
class wide_flow_map : public diamond::gaussian_flow_map<Batch, diamond::linear_schedule> {
    using base = diamond::gaussian_flow_map<Batch, diamond::linear_schedule>;

public:
    using batch_type = Batch;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;

    wide_flow_map(const diamond::backend_of_t<Batch>& context, double deviation,
                  models::gaussian_numbers numbers = {})
        : base({context,
                {},
                divided(numbers.mean, deviation),
                divided(numbers.covariance, deviation * deviation)}),
          deviation_(deviation) {}

    void operator()(const_view x, diamond::interval span, diamond::no_condition none, view out) {
        base::operator()(in_units(x), span, none, out);
        scale(deviation_, out, out);
    }
    void operator()(const_view x, diamond::interval span, diamond::no_condition none, view out,
                    diamond::row_t<batch_type> divergence) {
        base::operator()(in_units(x), span, none, out, divergence);
        scale(deviation_, out, out);
    }

private:
    static std::vector<double> divided(std::vector<double> numbers, double by) {
        for (double& number : numbers) number /= by;
        return numbers;
    }
    static void scale(double by, const_view in, view out) {
        diamond::combine(diamond::coefficients<1>(diamond::numbers<1>{{by}}), out, in);
    }
    const_view in_units(const_view x) {
        units_.resize(x.context(), x.rows(), x.columns());
        scale(1.0 / deviation_, x, units_.mutable_view());
        return units_.read();
    }

    double deviation_;
    diamond::scratch<typename Batch::value_type, diamond::backend_of_t<Batch>> units_;
};

/// Returns log N(x_j; alpha mu, alpha^2 C + sigma^2 I) of models::gaussian_numbers, column by column.
[[nodiscard]] inline std::vector<double> gaussian(const std::vector<double>& x, double alpha = 1.0,
                                                  double sigma = 0.0) {
    const models::gaussian_numbers n;
    const std::size_t d = n.mean.size(), columns = x.size() / d;
    small::matrix covariance(d, d), miss(d, columns);
    for (std::size_t i = 0; i < d; ++i) {
        for (std::size_t k = 0; k < d; ++k)
            covariance(i, k) = alpha * alpha * n.covariance[i + d * k] + (i == k ? sigma * sigma : 0.0);
        for (std::size_t j = 0; j < columns; ++j) miss(i, j) = x[i + d * j] - alpha * n.mean[i];
    }
    const auto solved = small::solve(covariance, miss);
    std::vector<double> result;
    for (std::size_t j = 0; j < columns; ++j) {
        auto sum = solved.log_determinant + static_cast<double>(d) * std::log(2.0 * diamond::pi);
        for (std::size_t i = 0; i < d; ++i) sum += miss(i, j) * solved.x(i, j);
        result.push_back(static_cast<double>(-0.5 * sum));
    }
    return result;
}

struct scale_number {
    double by;
    double* m;
    DIAMOND_HD void operator()(index_t j) const { m[j] *= by; }
};

/// The divergence m is multiplied by `divergence` in jumps towards data and by `way_back` in jumps towards
/// noise, and X by `position`.
struct spoil {
    double divergence = 1.0, way_back = 1.0, position = 1.0;
};
template <class Map>
struct spoilt : Map {
    using batch_type = typename Map::batch_type;
    spoil by;

    spoilt(Map map, spoil how) : Map(std::move(map)), by(how) {}
    void operator()(diamond::const_view_t<batch_type> x, diamond::interval span, diamond::no_condition c,
                    diamond::view_t<batch_type> out) {
        Map::operator()(x, span, c, out);
    }
    void operator()(diamond::const_view_t<batch_type> x, diamond::interval span, diamond::no_condition c,
                    diamond::view_t<batch_type> out, diamond::row_t<batch_type> m) {
        Map::operator()(x, span, c, out, m);
        x.context().for_each(x.columns(),
                             scale_number{span.length() > 0.0 ? by.divergence : by.way_back, m.data()});
        diamond::combine(diamond::coefficients<1>(diamond::numbers<1>{{by.position}}), out, out);
    }
};

} // namespace densities
