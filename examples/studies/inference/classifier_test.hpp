/// This header measures how far two sets of draws can be told apart, by the classifier two-sample test
/// (D. Lopez-Paz, M. Oquab: Revisiting classifier two-sample tests, ICLR 2017): the accuracy of a small
/// network that says of draws which it has not seen from which set they are. It is 1/2 if the laws agree, and
/// near 1 if no draw of one set looks like the other.
///
/// The rule is that of sbibm: numbers are scaled by the first set's mean and standard deviation, the network
/// has two hidden layers of ten units for each dimension, and the accuracy is the mean of a five-fold
/// cross-validation. Activations are SiLU, where there they are ReLU, and training ends early; c2st.py
/// computes the accuracy by scikit-learn.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/nn/mlp.hpp>
#include <diamond/train/adam_w.hpp>

namespace inference {

using diamond::index_t;

/// The numbers of the test's trainings.
struct classifier_test_options {
    index_t folds = 5;              ///< at least 2
    index_t units_a_dimension = 10; ///< of each of the two hidden layers
    index_t batch = 256;            ///< draws of a step
    index_t epochs = 200;           ///< passes through the training part, along which the learning rate falls
    index_t patience = 50;          ///< a training ends after as many epochs without a smaller loss
    double held_out = 0.1;          ///< the share of the training part whose loss is looked at, in (0, 1)
    double rate = 1e-2;             ///< the largest learning rate
    int threads = 1;                ///< no bit depends on it
    diamond::philox rng{1};         ///< of the folds, the networks' first parameters and the batches
};

namespace detail {

/// Labelled points, one a column; label 1 is the second set.
struct labelled_points {
    std::vector<float> points;
    std::vector<float> labels;
    index_t dimension;

    [[nodiscard]] const float* column(index_t j) const { return points.data() + j * dimension; }
    [[nodiscard]] float label(index_t j) const { return labels[static_cast<std::size_t>(j)]; }
};

/// Returns both sets, scaled so that the first one has mean 0 and standard deviation 1 in each coordinate.
/// @throws std::invalid_argument unless all numbers are finite and the first set varies in each coordinate.
template <std::floating_point Real>
labelled_points scaled(const std::vector<Real>& first, const std::vector<Real>& second, index_t dimension) {
    const auto d = static_cast<std::size_t>(dimension), n = first.size() / d;
    labelled_points result{std::vector<float>(2 * n * d), std::vector<float>(2 * n), dimension};
    std::fill(result.labels.begin() + static_cast<std::ptrdiff_t>(n), result.labels.end(), 1.0f);
    for (std::size_t i = 0; i < d; ++i) {
        // Numbers are taken from the first one on, so that those that are all equal have deviation 0.
        const auto start = static_cast<double>(first[i]);
        double sum = 0.0, squares = 0.0;
        for (std::size_t j = 0; j < n; ++j) sum += static_cast<double>(first[i + d * j]) - start;
        const double mean = start + sum / static_cast<double>(n);
        for (std::size_t j = 0; j < n; ++j)
            squares += diamond::square(static_cast<double>(first[i + d * j]) - mean);
        const double deviation = std::sqrt(squares / static_cast<double>(n - 1));
        diamond::require(deviation > 0.0 && deviation < diamond::infinity, [&] {
            return "classifier_two_sample_test: coordinate " + diamond::digits_of(i) +
                   " of the first set has standard deviation " + diamond::digits_of(deviation);
        });
        for (std::size_t j = 0; j < 2 * n; ++j) {
            const auto number = static_cast<double>(j < n ? first[i + d * j] : second[i + d * (j - n)]);
            const auto scaled = static_cast<float>((number - mean) / deviation);
            diamond::require(std::isfinite(scaled), [&] {
                return "classifier_two_sample_test: coordinate " + diamond::digits_of(i) + " of draw " +
                       diamond::digits_of(j < n ? j : j - n) + " of the " + (j < n ? "first" : "second") +
                       " set is " + diamond::digits_of(number);
            });
            result.points[i + d * j] = scaled;
        }
    }
    return result;
}

/// Brings indices into a random order (R. Fisher, F. Yates).
inline void shuffle(std::span<index_t> order, const diamond::noise_stream& stream) {
    for (std::size_t left = order.size(); left > 1; --left) {
        const double u = stream.uniform(static_cast<index_t>(left));
        std::swap(order[left - 1], order[static_cast<std::size_t>(u * static_cast<double>(left))]);
    }
}

/// A network that says from which set a point is, trained on some of them.
class set_classifier {
public:
    using batch = diamond::eigen::batch<float>;

