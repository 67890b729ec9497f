/// This header makes the problems: a digit of a known class is drawn from the exact model, and seen through a
/// measurement with noise; its posterior is in closed form.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Dense>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "../digits/data_set.hpp"

namespace inverse {

using diamond::index_t, diamond::philox, diamond::purpose, diamond::square;
using digits::pixels, digits::shape;
using batch = diamond::eigen::batch<float>;
using context = diamond::eigen::context;
using model_type = diamond::gaussian_mixture<batch, diamond::linear_schedule>;
using measurement_type = diamond::any_measurement<batch>;
using reward_type = diamond::gaussian_measurement_reward<measurement_type>;

/// A kind of measurement, and the deviation of its noise.
struct measured_by {
    std::string name, title;
    measurement_type of;
    double deviation;
    /// Shows what was seen as an image, of the shape of what was measured; what was not seen is NaN.
    std::vector<index_t> pixels_seen = {}; ///< of a mask
    diamond::image_shape seen_shape = shape;
};
/// Returns the measurements of the study.
inline std::vector<measured_by> measurements(const context& on) {
    std::vector<index_t> upper(static_cast<std::size_t>(pixels / 2));
    for (std::size_t i = 0; i < upper.size(); ++i) upper[i] = static_cast<index_t>(i);
    // [measurements]
    const diamond::mask_measurement<batch> mask{on, pixels, upper};
    const diamond::down_sampling_measurement<batch> small{shape, 2};
    const diamond::blur_measurement<batch> blur{on, shape, diamond::gaussian_blur(1.0, 5)};
    const diamond::blur_measurement<batch> identity{on, shape, {}};
    return {{"mask", "The upper half, deviation 0.4", mask, 0.4, upper},
            {"down_sampling", "Means of blocks of 2 x 2, deviation 0.2", small, 0.2, {}, small.small_shape()},
            {"blur", "A Gaussian blur of deviation 1 pixel, noise of deviation 0.25", blur, 0.25},
            {"noise", "All pixels, deviation 0.8", identity, 0.8}};
    // [/measurements]
}

/// The images of a class, smoothed: the law of the truth, and of the class in the learned model.
struct class_model {
    model_type model;
    Eigen::MatrixXd means; ///< pixels x images
    double bandwidth;      ///< h, the deviation of a pixel of a component

    class_model(const context& on, const digits::images& of, double h)
        : model(diamond::data_mixture(on, diamond::linear_schedule{},
                                      diamond::from_host<float>(on, pixels, of.count(), of.data).read(), h)),
          means(Eigen::Map<const Eigen::MatrixXf>(of.data.data(), pixels, of.count()).cast<double>()),
          bandwidth(h) {}
};

/// The posterior of the mixture given y = W z + s eps: a mixture with weights by the evidence of the
/// components, means moved towards y, and one covariance.
class exact_posterior {
public:
    exact_posterior(const context& on, const class_model& of, measured_by by,
                    const std::vector<float>& seen) {
        const index_t m = by.of.outputs();
        const Eigen::MatrixXf units = Eigen::MatrixXf::Identity(pixels, pixels);
        const auto z = diamond::from_host<float>(
            on, pixels, pixels, std::vector<float>(units.data(), units.data() + units.size()));
        batch out(on, m, pixels);
        by.of(z.read(), out.mutable_view());
        const Eigen::MatrixXd w = Eigen::Map<const Eigen::MatrixXf>(out.data(), m, pixels).cast<double>();
        const double variance = square(of.bandwidth), noise = square(by.deviation);
        const Eigen::LLT<Eigen::MatrixXd> total(variance * w * w.transpose() +
                                                noise * Eigen::MatrixXd::Identity(m, m));
        const Eigen::VectorXd y = Eigen::Map<const Eigen::VectorXf>(seen.data(), m).cast<double>();
        const Eigen::MatrixXd miss = (-(w * of.means)).colwise() + y, solved = total.solve(miss);
        const Eigen::MatrixXd factor = total.matrixL();
        const double log_determinant = 2.0 * (factor.diagonal().array() / by.deviation).log().sum(); // of
                                                                                                     // Q/s^2
        const Eigen::ArrayXd evidence = -0.5 * miss.cwiseProduct(solved).colwise().sum().transpose().array() -
                                        0.5 * log_determinant;
        const double high = evidence.maxCoeff();
        weights_ = (evidence - high).exp();
        log_z_ = high + std::log(weights_.mean());
        weights_ /= weights_.sum();
        means_ = of.means + variance * w.transpose() * solved;
        const Eigen::MatrixXd covariance = variance * Eigen::MatrixXd::Identity(pixels, pixels) -
                                           square(variance) * w.transpose() * total.solve(w);
        root_ = covariance.llt().matrixL();
    }
    /// log of the mean of exp r over the prior.
    [[nodiscard]] double log_z() const { return log_z_; }
    /// n independent draws.
    [[nodiscard]] diamond::weighted_samples draws(const context& on, index_t n, philox rng) const {
        batch noise(on, pixels, n);
        draw_normal(rng.stream(purpose::user), noise.mutable_view());
        const auto choose = rng.stream(purpose::data);
        diamond::weighted_samples result{
            pixels, {}, std::vector<double>(static_cast<std::size_t>(n), 1.0 / static_cast<double>(n))};
        for (index_t j = 0; j < n; ++j) {
            double left = choose.uniform(j);
            index_t part = 0;
            while (part + 1 < weights_.size() && left >= weights_(part)) left -= weights_(part++);
            const Eigen::VectorXd z = means_.col(part) + root_ * Eigen::Map<const Eigen::VectorXf>(
                                                                     noise.data() + pixels * j, pixels)
                                                                     .cast<double>();
            result.values.insert(result.values.end(), z.data(), z.data() + pixels);
        }
        return result;
    }

private:
    Eigen::ArrayXd weights_;
    Eigen::MatrixXd means_, root_;
    double log_z_ = 0.0;
};

/// One problem: a truth and what is seen of it.
struct problem {
    const class_model& of;
    std::int32_t label;
    const measured_by& by;
    std::vector<double> truth;
    std::vector<float> seen;
    exact_posterior posterior;
    reward_type reward;

    problem(const context& on, const class_model& law, std::int32_t class_of, const measured_by& how,
            philox rng)
        : of(law),
          label(class_of),
          by(how),
          truth(draw_truth(on, rng)),
          seen(see(on, rng)),
          posterior(on, law, how, seen),
          reward(on, how.of, seen, how.deviation) {}

private:
    [[nodiscard]] std::vector<double> draw_truth(const context& on, philox rng) const {
        batch z(on, pixels, 1);
        of.model.draw(rng.stream(purpose::data, 1), z.mutable_view());
        return {z.data(), z.data() + pixels};
    }
    [[nodiscard]] std::vector<float> see(const context& on, philox rng) const {
        auto measurement = by.of;
        const index_t m = measurement.outputs();
        const auto z = diamond::from_host<float>(on, pixels, 1,
                                                 std::vector<float>(truth.begin(), truth.end()));
        batch y(on, m, 1), noise(on, m, 1);
        measurement(z.read(), y.mutable_view());
        draw_normal(rng.stream(purpose::user, 1), noise.mutable_view());
        assign(y, y + by.deviation * noise);
        return diamond::to_host(y);
    }
};

} // namespace inverse
