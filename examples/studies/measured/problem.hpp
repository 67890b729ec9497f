/// This header makes the problems: a mixture of ten Gaussians of which half as many numbers as coordinates
/// are measured, with everything about its posterior in closed form.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include <Eigen/Dense>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

namespace measured {

using diamond::index_t, diamond::philox, diamond::purpose, diamond::square;
using batch = diamond::eigen::batch<float>;
using context = diamond::eigen::context;
using model_type = diamond::gaussian_mixture<batch, diamond::linear_schedule>;
using measurement_type = diamond::affine_measurement<batch>;
using reward_type = diamond::gaussian_measurement_reward<measurement_type>;

/// The sizes and the noise of the published problem (arXiv 2609.37227, table of measured mixtures).
struct sizes {
    index_t dimension = 256, outputs = 128, parts = 10;
    double spread = 1.3;         ///< means are uniform between minus and plus it, and centred
    double noise_variance = 0.1; ///< s^2
};

/// One problem. The coordinates are those of the right singular vectors of the measurement, in which an
/// isotropic mixture stays what it is, and what is measured of z is U diag(w) (z_1 ... z_m).
struct problem {
    problem(const context& on, const sizes& of, philox rng)
        : where(&on), size(of), means(of.dimension, of.parts) {
        const auto stream = rng.stream(purpose::data, 0), other = rng.stream(purpose::data, 1);
        index_t drawn = 0;
        const auto normal = [&] { // Box and Muller: problems are made once, in double
            const double u = stream.uniform(drawn), v = other.uniform(drawn);
            ++drawn;
            return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
        };
        const index_t d = of.dimension, m = of.outputs;
        for (index_t p = 0; p < of.parts; ++p)
            for (index_t i = 0; i < d; ++i) means(i, p) = of.spread * (2.0 * stream.uniform(drawn++) - 1.0);
        means.colwise() -= means.rowwise().mean().eval();
        // The total variance of a coordinate is 1 on average.
        part_variance = 1.0 - means.squaredNorm() / static_cast<double>(d * of.parts);
        Eigen::MatrixXd rows(m, d); // of unit length
        for (index_t k = 0; k < m; ++k) {
            for (index_t i = 0; i < d; ++i) rows(k, i) = normal();
            rows.row(k) /= rows.row(k).norm();
        }
        const Eigen::JacobiSVD<Eigen::MatrixXd> svd(rows, Eigen::ComputeThinU | Eigen::ComputeFullV);
        means = (svd.matrixV().transpose() * means).eval();
        values = svd.singularValues();
        const Eigen::MatrixXd left = svd.matrixU() * values.asDiagonal();

        // The truth is a draw of the mixture.
        const auto part = static_cast<index_t>(stream.uniform(drawn++) * static_cast<double>(of.parts));
        Eigen::VectorXd truth(d), seen(m);
        for (index_t i = 0; i < d; ++i) truth(i) = means(i, part) + std::sqrt(part_variance) * normal();
        seen = left * truth.head(m);
        for (index_t k = 0; k < m; ++k) seen(k) += std::sqrt(of.noise_variance) * normal();
        in_basis = svd.matrixU().transpose() * seen;
        weights.assign(left.data(), left.data() + left.size());
        weights.resize(static_cast<std::size_t>(m * d), 0.0f); // the other coordinates are not measured
        observed.assign(seen.data(), seen.data() + m);
        solve();
    }

    /// The mixture, as the library's exact model.
    [[nodiscard]] model_type model() const {
        const auto parts = static_cast<std::size_t>(size.parts);
        return {*where,
                {},
                std::vector<double>(parts, 1.0 / static_cast<double>(size.parts)),
                {means.data(), means.data() + means.size()},
                std::vector<double>(static_cast<std::size_t>(means.size()), part_variance)};
    }
    [[nodiscard]] reward_type reward() const {
        return {*where,
                measurement_type{*where, weights, std::vector<float>(static_cast<std::size_t>(size.outputs))},
                observed, std::sqrt(size.noise_variance)};
    }
    /// The same reward as a quadratic one, whose exact V the library knows.
    [[nodiscard]] diamond::quadratic_reward<batch> quadratic() const {
        const auto d = static_cast<std::size_t>(size.dimension);
        std::vector<float> centre(d, 0.0f), curvature(d, 0.0f);
        for (index_t i = 0; i < size.outputs; ++i) {
            centre[static_cast<std::size_t>(i)] = static_cast<float>(in_basis(i) / values(i));
            curvature[static_cast<std::size_t>(i)] = static_cast<float>(square(values(i)) /
                                                                        size.noise_variance);
        }
        return {*where, centre, curvature};
    }
    /// n draws of the exact posterior, d x n.
    [[nodiscard]] Eigen::MatrixXd exact_draws(index_t n, philox rng) const {
        batch draws(*where, size.dimension, n);
        model()
            .tilted(quadratic().quadratic_form())
            .tilted.draw(rng.stream(purpose::data), draws.mutable_view());
        return Eigen::Map<const Eigen::MatrixXf>(draws.data(), size.dimension, n).cast<double>();
    }

    const context* where;
    sizes size;
    Eigen::MatrixXd means;                ///< of the parts, d x parts
    double part_variance = 0;             ///< of each coordinate of each part
    Eigen::VectorXd values;               ///< w, m singular values
    Eigen::VectorXd in_basis;             ///< U^T y
    std::vector<float> weights, observed; ///< the measurement's matrix, m x d, and y
    Eigen::VectorXd posterior_mean;       ///< E[z | y]
    double log_z = 0;

private:
    /// The posterior's mean and log Z of the reward, part by part.
    void solve() {
        const index_t m = size.outputs;
        const double s2 = size.noise_variance;
        Eigen::VectorXd log_evidence = Eigen::VectorXd::Zero(size.parts);
        Eigen::MatrixXd of_part = means;
        for (index_t p = 0; p < size.parts; ++p)
            for (index_t i = 0; i < m; ++i) {
                const double spread = square(values(i)) * part_variance,
                             miss = in_basis(i) - values(i) * means(i, p);
                log_evidence(p) -= 0.5 * square(miss) / (spread + s2) + 0.5 * std::log1p(spread / s2);
                of_part(i, p) += part_variance * values(i) * miss / (spread + s2);
            }
        const double high = log_evidence.maxCoeff();
        const Eigen::VectorXd share = (log_evidence.array() - high).exp();
        log_z = high + std::log(share.mean());
        posterior_mean = of_part * share / share.sum();
    }
};

} // namespace measured
