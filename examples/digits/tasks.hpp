// What the digits are asked to be: the rewards, and all that is known exactly about their targets.
#pragma once

#include <cstdint>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/affine_measurement.hpp>
#include <diamond/reward/classifier.hpp>
#include <diamond/reward/gaussian_measurement.hpp>
#include <diamond/reward/linear.hpp>
#include <diamond/reward/linear_discriminant.hpp>
#include <diamond/reward/mask_measurement.hpp>
#include <diamond/reward/sum.hpp>

#include "data_set.hpp"

namespace digits {

using batch      = diamond::eigen::batch<real>;
using context    = diamond::eigen::context;
using view       = diamond::view_t<batch>;
using const_view = diamond::const_view_t<batch>;
using model      = diamond::gaussian_mixture<batch, diamond::linear_schedule>;

/// Any differentiable reward, so that each method is compiled once and not once a reward.
class any_reward {
public:
    template <class Reward>
    explicit any_reward(Reward reward) {
        const auto shared = std::make_shared<Reward>(std::move(reward));
        value_    = [shared](const_view z, double* values) { diamond::evaluate_reward(*shared, z, diamond::no_condition{}, values); };
        gradient_ = [shared](const_view z, view out) { diamond::evaluate_reward_gradient(*shared, z, diamond::no_condition{}, out); };
    }
    void operator()(const_view z, double* values) const { value_(z, values); }
    void gradient(const_view z, view out) const { gradient_(z, out); }

private:
    std::function<void(const_view, double*)> value_;
    std::function<void(const_view, view)>    gradient_;
};

struct task {
    std::string           name, title;
    any_reward            reward;
    std::optional<int>    wanted;         ///< the class that the judge looks for
    std::optional<double> log_z_exact;    ///< of linear and quadratic rewards
    floats                truth;          ///< draws of the exact tilted model, pixels x count
    floats                reference = {}; ///< an image to show beside the samples
};

namespace detail {

inline floats draws(const context& where, const model& from, diamond::noise_stream stream, index_t count) {
    batch drawn(where, pixels, count);
    from.draw(stream, drawn.mutable_view());
    return diamond::to_host(drawn);
}

/// Exact draws of `from` tilted by a reward that is never above 0: each draw is accepted with probability exp r.
inline floats accepted_draws(const context& where, const model& from, any_reward reward, diamond::philox rng, index_t count) {
    constexpr index_t   block      = 4096;
    constexpr int       most_tries = 4000; // 16 million draws: a reward rarer than that is refused
    floats              result;
    std::vector<double> rewards(block);
    for (int attempt = 0; attempt < most_tries; ++attempt) {
        const auto stream  = rng.stream(diamond::purpose::data, attempt);
        const auto decide  = rng.stream(diamond::purpose::user, attempt);
        const auto samples = draws(where, from, stream, block);
        const auto z       = diamond::from_host<real>(where, pixels, block, samples);
        reward(z.read(), rewards.data());
        for (index_t j = 0; j < block; ++j)
            if (std::log(decide.uniform(j)) < rewards[static_cast<std::size_t>(j)]) {
                result.insert(result.end(), samples.begin() + j * pixels, samples.begin() + (j + 1) * pixels);
                if (static_cast<index_t>(result.size()) == count * pixels) return result;
            }
    }
    throw std::runtime_error("what the reward asks for is too rare for exact draws: of " + std::to_string(most_tries * block) + " it accepted " +
                             std::to_string(result.size() / pixels) + ", and " + std::to_string(count) + " are needed");
}

} // namespace detail

struct task_options {
    index_t         held_out = 12;   ///< which held-out image's upper half is to be matched
    double          noise    = 0.7;  ///< standard deviation of that measurement
    double          strength = 2.0;  ///< of the ink reward: nats per standard deviation of a training image's ink
    int             label    = 7;
    index_t         truth    = 2000; ///< draws of the exact tilted model
    diamond::philox rng{0};
};

/// The names of all tasks, in the report's order.
inline const std::vector<std::string>& task_names() {
    static const std::vector<std::string> names{"seven", "upper_half", "ink", "seven_ink"};
    return names;
}

/// Builds one task. @throws std::invalid_argument for options out of range.
inline task make_task(const std::string& name, const context& where, const model& exact, const data_set& data, const task_options& options) {
    using diamond::require;
    require(options.held_out >= 0 && options.held_out < data.held_out.count(),
            [&] { return "held-out image " + std::to_string(options.held_out) + " of " + std::to_string(data.held_out.count()); });
    const auto rng = options.rng;

    // Much ink: linear in the mean pixel.
    double sum = 0.0, squares = 0.0;
    for (index_t j = 0; j < data.train.count(); ++j) {
        const auto   image = data.train.image(j);
        const double ink   = std::accumulate(image.begin(), image.end(), 0.0);
        sum += ink;
        squares += ink * ink;
    }
    const double mean  = sum / static_cast<double>(data.train.count());
    const double slope = options.strength / std::sqrt(squares / static_cast<double>(data.train.count()) - mean * mean);
    const diamond::linear_reward<batch> ink(where, floats(pixels, static_cast<real>(slope)), -slope * mean);

    // Be of a class: the log-probability under a linear discriminant classifier.
    const auto fit = diamond::fit_linear_discriminant(pixels, data.train.data, data.train.labels, {.shrinkage = 0.1});
    const diamond::classifier_reward of_class{diamond::affine_measurement<batch>(where, fit), options.label};

    if (name == "ink") {
        const auto tilt = exact.tilted(ink.quadratic_form());
        return {name, "much ink (linear)", any_reward(ink), {}, tilt.log_z, detail::draws(where, tilt.tilted, rng.stream(diamond::purpose::data), options.truth)};
    }
    const std::string digit = "be a " + std::to_string(options.label);
    if (name == "seven")
        return {name, digit + " (classifier log-probability)", any_reward(of_class), options.label, {},
                detail::accepted_draws(where, exact, any_reward(of_class), rng, options.truth)};
    if (name == "seven_ink") {
        const auto tilt = exact.tilted(ink.quadratic_form());
        return {name, digit + " with much ink", any_reward(diamond::sum_reward{of_class, ink}), options.label, {},
                detail::accepted_draws(where, tilt.tilted, any_reward(of_class), rng, options.truth)};
    }
    require(name == "upper_half", [&] { return "no reward is named '" + name + "'"; });
    std::vector<index_t> upper(pixels / 2);
    std::iota(upper.begin(), upper.end(), index_t{0});
    const auto seen = data.held_out.image(options.held_out);
    const diamond::gaussian_measurement_reward half{where, diamond::mask_measurement<batch>(where, pixels, upper),
                                                    floats(seen.begin(), seen.begin() + pixels / 2), options.noise};
    const auto tilt  = exact.tilted(half.quadratic_form());
    auto       shown = seen;
    std::fill(shown.begin() + pixels / 2, shown.end(), std::numeric_limits<real>::quiet_NaN());
    return {name, "match the upper half of a held-out image (measurement)", any_reward(half), data.held_out.labels[static_cast<std::size_t>(options.held_out)],
            tilt.log_z, detail::draws(where, tilt.tilted, rng.stream(diamond::purpose::data), options.truth), shown};
}

} // namespace digits
