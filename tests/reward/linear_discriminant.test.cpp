#include <cstdint>
#include <stdexcept>
#include <string>

#include <Eigen/LU>

#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/reward/classifier_reward.hpp>
#include <diamond/reward/linear_discriminant.hpp>

#include "checks.hpp"

namespace reward_linear_discriminant_test {

using namespace checks;

namespace {

constexpr index_t d = 4, classes = 3, count = 400;

struct labelled_samples {
    std::vector<double> z;
    std::vector<std::int32_t> labels;
};

/// Correlated Gaussian classes of different sizes, their means `separation` apart or more.
labelled_samples draw(double separation) {
    diamond::eigen::context context;
    labelled_samples result{
        diamond::to_host(points<diamond::eigen::batch<double>>(context, d, count, 1.0, 5)), {}};
    for (index_t n = 0; n < count; ++n) {
        const auto label = static_cast<std::int32_t>(n % 7 % classes); // shares of 3/7, 2/7 and 2/7
        double* x = &result.z[static_cast<std::size_t>(d * n)];
        x[1] += 0.8 * x[0];
        x[2] = 0.3 * x[2] - 0.5 * x[1];
        x[3] += 10.0; // a mean that says nothing
        x[label] += separation * (1.0 + static_cast<double>(label));
        result.labels.push_back(label);
    }
    return result;
}

/// log p(k | x) straight from Bayes' rule with Eigen: N(x; mu_k, C) pi_k, normalised.
class bayes_rule {
public:
    bayes_rule(const labelled_samples& data, const diamond::linear_discriminant_options& options) {
        matrix covariance = matrix::Zero();
        for (index_t n = 0; n < count; ++n) {
            means_[label(data, n)] += sample(data, n);
            sizes_[label(data, n)] += 1;
        }
        for (std::size_t k = 0; k < classes; ++k) means_[k] /= sizes_[k];
        for (index_t n = 0; n < count; ++n) {
            const vector residual = sample(data, n) - means_[label(data, n)];
            covariance += residual * residual.transpose() / static_cast<double>(count - classes);
        }
        const double trace = covariance.trace();
        covariance *= 1 - options.shrinkage;
        covariance += (options.shrinkage * trace / static_cast<double>(d) + options.ridge) *
                      matrix::Identity();
        precision_ = covariance.inverse();
        for (std::size_t k = 0; k < classes; ++k)
            sizes_[k] = options.priors.empty() ? sizes_[k] / static_cast<double>(count) : options.priors[k];
    }

    std::vector<double> operator()(const double* z) const {
        std::vector<double> log_joint;
        double evidence = -diamond::infinity;
        for (std::size_t k = 0; k < classes; ++k) {
            const vector residual = vector(z) - means_[k];
            log_joint.push_back(std::log(sizes_[k]) - 0.5 * residual.dot(precision_ * residual));
            evidence = diamond::log_add_exp(evidence, log_joint.back());
        }
        for (double& entry : log_joint) entry -= evidence;
        return log_joint;
    }

private:
    using vector = Eigen::Matrix<double, d, 1>;
    using matrix = Eigen::Matrix<double, d, d>;

    static std::size_t label(const labelled_samples& data, index_t n) {
        return static_cast<std::size_t>(data.labels[static_cast<std::size_t>(n)]);
    }
    static vector sample(const labelled_samples& data, index_t n) { return vector(data.z.data() + d * n); }

