/// This header defines the models on which kernels and values are tested. Nothing in them is symmetric, since
/// errors of sign would then pass.
#pragma once

#include <memory>
#include <vector>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/schedule/schedule.hpp>

#include "conditioning.hpp"

namespace models {

using diamond::index_t;

/// The mixture has three components in the plane that differ in weight, place and shape.
struct mixture_numbers {
    static constexpr index_t d = 2, count = 3;
    double weight[count] = {0.2, 0.5, 0.3};
    double mean[count][d] = {{-1.5, 0.5}, {1.0, -0.75}, {0.25, 2.0}};
    double variance[count][d] = {{0.3, 0.1}, {0.15, 0.4}, {0.2, 0.25}};
};

/// This type computes, by plain loops, what one point of x_t says: the shares of the components, and D and
/// the score with their Jacobians.
struct mixture_point {
    static constexpr index_t d = mixture_numbers::d, count = mixture_numbers::count;
    double log_density = 0.0, share[count], denoiser[d] = {}, score[d] = {}, d_denoiser[d][d] = {},
           d_score[d][d] = {};

    DIAMOND_HD mixture_point(const mixture_numbers& n, double alpha, double variance, const double* x) {
        double high = -diamond::infinity, slope[count][d], part[count][d];
        for (index_t k = 0; k < count; ++k) {
            share[k] = std::log(n.weight[k]);
            for (index_t i = 0; i < d; ++i) {
                const double total = alpha * alpha * n.variance[k][i] + variance,
                             miss = x[i] - alpha * n.mean[k][i];
                share[k] -= 0.5 * (miss * miss / total + std::log(2.0 * diamond::pi * total));
                slope[k][i] = -miss / total;
                part[k][i] = (variance * n.mean[k][i] + alpha * n.variance[k][i] * x[i]) / total;
            }
            high = high > share[k] ? high : share[k];
        }
        double sum = 0.0;
        for (double& s : share) sum += s = std::exp(s - high);
        log_density = high + std::log(sum);
        for (index_t k = 0; k < count; ++k) {
            share[k] /= sum;
            for (index_t i = 0; i < d; ++i) {
                denoiser[i] += share[k] * part[k][i];
                score[i] += share[k] * slope[k][i];
            }
        }
        for (index_t k = 0; k < count; ++k)
            for (index_t i = 0; i < d; ++i) {
                const double total = alpha * alpha * n.variance[k][i] + variance;
                d_denoiser[i][i] += share[k] * alpha * n.variance[k][i] / total;
                d_score[i][i] -= share[k] / total;
                for (index_t l = 0; l < d; ++l) {
                    d_denoiser[i][l] += share[k] * part[k][i] * (slope[k][l] - score[l]);
                    d_score[i][l] += share[k] * slope[k][i] * (slope[k][l] - score[l]);
                }
            }
    }
};

/// This functor computes what `What` makes of one column, in the dimension of the plane.
template <class What, class Schedule, class ConstView>
struct mixture_column {
    What what;
    Schedule schedule;
    mixture_numbers numbers;
    ConstView x;
    diamond::time_view t;
    DIAMOND_HD void operator()(index_t j) const {
        const double at[mixture_numbers::d] = {static_cast<double>(x(0, j)), static_cast<double>(x(1, j))},
                     time = t[j];
        // Like the library's oracles, the velocity reads the schedule as it is.
        what(j, mixture_point(numbers, schedule.alpha(time), diamond::square(schedule.sigma(time)), at),
             schedule.d_alpha(time), diamond::sigma_d_sigma(schedule, time));
    }
};
/// This is the velocity u = alpha' D - sigma sigma' score.
template <class View>
struct write_velocity {
    View out;
    DIAMOND_HD void operator()(index_t j, const mixture_point& p, double d_alpha, double spread) const {
        for (index_t i = 0; i < p.d; ++i)
            out(i, j) = static_cast<typename View::value_type>(d_alpha * p.denoiser[i] - spread * p.score[i]);
    }
};
/// This is the Jacobian times a direction. It is symmetric, but is transposed all the same where asked for.
template <class View, class ConstView>
struct write_jacobian_product {
    ConstView direction;
    View out;
    bool transposed;
    DIAMOND_HD void operator()(index_t j, const mixture_point& p, double d_alpha, double spread) const {
        double product[mixture_point::d] = {};
        for (index_t i = 0; i < p.d; ++i)
            for (index_t l = 0; l < p.d; ++l)
                product[transposed ? l : i] += (d_alpha * p.d_denoiser[i][l] - spread * p.d_score[i][l]) *
                                               static_cast<double>(direction(transposed ? i : l, j));
        for (index_t i = 0; i < p.d; ++i) out(i, j) = static_cast<typename View::value_type>(product[i]);
    }
};
struct write_log_density {
    double* out;
    DIAMOND_HD void operator()(index_t j, const mixture_point& p, double, double) const {
        out[j] = p.log_density;
    }
};
template <class View>
struct write_score {
    View out;
    DIAMOND_HD void operator()(index_t j, const mixture_point& p, double, double) const {
        for (index_t i = 0; i < p.d; ++i) out(i, j) = static_cast<typename View::value_type>(p.score[i]);
    }
};

/// This is the mixture as a velocity field of any back end. It shares nothing with oracle/ and compiles
/// quickly. `Gives` is what it knows beyond its velocity and products: with `nothing` it stands for a trained
/// network.
struct nothing {};
struct density {};
template <class Batch, class Schedule, class Gives = density>
class mixture {
public:
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    struct workspace {};

