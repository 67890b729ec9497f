/// Draws of a Diamond network's own few-step map, with the density of each draw's branch and the sign of its
/// determinant, by which importance weights are exact where the map folds, too. See (eq. signed-weight).
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/density/jacobian_network.hpp>
#include <diamond/density/log_likelihood.hpp>
#include <diamond/density/signed_estimate.hpp>
#include <diamond/map/network_velocity.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/counted_network.hpp>

namespace diamond {

/// Draws x = X(x_0), x_0 ~ N(0, I), by jumps X_{s,r} of a differentiable Diamond network at t = 0, with
///   log q = log N(x_0; 0, I) - sum_k log |det dX_k/dx|,  sign = the product of the determinants' signs.
///
/// A learned map of few steps folds: several x_0 are mapped to one x, on branches of either sign. For a
/// target with density f, known up to a factor Z, the signed weights w = sign f(x)/q average Z all the same,
/// and w g(x) averages the integral of g f, because at almost every x the signs of the branches add up to the
/// degree of the map, which is 1 for a map that is like one with a positive determinant far from the origin.
/// Weights without the sign average Z/(1 - 2 negative), with signed_estimate::negative. A draw whose
/// determinant is 0 has log q = infinity and the sign 0: it weighs nothing.
///
/// Where q is much smaller than f the weights vary, as for any importance sampling; there is no mass that the
/// map does not reach. Cost for each draw and jump: one evaluation and d Jacobian-vector products.
template <class Network>
class signed_draws {
    static_assert(differentiable_diamond_network<Network>,
                  "signed_draws need a differentiable Diamond network: one with vjp and jvp");

public:
    using batch_type = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;

    /// Takes the network and the grid of the jumps, options.steps or options.times. @throws
    /// std::invalid_argument for a grid that is none, or another base deviation than 1.
    explicit signed_draws(Network network, const likelihood_options& options = {})
        : network_(jacobian_network<Network>(std::move(network))), grid_(detail::likelihood_grid(options)) {
        require(options.base_deviation == 1.0, [&] {
            return "signed draws from noise of deviation " + digits_of(options.base_deviation) +
                   ": a Diamond network's is 1";
        });
        check_schedule(network_.network().schedule());
        check_schedule(network_.network().inner_schedule());
    }

    [[nodiscard]] index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] const cost& spent() const { return network_.spent(); }
    /// Returns the times between which it jumps, from noise to data.
    [[nodiscard]] const std::vector<double>& times() const { return grid_; }

    /// Draws x, d x N, with log_q[j] and sign[j] of each. @throws std::invalid_argument if shapes do not fit.
    void operator()(noise_stream stream, const condition_type& condition, view_t<batch_type> x,
                    row_t<batch_type> log_q, row_t<batch_type> sign) {
        const auto& context = x.context();
        const index_t n = x.columns();
        require_columns("signed_draws", log_q, n);
        require_columns("signed_draws", sign, n);
        velocity_.resize(context, x.rows(), n);
        divergence_.resize(context, 1, n);
        its_sign_.resize(context, 1, n);
        const const_view_t<batch_type> here = x; // which moves from noise to data
        draw_normal(stream, x);
        assign(log_q, column_sums(elementwise<detail::log_normal_density>(here, 1.0)));
        assign(sign, 1.0);
        for (std::size_t k = 0; k + 1 < grid_.size(); ++k) {
            const double length = grid_[k + 1] - grid_[k];
            const diamond_arguments<batch_type> at{here, detail::zeros_like(here, zeros_), time_view(0.0),
                                                   time_view(grid_[k]), time_view(grid_[k + 1])};
            network_.network().with_sign(at, condition, network_.workspace(here), velocity_.mutable_view(),
                                         row(divergence_), row(its_sign_));
            network_.spent() += network_.network().divergence_cost() * n;
            assign(x, here + length * velocity_);
            assign(log_q, log_q - length * row(divergence_));
            assign(sign, sign * row(its_sign_));
        }
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    counted_network<jacobian_network<Network>> network_;
    std::vector<double> grid_;
    scratch<real, context_type> velocity_, zeros_;
    scratch<double, context_type> divergence_, its_sign_;
};

} // namespace diamond
