/// The data of a training: points with a bandwidth, the distributions of its times, and the noised states of
/// each step.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/core/condition.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/finite.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/schedule.hpp>
#include <diamond/train/option_checks.hpp>

namespace diamond {

/// An inner time s and the time r that the flow map carries a state of s to.
struct time_pair {
    double from, to; ///< s and r, in [0, 1]; r may lie before s.
};

/// Time sampler: a policy of diamond_trainer that draws the outer time t.
///
/// A type T models `time_sampler` if it is copyable and sampler(choice, u), const, returns a t in [0, 1] for
/// two independent uniform numbers in (0, 1). It is DIAMOND_HD if the back end is a device. T may have
/// check() const, which throws std::invalid_argument for members out of range, and text() const, which names
/// it in the identity of a training. Models: uniform_time, logit_normal_time.
template <class T>
concept time_sampler = std::copy_constructible<T> && requires(const T& sampler, double u) {
    { sampler(u, u) } -> std::convertible_to<double>;
};
/// Pair sampler: a policy of diamond_trainer that draws the inner times s and r off the diagonal.
///
/// A type T models `pair_sampler` if it is copyable and sampler(choice, u, w), const, returns a time_pair of
/// numbers in [0, 1] for three independent uniform numbers in (0, 1). It is DIAMOND_HD if the back end is a
/// device, and may have check() and text() as a time sampler has. Models: triangle_pair, square_pair,
/// both_ways_pair.
template <class T>
concept pair_sampler = std::copy_constructible<T> && requires(const T& sampler, double u) {
    { sampler(u, u, u) } -> std::convertible_to<time_pair>;
};

// The check() of each sampler throws std::invalid_argument with the name and the number of a member that is
// out of range.

/// t = 0 with probability `at_zero`, else uniform in (0, 1).
struct uniform_time {
    double at_zero = 0.1; ///< in [0, 1]
    [[nodiscard]] DIAMOND_HD double operator()(double choice, double u) const {
        return choice < at_zero ? 0.0 : u;
    }
    void check() const { detail::require_share("uniform_time: at_zero", at_zero); }
    [[nodiscard]] std::string text() const { return "uniform_time of " + digits_of(at_zero); }
};

/// t = 0 with probability `at_zero`, else t = 1/(1 + exp(-(mean + deviation n))), where n is normal to four
/// digits.
struct logit_normal_time {
    double at_zero = 0.1, mean = 0.0, deviation = 1.0; ///< in [0, 1]; finite; finite and at least 0
    [[nodiscard]] DIAMOND_HD double operator()(double choice, double u) const {
        if (choice < at_zero) return 0.0;
        // Abramowitz and Stegun 26.2.23: within 4.5e-4 of the normal quantile
        const double tail = u < 0.5 ? u : 1.0 - u, q = std::sqrt(-2.0 * std::log(tail));
        const double n = q - (2.515517 + q * (0.802853 + q * 0.010328)) /
                                 (1.0 + q * (1.432788 + q * (0.189269 + q * 0.001308)));
        return 1.0 / (1.0 + std::exp(-(mean + deviation * (u < 0.5 ? -n : n))));
    }
    void check() const {
        detail::require_share("logit_normal_time: at_zero", at_zero);
        require(std::isfinite(mean),
                [&] { return "logit_normal_time: mean is " + digits_of(mean) + ": it must be finite"; });
        detail::require_not_negative("logit_normal_time: deviation", deviation);
    }
    [[nodiscard]] std::string text() const {
        return "logit_normal_time of " + digits_of(at_zero) + ", " + digits_of(mean) + ", " +
               digits_of(deviation);
    }
};

/// A pair s <= r that is uniform in the triangle. With probability `at_zero` s = 0, where every draw starts,
/// and in the share `at_one` of these cases r = 1.
struct triangle_pair {
    double at_zero = 0.5, at_one = 0.1; ///< in [0, 1]
    [[nodiscard]] DIAMOND_HD time_pair operator()(double choice, double u, double w) const {
        if (choice < at_zero) return {0.0, choice < at_one * at_zero ? 1.0 : u};
        return u < w ? time_pair{u, w} : time_pair{w, u};
    }
    void check() const {
        detail::require_share("triangle_pair: at_zero", at_zero);
        detail::require_share("triangle_pair: at_one", at_one);
    }
    [[nodiscard]] std::string text() const {
        return "triangle_pair of " + digits_of(at_zero) + ", " + digits_of(at_one);
    }
};

/// Independent uniform s and r, in both directions, for densities and inversion. With probability `at_zero` s
/// = 0.
struct square_pair {
    double at_zero = 0.2; ///< in [0, 1]
    [[nodiscard]] DIAMOND_HD time_pair operator()(double choice, double u, double w) const {
        return {choice < at_zero ? 0.0 : u, w};
    }
    void check() const { detail::require_share("square_pair: at_zero", at_zero); }
    [[nodiscard]] std::string text() const { return "square_pair of " + digits_of(at_zero); }
};

/// A pair in both directions that includes the ends, where samples and densities start. s is 0 or 1, each
/// with probability `at_end`, and in the share `whole` of these cases r is the other end; else both are
/// uniform.
struct both_ways_pair {
    double at_end = 0.25, whole = 0.2; ///< in [0, 1/2]; in [0, 1]
    [[nodiscard]] DIAMOND_HD time_pair operator()(double choice, double u, double w) const {
        const bool first = choice < at_end;
        if (!first && choice >= 2.0 * at_end) return {u, w};
        const double end = first ? 0.0 : 1.0;
        return {end, u < whole ? 1.0 - end : w};
    }
    void check() const {
        detail::require_share("both_ways_pair: at_end", at_end, 0.5);
        detail::require_share("both_ways_pair: whole", whole);
    }
    [[nodiscard]] std::string text() const {
        return "both_ways_pair of " + digits_of(at_end) + ", " + digits_of(whole);
    }
};

namespace detail {
/// The largest rounding of a coordinate of the points, as a share of its deviation: a larger one spoils what
/// is learned.
inline constexpr double digits_kept = 1.0 / 16.0;

/// @throws std::invalid_argument that names the first column with a number that is not finite.
template <class Batch>
void require_finite_columns(const Batch& points, const char* column, const char* number) {
    const auto& context = points.context();
    const auto numbers = row(context, points.size(), points.data());
    const index_t bad = context.find_first(points.size(), elementwise<is_not_finite>(numbers));
    if (bad == points.size()) return;
    typename Batch::value_type value{};
    context.to_host(points.data() + bad, 1, &value);
    throw std::invalid_argument("a training set's " + std::string(column) + " " +
                                digits_of(bad / points.rows()) + " has " + digits_of(value) + " as " +
                                number + " " + digits_of(bad % points.rows()) + ": it must be finite");
}
/// @throws std::invalid_argument if there are no points, and that names the first with a coordinate that is
/// not finite.
template <class Batch>
void require_finite_points(const Batch& points) {
    require(points.size() > 0, "a training set needs points");
    require_finite_columns(points, "point", "coordinate");
}
/// Two moments of points on the host: the largest magnitude of a coordinate's mean, and the root of the mean
/// variance of all coordinates.
struct point_moments {
    double largest_mean = 0.0, deviation = 0.0;