    std::vector<vector> means_ = std::vector<vector>(classes, vector::Zero());
    std::vector<double> sizes_ = std::vector<double>(classes);
    matrix precision_;
};

/// Each class's log-probability at each column of z.
template <class Batch>
std::vector<std::vector<double>> log_probabilities(const Batch& z, const diamond::linear_discriminant& fit) {
    std::vector<std::vector<double>> result;
    for (index_t k = 0; k < classes; ++k) {
        diamond::classifier_reward reward{diamond::affine_measurement<Batch>(z.context(), fit), k};
        result.push_back(values(reward, z));
    }
    return result;
}

/// Why a fit is refused, or nothing.
std::string refusal(index_t dimension, const std::vector<double>& samples, const std::vector<int>& labels,
                    const diamond::linear_discriminant_options& options = {}) {
    try {
        static_cast<void>(diamond::fit_linear_discriminant(dimension, samples, labels, options));
        return "";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

} // namespace

TEST_CASE("the fit is Bayes' rule for Gaussian classes of one covariance") {
    diamond::eigen::context context;
    const labelled_samples data = draw(1.0);
    const auto z = points<diamond::eigen::batch<double>>(context, d, 50, 3.0);
    const std::vector<diamond::linear_discriminant_options> choices{
        {},
        {.shrinkage = 0.3},
        {.ridge = 0.5},
        {.shrinkage = 1.0},
        {.shrinkage = 0.1, .ridge = 0.2, .priors = {0.7, 0.2, 0.1}}};
    for (const auto& options : choices) {
        const auto log_p = log_probabilities(
            z, diamond::fit_linear_discriminant(d, data.z, data.labels, options));
        const bayes_rule direct(data, options);
        for (index_t j = 0; j < 50; ++j) {
            std::vector<double> ours;
            for (const auto& one : log_p) ours.push_back(one[static_cast<std::size_t>(j)]);
            CHECK(difference(ours, direct(z.data() + d * j)) < 1e-10);
        }
    }
}

TEST_CASE_TEMPLATE("separated classes are told apart", back_end, BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    const labelled_samples data = draw(15.0);
    const vector_of<Batch> samples(data.z.begin(), data.z.end());
    const auto fit = diamond::fit_linear_discriminant(d, samples, data.labels);
    const auto log_p = log_probabilities(diamond::from_host(context, d, count, samples), fit);
    for (index_t n = 0; n < count; ++n)
        CHECK(log_p[static_cast<std::size_t>(data.labels[static_cast<std::size_t>(n)])]
                   [static_cast<std::size_t>(n)] > -1e-3);

    const auto far = points<Batch>(context, d, 100, 1e4);
    for (const auto& one : log_probabilities(far, fit))
        for (const double r : one) CHECK(std::isfinite(r));
}

TEST_CASE("a pixel that never changes needs shrinkage or a ridge") {
    labelled_samples data = draw(1.0);
    for (index_t n = 0; n < count; ++n)
        data.z[static_cast<std::size_t>(d * n + 3)] = 0.1; // not a binary fraction: its mean is rounded
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::fit_linear_discriminant(d, data.z, data.labels)),
                         doctest::Contains("singular: pivot 3"), std::invalid_argument);
    CHECK_NOTHROW(
        static_cast<void>(diamond::fit_linear_discriminant(d, data.z, data.labels, {.shrinkage = 0.01})));
    CHECK_NOTHROW(
        static_cast<void>(diamond::fit_linear_discriminant(d, data.z, data.labels, {.ridge = 0.01})));
}

TEST_CASE("a fit refuses what it cannot mean") {
    using options = diamond::linear_discriminant_options;
    using labels = std::vector<int>;
    const std::vector<double> z{0, 1, 2, 3, 4, 6};
    const labels good{0, 1, 0, 1, 0, 1};
    CHECK_NOTHROW(static_cast<void>(
        diamond::fit_linear_discriminant(1, z, std::vector<std::uint8_t>{0, 1, 0, 1, 0, 1})));
    CHECK(refusal(1, z, good) == "");
    CHECK(refusal(2, z, good).find("6 numbers for 6 samples of dimension 2") != std::string::npos);
    CHECK(refusal(0, {}, {}).find("dimension 0") != std::string::npos);
    CHECK(refusal(1, {}, {}).find("0 samples of 0 classes") != std::string::npos);
    CHECK(refusal(1, z, labels{0, 1, -1, 1, 0, 1}).find("labels[2] = -1") != std::string::npos);
    CHECK(refusal(1, z, labels{0, 1, 200, 1, 0, 1}).find("labels[2] = 200") != std::string::npos);
    CHECK(refusal(1, z, labels{0, 2, 0, 2, 0, 2}).find("no sample of class 1 of 3") != std::string::npos);
    CHECK(refusal(1, z, labels{0, 1, 2, 3, 4, 5}).find("6 samples of 6 classes") != std::string::npos);
    CHECK(refusal(1, {0, 1, 2, std::nan(""), 4, 5}, good).find("samples[3] = nan") != std::string::npos);
    CHECK(refusal(1, z, good, options{.shrinkage = 1.5}).find("shrinkage 1.5") != std::string::npos);
    CHECK(refusal(1, z, good, options{.ridge = -1}).find("ridge -1") != std::string::npos);
    CHECK(refusal(1, z, good, options{.priors = {1.0}}).find("1 priors with sum 1") != std::string::npos);
    CHECK(refusal(1, z, good, options{.priors = {0.5, 0.6}}).find("2 priors with sum 1.1") !=
          std::string::npos);
    CHECK(refusal(1, z, good, options{.priors = {0.0, 1.0}}).find("positive") != std::string::npos);
}

} // namespace reward_linear_discriminant_test
