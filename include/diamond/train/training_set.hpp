/// Where training draws from: points with a bandwidth, and the noised states of a Diamond network's loss.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/core/condition.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/schedule.hpp>
#include <diamond/train/time_sampler.hpp>

namespace diamond {

namespace detail {
/// Of points, in double: the largest mean of a coordinate, and the root of the mean variance of all.
struct point_moments {
    double largest_mean = 0.0, deviation = 0.0;

    /// @throws std::invalid_argument for a number that is not finite.
    template <class Real>
    point_moments(const Real* x, std::size_t rows, std::size_t columns) {
        std::vector<double> mean(rows, 0.0);
        for (std::size_t j = 0; j < columns; ++j)
            for (std::size_t i = 0; i < rows; ++i) {
                require(std::isfinite(x[i + rows * j]),
                        [&] { return "a training set's point " + digits_of(j) + " has " + digits_of(x[i + rows * j]) + " as coordinate " + digits_of(i) + ": it must be finite"; });
                mean[i] += static_cast<double>(x[i + rows * j]);
            }
        for (double& m : mean) m /= static_cast<double>(columns);
        double sum = 0.0;
        for (std::size_t j = 0; j < columns; ++j)
            for (std::size_t i = 0; i < rows; ++i) sum += square(static_cast<double>(x[i + rows * j]) - mean[i]);
        for (const double m : mean) largest_mean = std::max(largest_mean, std::abs(m));
        deviation = std::sqrt(sum / static_cast<double>(rows * columns));
    }
};
/// A time that a sampler drew is none.
struct time_leaves_unit {
    const double *t, *s, *r;
    DIAMOND_HD bool operator()(index_t j) const { return !(t[j] >= 0.0 && t[j] <= 1.0 && s[j] >= 0.0 && s[j] <= 1.0 && r[j] >= 0.0 && r[j] <= 1.0); }
};
} // namespace detail

/// The law of a point chosen uniformly plus N(0, bandwidth^2 I), fresh each time. Points are d x n; labels n or none.
template <class Batch>
class training_set {
public:
    using context_type = backend_of_t<Batch>;

    /// @throws std::invalid_argument without points, for one that is not finite, a bandwidth that is negative or beyond the points' number type, and
    /// labels below labels::unconditional or of another count. It waits for a device.
    training_set(Batch points, double bandwidth, std::vector<std::int32_t> labels = {}) : points_(std::move(points)), bandwidth_(bandwidth) {
        require(points_.size() > 0, "a training set needs points");
        require(bandwidth >= 0.0 && bandwidth < infinity, [&] { return "a training set's bandwidth is " + digits_of(bandwidth) + ": 0 or more is needed"; });
        require(std::isfinite(static_cast<typename Batch::value_type>(bandwidth)), [&] { return "a training set's bandwidth is " + digits_of(bandwidth) + ": its points cannot hold it"; });
        const auto rows = static_cast<std::size_t>(points_.rows()), columns = static_cast<std::size_t>(points_.columns());
        if constexpr (context_type::host_memory)
            moments_.emplace(points_.data(), rows, columns);
        else
            moments_.emplace(to_host(points_).data(), rows, columns);
        moments_->deviation = std::hypot(moments_->deviation, bandwidth);
        require(labels.empty() || static_cast<index_t>(labels.size()) == points_.columns(),
                [&] { return "a training set of " + digits_of(points_.columns()) + " points was given " + digits_of(labels.size()) + " labels"; });
        for (std::size_t j = 0; j < labels.size(); ++j) {
            require(labels[j] >= diamond::labels::unconditional,
                    [&] { return "a training set's label " + digits_of(j) + " is " + digits_of(labels[j]) + ": 0 or more is needed, or -1 for none"; });
            classes_ = std::max(classes_, index_t{labels[j]} + 1);
        }
        if (!labels.empty()) labels_ = from_host<std::int32_t>(points_.context(), 1, points_.columns(), labels);
    }
    [[nodiscard]] const Batch& points() const { return points_; }
    [[nodiscard]] double bandwidth() const { return bandwidth_; }
    [[nodiscard]] const std::int32_t* labels() const { return labels_.size() ? labels_.data() : nullptr; }
    /// Of the law, the root of its mean variance over the coordinates; and the largest of its means' magnitudes.
    [[nodiscard]] double deviation() const { return moments_->deviation; }
    [[nodiscard]] double largest_mean() const { return moments_->largest_mean; }
    [[nodiscard]] index_t classes() const { return classes_; } ///< that its labels need: the largest and 1
    [[nodiscard]] const context_type& context() const { return points_.context(); }

private:
    Batch points_;
    double bandwidth_;
    std::optional<detail::point_moments> moments_;
    index_t classes_ = 0;
    diamond::owning_batch<std::int32_t, context_type> labels_;
};

namespace detail {
/// z = point + h n in place of n.
template <class Real>
struct place_at_point {
    noise_stream choice;
    const Real* points;
    index_t count, rows;
    Real bandwidth;
    Real* z;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const auto chosen  = static_cast<index_t>(choice.uniform(j) * static_cast<double>(count));
        Real& value = z[i + rows * j];
        value       = points[i + rows * chosen] + bandwidth * value;
    }
};
struct choose_label {
    noise_stream choice;
    const std::int32_t* given;
    index_t count;
    double dropout;
    std::int32_t* label;
    DIAMOND_HD void operator()(index_t j) const {
        const auto chosen = static_cast<index_t>(choice.uniform(j) * static_cast<double>(count));
        label[j]          = choice.uniform(j, 1) < dropout ? labels::unconditional : given[chosen];
    }
};
template <class Sampler, class Pairs>
struct choose_times {
    noise_stream choice;
    Sampler sampler;
    Pairs pairs;
    index_t diagonal; // the first columns have r = s
    double *t, *s, *r;
    DIAMOND_HD void operator()(index_t j) const {
        t[j]                 = sampler(choice.uniform(j, 2), choice.uniform(j, 3));
        const time_pair pair = pairs(choice.uniform(j, 4), choice.uniform(j, 5), choice.uniform(j, 6));
        s[j]                 = j < diagonal ? choice.uniform(j, 6) : pair.from;
        r[j]                 = j < diagonal ? s[j] : pair.to;
    }
};
/// x_t = alpha z + sigma eps in place of eps, 0 where alpha is 0; xbar = s z + (1 - s) eps' in place of eps', and z - eps'.
template <class Real, class Schedule>
struct noise_states {
    Schedule schedule;
    const double *t, *s;
    const Real* z;
    Real *x_t, *xbar, *velocity;
    index_t rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const noise_level level = level_at(schedule, t[j]);
        const index_t at        = i + rows * j;
        const double data = static_cast<double>(z[at]), noise = static_cast<double>(xbar[at]);
        x_t[at]      = static_cast<Real>(t[j] == 0.0 ? 0.0 : level.alpha * data + level.sigma * static_cast<double>(x_t[at]));
        xbar[at]     = static_cast<Real>(s[j] * data + (1.0 - s[j]) * noise);
        velocity[at] = static_cast<Real>(data - noise);
    }
};
} // namespace detail