    template <class Real>
    point_moments(const Real* x, std::size_t rows, std::size_t columns) {
        std::vector<double> mean(rows, 0.0);
        for (std::size_t j = 0; j < columns; ++j)
            for (std::size_t i = 0; i < rows; ++i) mean[i] += static_cast<double>(x[i + rows * j]);
        for (double& m : mean) m /= static_cast<double>(columns);
        double sum = 0.0;
        for (std::size_t j = 0; j < columns; ++j)
            for (std::size_t i = 0; i < rows; ++i)
                sum += square(static_cast<double>(x[i + rows * j]) - mean[i]);
        for (const double m : mean) largest_mean = std::max(largest_mean, std::abs(m));
        deviation = std::sqrt(sum / static_cast<double>(rows * columns));
    }
};
} // namespace detail

/// The distribution that a training learns: a point chosen uniformly, plus fresh noise N(0, diag(h_1^2, ...,
/// h_d^2)). Its bandwidth h is one number for all coordinates, or one for each.
///
/// The points are d x n. There are n labels, or none; and n vectors that points are conditioned on, d_c x n,
/// or none.
template <class Batch>
class training_set {
public:
    using context_type = backend_of_t<Batch>;

    /// Takes the points and vectors, and copies the labels to the context's memory; the host waits for a
    /// device. @throws std::invalid_argument if there are no points, a point or a vector is not finite, the
    /// bandwidth is negative or beyond the range of the points' number type, a label is below
    /// labels::unconditional, or labels or vectors are not one for each point.
    training_set(Batch points, double bandwidth, std::vector<std::int32_t> labels = {}, Batch vectors = {})
        : points_(std::move(points)),
          vectors_(std::move(vectors)),
          bandwidths_(static_cast<std::size_t>(points_.rows()), bandwidth) {
        prepare(labels);
    }
    /// Takes a bandwidth for each coordinate. @throws std::invalid_argument also unless there are d of them.
    training_set(Batch points, std::vector<double> bandwidths, std::vector<std::int32_t> labels = {},
                 Batch vectors = {})
        : points_(std::move(points)), vectors_(std::move(vectors)), bandwidths_(std::move(bandwidths)) {
        require(static_cast<index_t>(bandwidths_.size()) == points_.rows(), [&] {
            return "a training set of dimension " + digits_of(points_.rows()) + " was given " +
                   digits_of(bandwidths_.size()) +
                   " bandwidths: one for each coordinate is needed, or one number";
        });
        prepare(labels);
    }
    /// The points, d x n.
    [[nodiscard]] const Batch& points() const { return points_; }
    /// Returns h_1 ... h_d, the standard deviations of the normal noise that is added to a point when it is
    /// drawn.
    [[nodiscard]] const std::vector<double>& bandwidths() const { return bandwidths_; }
    /// Returns the bandwidths in the context's memory, d x 1, in the points' number type.
    [[nodiscard]] const Batch& noise() const { return noise_; }
    /// Says whether all coordinates have one bandwidth.
    [[nodiscard]] bool isotropic() const {
        return std::all_of(bandwidths_.begin(), bandwidths_.end(),
                           [&](double h) { return h == bandwidths_.front(); });
    }
    /// Returns the root mean square of the bandwidths, which is the bandwidth where they are one number.
    [[nodiscard]] double bandwidth() const {
        if (isotropic()) return bandwidths_.front();
        double sum = 0.0;
        for (const double h : bandwidths_) sum += square(h);
        return std::sqrt(sum / static_cast<double>(bandwidths_.size()));
    }
    /// Returns the labels, in the context's memory, or null.
    [[nodiscard]] const std::int32_t* labels() const { return labels_.size() ? labels_.data() : nullptr; }
    /// Returns the vectors that the points are conditioned on, d_c x n; without columns where there are none.
    [[nodiscard]] const Batch& vectors() const { return vectors_; }
    /// Returns how many numbers a vector has; 0 where there are none.
    [[nodiscard]] index_t vector_size() const { return vectors_.size() > 0 ? vectors_.rows() : 0; }
    /// Returns the root of the distribution's mean variance over the coordinates.
    [[nodiscard]] double deviation() const { return moments_->deviation; }
    /// Returns the largest magnitude of a coordinate's mean.
    [[nodiscard]] double largest_mean() const { return moments_->largest_mean; }
    /// Returns the number of classes that the labels need: the largest label plus 1, or 0 without labels.
    [[nodiscard]] index_t classes() const { return classes_; }
    /// The context in whose memory the points are.
    [[nodiscard]] const context_type& context() const { return points_.context(); }

private:
    void prepare(const std::vector<std::int32_t>& labels) {
        using real = typename Batch::value_type;
        detail::require_finite_points(points_);
        require(vectors_.size() == 0 || vectors_.columns() == points_.columns(), [&] {
            return "a training set of " + digits_of(points_.columns()) + " points was given " +
                   digits_of(vectors_.columns()) + " vectors";
        });
        if (vectors_.size() > 0) detail::require_finite_columns(vectors_, "vector", "number");
        for (const double h : bandwidths_) {
            require(h >= 0.0 && h < infinity, [&] {
                return "a training set's bandwidth is " + digits_of(h) + ": 0 or more is needed";
            });
            require(std::isfinite(static_cast<real>(h)), [&] {
                return "a training set's bandwidth is " + digits_of(h) + ": its points cannot hold it";
            });
        }
        noise_ = from_host<real>(context(), points_.rows(), 1,
                                 std::vector<real>(bandwidths_.begin(), bandwidths_.end()));
        const auto rows = static_cast<std::size_t>(points_.rows()),
                   columns = static_cast<std::size_t>(points_.columns());
        if constexpr (context_type::host_memory)
            moments_.emplace(points_.data(), rows, columns);
        else
            moments_.emplace(to_host(points_).data(), rows, columns);
        moments_->deviation = std::hypot(moments_->deviation, bandwidth());
        require(labels.empty() || static_cast<index_t>(labels.size()) == points_.columns(), [&] {
            return "a training set of " + digits_of(points_.columns()) + " points was given " +
                   digits_of(labels.size()) + " labels";
        });
        for (std::size_t j = 0; j < labels.size(); ++j) {
            require(labels[j] >= diamond::labels::unconditional, [&] {
                return "a training set's label " + digits_of(j) + " is " + digits_of(labels[j]) +
                       ": 0 or more is needed, or -1 for none";
            });
            classes_ = std::max(classes_, index_t{labels[j]} + 1);
        }
        if (!labels.empty())
            labels_ = from_host<std::int32_t>(points_.context(), 1, points_.columns(), labels);
    }