    set_classifier(const diamond::eigen::context& where, const labelled_points& all,
                   std::span<index_t> chosen, const classifier_test_options& o, diamond::philox rng)
        : where_(&where),
          all_(&all),
          stack_({{all.dimension, o.units_a_dimension * all.dimension, diamond::activation::silu},
                  {o.units_a_dimension * all.dimension, o.units_a_dimension * all.dimension,
                   diamond::activation::silu},
                  {o.units_a_dimension * all.dimension, 1}}),
          theta_(where, stack_.parameters(), 1) {
        diamond::initialise(stack_, rng, theta_.mutable_view());
        const auto count = static_cast<double>(chosen.size());
        const auto kept = static_cast<std::size_t>(std::clamp(o.held_out * count, 1.0, count - 1.0));
        train(chosen.subspan(kept), chosen.first(kept), o, rng);
    }

    /// Returns the share of points whose set the network names.
    [[nodiscard]] double accuracy(std::span<const index_t> of) {
        const auto scores = scores_of(of);
        double right = 0.0;
        for (std::size_t k = 0; k < of.size(); ++k)
            right += (scores[k] > 0.0f) == (all_->label(of[k]) > 0.5f);
        return right / static_cast<double>(of.size());
    }

private:
    /// Minimises the cross-entropy, and keeps the parameters with which it was least on the points
    /// `held_out`.
    void train(std::span<index_t> train, std::span<const index_t> held_out, const classifier_test_options& o,
               diamond::philox rng) {
        using namespace diamond;
        batch mean = zeros(), variance = zeros(), gradient = zeros(),
              points(*where_, all_->dimension, o.batch), scores(*where_, 1, o.batch);
        owning_batch<clipped_norm, eigen::context> norm(*where_, 1, 1);
        const auto count = static_cast<index_t>(train.size()), a_epoch = (count + o.batch - 1) / o.batch,
                   steps = o.epochs * a_epoch;
        std::vector<float> best(theta_.data(), theta_.data() + theta_.size());
        double least = infinity;
        for (index_t epoch = 0, since = 0; epoch < o.epochs && since < o.patience; ++epoch, ++since) {
            shuffle(train, rng.stream(purpose::component, epoch));
            for (index_t k = 0; k < a_epoch; ++k) {
                // The batches of an epoch differ in size by one draw at most.
                const index_t first = count * k / a_epoch, n = count * (k + 1) / a_epoch - first,
                              step = epoch * a_epoch + k;
                const auto chosen = train.subspan(static_cast<std::size_t>(first),
                                                  static_cast<std::size_t>(n));
                gather(chosen, points.data());
                stack_.record(*where_, theta_.data(), {points.data()}, n, {scores.data()}, space_);
                for (index_t j = 0; j < n; ++j) // d(mean cross-entropy)/d score
                    scores.data()[j] = (1.0f / (1.0f + std::exp(-scores.data()[j])) -
                                        all_->label(chosen[static_cast<std::size_t>(j)])) /
                                       static_cast<float>(n);
                std::fill_n(gradient.data(), gradient.size(), 0.0f);
                stack_.backward(*where_, theta_.data(), space_, {scores.data()}, {nullptr}, gradient.data());
                adam_w<batch>(
                    {.beta_2 = 0.999, .clip = 0.0},
                    {.k = step, .rate = learning_rate{.peak = o.rate, .warm_up = 0}.at(step, steps)},
                    {theta_, mean, variance}, gradient.read(), norm.data());
            }
            if (const double loss = cross_entropy(held_out); loss < least) {
                least = loss;
                since = -1;
                std::copy_n(theta_.data(), theta_.size(), best.begin());
            }
        }
        std::copy(best.begin(), best.end(), theta_.data());
    }
    double cross_entropy(std::span<const index_t> of) {
        const auto scores = scores_of(of);
        double sum = 0.0;
        for (std::size_t k = 0; k < of.size(); ++k) {
            const double s = static_cast<double>(scores[k]), against = all_->label(of[k]) > 0.5f ? -s : s;
            sum += std::max(against, 0.0) + std::log1p(std::exp(-std::abs(s))); // log(1 + exp against)
        }
        return sum / static_cast<double>(of.size());
    }
    std::vector<float> scores_of(std::span<const index_t> of) {
        std::vector<float> points(of.size() * static_cast<std::size_t>(all_->dimension)), scores(of.size());
        gather(of, points.data());
        stack_.forward(*where_, theta_.data(), {points.data()}, static_cast<index_t>(of.size()),
                       {scores.data()}, space_);
        return scores;
    }
    void gather(std::span<const index_t> of, float* to) const {
        for (const index_t j : of) to = std::copy_n(all_->column(j), all_->dimension, to);
    }
    batch zeros() const {
        batch result(*where_, stack_.parameters(), 1);
        std::fill_n(result.data(), result.size(), 0.0f);
        return result;
    }