/// A batch of training states: t, s, r, label, x_t, xbar_s = s z + (1 - s) eps', and z - eps', whose mean given (xbar_s, x_t) is GLASS's velocity.
template <class Batch>
class training_states {
public:
    using real         = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;

    /// Those of step k, `diagonal` of them with r = s first.
    template <class Schedule, class Sampler, class Pairs>
    void draw(const training_set<Batch>& data, philox rng, index_t k, index_t columns, index_t diagonal, const Schedule& schedule, const Sampler& sampler,
              const Pairs& pairs, double dropout) {
        const auto& context = data.context();
        const index_t d     = data.points().rows();
        for (auto* batch : {&z_, &x_t, &xbar, &velocity}) batch->resize(context, d, columns);
        for (auto* time : {&t, &s, &r}) time->resize(context, 1, columns);
        scratch<real, context_type>* draws[] = {&z_, &x_t, &xbar};
        for (index_t which = 0; which < 3; ++which)
            draw_normal(rng.stream(purpose::data, 4 * k + which), draws[which]->mutable_view());
        const noise_stream choice = rng.stream(purpose::data, 4 * k + 3);
        context.for_each(columns, detail::choose_times<Sampler, Pairs>{choice, sampler, pairs, diagonal, t.data(), s.data(), r.data()});
        context.forbid(columns, detail::time_leaves_unit{t.data(), s.data(), r.data()},
                       deferred_error{.what = "a training's samplers drew a time outside [0, 1]", .step = k});
        context.for_each(d, columns, detail::place_at_point<real>{choice, data.points().data(), data.points().columns(), d, static_cast<real>(data.bandwidth()), z_.data()});
        context.for_each(d, columns, detail::noise_states<real, Schedule>{schedule, t.data(), s.data(), z_.data(), x_t.data(), xbar.data(), velocity.data(), d});
        label = labels();
        if (data.labels()) {
            label_.resize(context, 1, columns);
            context.for_each(columns, detail::choose_label{choice, data.labels(), data.points().columns(), dropout, label_.data()});
            label = labels(static_cast<const std::int32_t*>(label_.data()));
        }
    }
    /// The arguments of columns first ... first + count - 1.
    [[nodiscard]] diamond_arguments<Batch> arguments(index_t first, index_t count) const {
        return {xbar.read().columns(first, count), x_t.read().columns(first, count), time_view(t.data() + first), time_view(s.data() + first), time_view(r.data() + first)};
    }
    [[nodiscard]] labels labels_from(index_t first) const { return label_.size() && !label.broadcast() ? labels(label_.data() + first) : label; }

    scratch<real, context_type> x_t, xbar, velocity;
    scratch<double, context_type> t, s, r;
    diamond::labels label;

private:
    scratch<real, context_type> z_;
    scratch<std::int32_t, context_type> label_;
};

} // namespace diamond
