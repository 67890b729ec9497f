/// The parts that the tests of corrected draws share: a Gaussian map that is wrong for the data, Bayes' rule
/// in long double, and densities that are spoilt on purpose.
#pragma once

#include <utility>

#include <diamond/concepts/marginal_density.hpp>
#include <diamond/schedule/schedule.hpp>

#include "support/models.hpp"
#include "support/small_matrix.hpp"

namespace corrections {

using diamond::index_t;

/// Off in mean and wider than models::gaussian_numbers in every direction, so that weights p/q are bounded.
struct wrong_numbers {
    std::vector<double> mean{0.2, -0.8, 0.9};
    std::vector<double> covariance{2.05, 0.75, -0.3, 0.75, 1.0, 0.15, -0.3, 0.15, 0.475};
};

/// Mean and covariance of models::gaussian_numbers' x_t' given x_t, `to` being the data's own noise level {1,
/// 0} for the posterior.
struct conditioned {
    small::matrix mean, covariance;
};
[[nodiscard]] inline conditioned given(const std::vector<double>& x, diamond::noise_level from,
                                       diamond::noise_level to) {
    const models::gaussian_numbers n;
    const double a = from.alpha / to.alpha,
                 variance = diamond::square(from.sigma) - diamond::square(a * to.sigma);
    const small::matrix prior = diamond::square(to.alpha) * small::matrix(3, 3, n.covariance) +
                                small::matrix::identity(3, diamond::square(to.sigma));
    const small::matrix mean = to.alpha * small::matrix(3, 1, n.mean);
    const small::matrix total = diamond::square(a) * prior + small::matrix::identity(3, variance);
    const small::matrix miss = small::matrix(3, 1, x) - a * mean;
    return {mean + a * (prior * small::solve(total, miss).x),
            prior - diamond::square(a) * (prior * small::solve(total, prior).x)};
}

/// Density with `Change` of what it says: change(log p, x, j, t), x the batch, is written in place of log p.
template <class Density, class Change>
class altered {
public:
    using batch_type = typename Density::batch_type;
    using condition_type = diamond::condition_of_t<Density>;
    using const_view = diamond::const_view_t<batch_type>;

    altered(Density density, Change change) : density_(std::move(density)), change_(change) {}
    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(density_.dimension()); }
    [[nodiscard]] auto schedule() const { return density_.schedule(); }
    [[nodiscard]] diamond::cost spent() const { return density_.spent(); }
    [[nodiscard]] bool exact() const { return false; }
    void operator()(const_view x, double t, const condition_type& condition, diamond::row_t<batch_type> out) {
        density_(x, t, condition, out);
        x.context().for_each(x.columns(), change_column{change_, x, t, out});
    }
    struct change_column {
        Change change;
        const_view x;
        double t;
        diamond::row_t<batch_type> out;
        DIAMOND_HD void operator()(index_t j) const { out[j] = change(out[j], x, j, t); }
    };

private:
    Density density_;
    Change change_;
};

/// Says `what` of column `column` at time `when`, and leaves the others.
struct spoil_column {
    index_t column;
    double what, when = 1.0;
    template <class View>
    DIAMOND_HD double operator()(double value, const View&, index_t j, double t) const {
        return j == column && t == when ? what : value;
    }
};
/// Nothing lies where x_0 < wall, at any time after 0.
struct wall {
    double at;
    template <class View>
    DIAMOND_HD double operator()(double value, const View& x, index_t j, double) const {
        return static_cast<double>(x(0, j)) < at ? -diamond::infinity : value;
    }
};
/// Off by a number at t = 1.
struct shift_end {
    double by;
    template <class View>
    DIAMOND_HD double operator()(double value, const View&, index_t, double t) const {
        return t == 1.0 ? value + by : value;
    }
};

} // namespace corrections