    explicit mixture(Schedule schedule, mixture_numbers numbers = {})
        : schedule_(schedule), numbers_(numbers) {}

    [[nodiscard]] index_t dimension() const { return mixture_numbers::d; }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }

    void operator()(const_view x, diamond::time_view t, diamond::no_condition, workspace&, view out) const {
        each_column(x, t, write_velocity<view>{out});
    }
    void jvp(const_view x, diamond::time_view t, diamond::no_condition, const_view tangent, workspace&,
             view out) const {
        each_column(x, t, write_jacobian_product<view, const_view>{tangent, out, false});
    }
    void vjp(const_view x, diamond::time_view t, diamond::no_condition, const_view cotangent, workspace&,
             view out) const {
        each_column(x, t, write_jacobian_product<view, const_view>{cotangent, out, true});
    }
    void log_density(const_view x, diamond::time_view t, diamond::no_condition, workspace&,
                     diamond::row_t<batch_type> out) const
        requires std::same_as<Gives, density>
    {
        each_column(x, t, write_log_density{out.data()});
    }
    void score(const_view x, diamond::time_view t, diamond::no_condition, workspace&, view out) const
        requires std::same_as<Gives, density>
    {
        each_column(x, t, write_score<view>{out});
    }

private:
    template <class What>
    void each_column(const_view x, diamond::time_view t, const What& what) const {
        x.context().for_each(x.columns(),
                             mixture_column<What, Schedule, const_view>{what, schedule_, numbers_, x, t});
    }

    Schedule schedule_;
    mixture_numbers numbers_;
};

[[nodiscard]] inline std::vector<conditioning::component> mixture_components(const mixture_numbers& n = {}) {
    std::vector<conditioning::component> result;
    for (index_t k = 0; k < n.count; ++k) {
        conditioning::component c{n.weight[k], small::matrix(2, 1), small::matrix(2, 2)};
        for (std::size_t i = 0; i < 2; ++i) {
            c.mean(i, 0) = n.mean[k][i];
            c.covariance(i, i) = n.variance[k][i];
        }
        result.push_back(c);
    }
    return result;
}

/// This is a correlated Gaussian in three dimensions with different scales, for oracle/gaussian.hpp.
struct gaussian_numbers {
    std::vector<double> mean{0.7, -1.2, 0.4};
    std::vector<double> covariance{1.3, 0.5, -0.2, 0.5, 0.6, 0.1, -0.2, 0.1, 0.25};
};
[[nodiscard]] inline std::vector<conditioning::component> gaussian_components() {
    const gaussian_numbers n;
    return {{1.0L, small::matrix(3, 1, n.mean), small::matrix(3, 3, n.covariance)}};
}

} // namespace models
