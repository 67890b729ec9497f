/// A steerable kernel of one's own: a transition of the mixture that draws the part first, and all else from
/// one noise.
#pragma once

#include <cmath>
#include <vector>

#include <Eigen/Dense>

#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/glass/correlation.hpp>

#include "problem.hpp"

namespace measured {

/// DDPM's transition, exactly: part p with its probability given x_t, then x_t' = abar m_p(x_t) + gamma x_t +
/// sqrt(sbar^2 + abar^2 c) e, m_p and c the mean and the variance of the data of part p given x_t. Unlike
/// ddpm_posterior_kernel of exact draws, whose z has a noise that no guide chooses, all noise is in e.
/// It models steerable_kernel. Cost: one evaluation a column, which it does on the host.
class part_first_kernel {
public:
    using batch_type = batch;
    using view = diamond::view_t<batch>;
    using const_view = diamond::const_view_t<batch>;

    explicit part_first_kernel(const problem& of)
        : means_(of.means.cast<float>()), variance_(of.part_variance) {}

    [[nodiscard]] index_t dimension() const { return means_.rows(); }
    [[nodiscard]] diamond::cost spent() const { return {.forward = calls_}; }
    [[nodiscard]] bool exact() const { return true; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }

    void operator()(const_view x, diamond::interval span, const diamond::no_condition& none,
                    diamond::noise_stream stream, view out) {
        noise_.resize(x.context(), x.rows(), x.columns());
        draw_normal(stream.with(purpose::transition_end), noise_.mutable_view());
        centre(x, span, none, stream, out);
        steered(x, span, none, noise_, out, out);
    }
    void centre(const_view x, diamond::interval span, const diamond::no_condition&,
                diamond::noise_stream stream, view out) {
        calls_ += x.columns();
        const auto kernel = diamond::kernel_at(schedule(), span, diamond::ddpm_correlation{});
        const auto from = diamond::level_at(schedule(), span.from);
        const double spread = square(from.alpha) * variance_ + square(from.sigma);
        const auto pull = static_cast<float>(from.alpha * variance_ / spread),
                   alpha = static_cast<float>(from.alpha);
        Eigen::VectorXd share(means_.cols());
        for (index_t j = 0; j < x.columns(); ++j) {
            const Eigen::Map<const Eigen::VectorXf> at(x.data() + x.rows() * j, x.rows());
            for (index_t p = 0; p < means_.cols(); ++p)
                share(p) = -0.5 * static_cast<double>((at - alpha * means_.col(p)).squaredNorm()) / spread;
            share = (share.array() - share.maxCoeff()).exp();
            const double chosen = stream.uniform(j) * share.sum();
            index_t p = 0;
            for (double sum = share(0); sum < chosen && p + 1 < means_.cols(); sum += share(++p)) {
            }
            Eigen::Map<Eigen::VectorXf>(out.data() + x.rows() * j,
                                        x.rows()) = static_cast<float>(kernel.abar) *
                                                        ((1.0f - pull * alpha) * means_.col(p) + pull * at) +
                                                    static_cast<float>(kernel.gamma) * at;
        }
    }
    void steered(const_view, diamond::interval span, const diamond::no_condition&, const_view noise,
                 const_view centre, view out) {
        assign(out, centre + noise_deviation(span, variance_) * noise);
    }
    /// The deviation of e: the parts' own variance, whatever a guide takes the data's to be.
    [[nodiscard]] double noise_deviation(diamond::interval span, double) const {
        const auto kernel = diamond::kernel_at(schedule(), span, diamond::ddpm_correlation{});
        const auto from = diamond::level_at(schedule(), span.from);
        const double c = variance_ * square(from.sigma) /
                         (square(from.alpha) * variance_ + square(from.sigma));
        return std::sqrt(square(kernel.sbar) + square(kernel.abar) * c);
    }

private:
    Eigen::MatrixXf means_;
    double variance_;
    std::int64_t calls_ = 0;
    diamond::scratch<float, context> noise_;
};
static_assert(diamond::steerable_kernel<part_first_kernel>);

} // namespace measured