    const diamond::eigen::context* where_;
    const labelled_points* all_;
    diamond::dense_stack<batch> stack_;
    batch theta_;
    typename diamond::dense_stack<batch>::workspace space_;
};

} // namespace detail

/// Returns the mean accuracy, on draws that it was not trained on, of a classifier of two sets of n draws in
/// `dimension` coordinates, each a draw a column. Where the laws agree, it is 1/2 with a standard error of
/// some 0.35/sqrt n; a classifier that finds less than there is gives too small an accuracy, never on average
/// too large a one.
/// @throws std::invalid_argument unless both sets have the same number of draws, at least as many as folds,
/// and finite numbers that vary in each coordinate of the first; and for options out of range.
template <std::floating_point Real>
double classifier_two_sample_test(const std::vector<Real>& first, const std::vector<Real>& second,
                                  index_t dimension, const classifier_test_options& o = {}) {
    using diamond::digits_of, diamond::require;
    require(
        o.folds >= 2 && o.units_a_dimension > 0 && o.batch > 0 && o.epochs > 0 && o.patience > 0 &&
            o.held_out > 0.0 && o.held_out < 1.0 && o.rate > 0.0 && o.rate < diamond::infinity,
        "classifier_test_options: 2 folds or more, counts of at least 1, a share held out between 0 and 1, "
        "and a rate above 0 are needed");
    require(dimension > 0 && first.size() == second.size() &&
                first.size() % static_cast<std::size_t>(dimension) == 0 &&
                first.size() / static_cast<std::size_t>(dimension) >= static_cast<std::size_t>(o.folds),
            [&] {
                return "classifier_two_sample_test: " + digits_of(first.size()) + " and " +
                       digits_of(second.size()) + " numbers are no two sets of as many draws in " +
                       digits_of(dimension) + " dimensions, at least " + digits_of(o.folds);
            });
    const diamond::eigen::context where{.threads = o.threads};
    const auto all = detail::scaled(first, second, dimension);
    const auto count = static_cast<index_t>(all.labels.size());
    std::vector<index_t> order(all.labels.size());
    std::iota(order.begin(), order.end(), index_t{0});
    detail::shuffle(order, o.rng.stream(diamond::purpose::user));
    double sum = 0.0;
    for (index_t fold = 0; fold < o.folds; ++fold) {
        const auto from = order.begin() + count * fold / o.folds,
                   to = order.begin() + count * (fold + 1) / o.folds;
        std::vector<index_t> train(order.begin(), from);
        train.insert(train.end(), to, order.end());
        detail::set_classifier classifier(where, all, train, o,
                                          o.rng.split(static_cast<std::uint64_t>(fold)));
        sum += classifier.accuracy({from, to});
    }
    return sum / static_cast<double>(o.folds);
}

} // namespace inference