    Batch points_, vectors_;
    std::vector<double> bandwidths_;
    Batch noise_;
    std::optional<detail::point_moments> moments_;
    index_t classes_ = 0;
    diamond::owning_batch<std::int32_t, context_type> labels_;
};

namespace detail {
/// Returns which of so many points a column has.
[[nodiscard]] DIAMOND_HD inline index_t chosen_point(const noise_stream& uniforms, index_t column,
                                                     index_t points) {
    return static_cast<index_t>(uniforms.uniform(column) * static_cast<double>(points));
}
/// Draws t, s and r of a column, and its condition if the data have conditions. The uniform numbers 0 to 6 of
/// the column's stream are, in this order: the point, the dropout of its condition, two for t, and three for
/// s and r.
template <class Context, class Times, class Pairs>
struct draw_times_and_condition {
    noise_stream uniforms;
    Times times;
    Pairs pairs;
    index_t diagonal; ///< the first columns, which have r = s
    row_view<double, Context> t, s, r;
    index_t points;            ///< their number
    const std::int32_t* given; ///< the labels of the points; null without labels
    double dropout;
    std::int32_t* label;           ///< null without labels
    std::int32_t *point, *present; ///< which point it is, and whether it keeps its vector; null without
                                   ///< vectors
    DIAMOND_HD void operator()(index_t j) const {
        t[j] = times(uniforms.uniform(j, 2), uniforms.uniform(j, 3));
        const time_pair pair = pairs(uniforms.uniform(j, 4), uniforms.uniform(j, 5), uniforms.uniform(j, 6));
        s[j] = j < diagonal ? uniforms.uniform(j, 6) : pair.from;
        r[j] = j < diagonal ? s[j] : pair.to;
        if (!label && !point) return;
        const index_t chosen = chosen_point(uniforms, j, points);
        const bool dropped = uniforms.uniform(j, 1) < dropout;
        if (label) label[j] = dropped ? labels::unconditional : given[chosen];
        if (!point) return;
        point[j] = static_cast<std::int32_t>(chosen);
        present[j] = dropped ? 0 : 1;
    }
};
/// Draws z = point + h n, and writes x_t = alpha z + sigma eps (0 at t = 0), xbar = s z + (1 - s)
/// eps' and velocity = z - eps'. The batches x_t, xbar and normal hold eps, eps' and n when it starts.
template <class Batch, class Schedule>
struct noise_states {
    using real = typename Batch::value_type;
    using context = backend_of_t<Batch>;
    noise_stream uniforms;
    Schedule schedule;
    const_view_t<Batch> points;
    const_view_t<Batch> noise; ///< h of each coordinate, the standard deviations of the added noise, d x 1
    row_view<const double, context> t, s;
    const_view_t<Batch> normal;
    view_t<Batch> x_t, xbar, velocity;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t chosen = chosen_point(uniforms, j, points.columns());
        const real z = points(i, chosen) + noise[i] * normal(i, j);
        const noise_level level = level_at(schedule, t[j]);
        const double data = static_cast<double>(z), inner_noise = static_cast<double>(xbar(i, j));
        x_t(i, j) = static_cast<real>(
            t[j] == 0.0 ? 0.0 : level.alpha * data + level.sigma * static_cast<double>(x_t(i, j)));
        xbar(i, j) = static_cast<real>(s[j] * data + (1.0 - s[j]) * inner_noise);
        velocity(i, j) = static_cast<real>(data - inner_noise);
    }
};
} // namespace detail

/// The size of a training batch and how it is divided.
struct training_batch_options {
    index_t columns;          ///< at least 1
    index_t diagonal;         ///< the first columns, which have r = s
    double condition_dropout; ///< the share of columns that lose their label and vector
};

/// The states of one training step: t, s, r, conditions, x_t, xbar_s = s z + (1 - s) eps', and z - eps',
/// whose mean given (xbar_s, x_t) is GLASS's inner velocity. Batches are d x n.
template <class Batch>
class training_states {
public:
    using real = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;

    /// Draws the states of step k. A state depends on the seed, the step and its column only.
    /// @throws numeric_error with the step for a time outside [0, 1]; a device throws it when the host next
    /// waits.
    template <class Schedule, time_sampler Times, pair_sampler Pairs>
    void draw(const training_set<Batch>& data, const Schedule& schedule, const Times& times,
              const Pairs& pairs, philox rng, index_t k, const training_batch_options& options) {
        const auto& context = data.context();
        const index_t d = data.points().rows(), n = options.columns;
        for (auto* batch : {&normal_, &x_t, &xbar, &velocity}) batch->resize(context, d, n);
        for (auto* time : {&t, &s, &r}) time->resize(context, 1, n);
        scratch<real, context_type>* draws[] = {&normal_, &x_t, &xbar};
        for (index_t which = 0; which < 3; ++which)
            draw_normal(rng.stream(purpose::data, 4 * k + which), draws[which]->mutable_view());
        const noise_stream uniforms = rng.stream(purpose::data, 4 * k + 3);
        const bool labelled = data.labels() != nullptr;
        const auto& vectors = data.vectors();
        if (labelled) label_.resize(context, 1, n);
        if (vectors.size() > 0) {
            point_.resize(context, 1, n);
            present_.resize(context, 1, n);
            vector_.resize(context, vectors.rows(), n);
        }
        context.for_each(n, detail::draw_times_and_condition<context_type, Times, Pairs>{
                                .uniforms = uniforms,
                                .times = times,
                                .pairs = pairs,
                                .diagonal = options.diagonal,
                                .t = row(t),
                                .s = row(s),
                                .r = row(r),
                                .points = data.points().columns(),
                                .given = data.labels(),
                                .dropout = options.condition_dropout,
                                .label = labelled ? label_.data() : nullptr,
                                .point = vectors.size() > 0 ? point_.data() : nullptr,
                                .present = vectors.size() > 0 ? present_.data() : nullptr});
        label = labelled ? labels(static_cast<const std::int32_t*>(label_.data())) : labels();
        vector = {};
        if (vectors.size() > 0) {
            context.gather(vectors.read_on(context), point_.data(), vector_.mutable_view());
            vector = {vector_.read(), present_.data()};
        }
        context.forbid(n,
                       !(elementwise<detail::is_time>(row(t)) && elementwise<detail::is_time>(row(s)) &&
                         elementwise<detail::is_time>(row(r))),
                       deferred_error{.what = "a training's samplers drew a time outside [0, 1]", .step = k});
        context.for_each(d, n,
                         detail::noise_states<Batch, Schedule>{.uniforms = uniforms,
                                                               .schedule = schedule,
                                                               .points = data.points(),
                                                               .noise = data.noise(),
                                                               .t = row(t),
                                                               .s = row(s),
                                                               .normal = normal_,
                                                               .x_t = x_t,
                                                               .xbar = xbar,
                                                               .velocity = velocity});
    }
    /// Returns the arguments of columns first ... first + count - 1.
    [[nodiscard]] diamond_arguments<Batch> arguments(index_t first, index_t count) const {
        return {xbar.read().columns(first, count), x_t.read().columns(first, count),
                time_view(t.data() + first), time_view(s.data() + first), time_view(r.data() + first)};
    }
    /// Returns the conditions of columns first ... first + count - 1.
    [[nodiscard]] label_and_vector<Batch> conditions(index_t first, index_t count) const {
        return {label.broadcast() ? label : labels(label.data() + first), vector.columns(first, count)};
    }

    /// The states, and the velocity z - eps' of the data, d x n.
    scratch<real, context_type> x_t, xbar, velocity;
    scratch<double, context_type> t, s, r; ///< 1 x n
    diamond::labels label;                 ///< The columns' labels: one that all share, or one for each.
    condition_vectors<Batch> vector;       ///< The columns' vectors, or none.

private:
    scratch<real, context_type> normal_;
    scratch<real, context_type> vector_;
    scratch<std::int32_t, context_type> label_, point_, present_;
};

} // namespace diamond
