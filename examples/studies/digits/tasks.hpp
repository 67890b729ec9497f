/// This header defines what the digits are asked to be: the rewards, and all that is known exactly about
/// their targets.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
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
#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/classifier_reward.hpp>
#include <diamond/reward/linear_discriminant.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/reward/sum_reward.hpp>

#include "../shared/alignment.hpp"
#include "data_set.hpp"

namespace digits {

using batch = diamond::eigen::batch<real>;
using context = diamond::eigen::context;
using view = diamond::view_t<batch>;
using const_view = diamond::const_view_t<batch>;
using model = diamond::gaussian_mixture<batch, diamond::linear_schedule>;

using studies::any_reward;

/// A wish holds the numbers of a task's reward, from which the reward is built on any back end.
struct wish {
    std::string name; ///< one of task_names()
    floats ink;       ///< much ink: linear in the mean pixel
    double ink_offset = 0.0;
    /// The wish to be of a class, as the log-probability under a linear discriminant classifier.
    diamond::linear_discriminant of_class;
    int label = 0;
    floats upper_half; ///< to be matched, seen with Gaussian noise
    double noise = 0.0;

    template <class Batch>
    [[nodiscard]] auto ink_on(const diamond::backend_of_t<Batch>& where) const {
        return diamond::linear_reward<Batch>(where, ink, ink_offset);
    }
    template <class Batch>
    [[nodiscard]] auto class_on(const diamond::backend_of_t<Batch>& where) const {
        return diamond::classifier_reward{diamond::affine_measurement<Batch>(where, of_class), label};
    }
    template <class Batch>
    [[nodiscard]] auto half_on(const diamond::backend_of_t<Batch>& where) const {
        std::vector<index_t> upper(upper_half.size());
        std::iota(upper.begin(), upper.end(), index_t{0});
        return diamond::gaussian_measurement_reward{
            where, diamond::mask_measurement<Batch>(where, pixels, upper), upper_half, noise};
    }
    template <class Batch>
    [[nodiscard]] any_reward<Batch> on(const diamond::backend_of_t<Batch>& where) const {
        if (name == "ink") return any_reward<Batch>(ink_on<Batch>(where));
        if (name == "seven") return any_reward<Batch>(class_on<Batch>(where));
        if (name == "seven_ink")
            return any_reward<Batch>(diamond::sum_reward{class_on<Batch>(where), ink_on<Batch>(where)});
        return any_reward<Batch>(half_on<Batch>(where));
    }
};

struct task {
    std::string name, title;
    wish asks;
    any_reward<batch> reward;          ///< on the CPU, where results are judged
    std::optional<int> wanted;         ///< the class that the judge looks for
    std::optional<double> log_z_exact; ///< known for linear and quadratic rewards
    floats truth;                      ///< draws of the exact tilted model, pixels x count
    floats reference = {};             ///< an image to show beside the samples
};

namespace detail {

inline floats draws(const context& where, const model& from, diamond::noise_stream stream, index_t count) {
    batch drawn(where, pixels, count);
    from.draw(stream, drawn.mutable_view());
    return diamond::to_host(drawn);
}

/// Returns exact draws of `from` tilted by a reward that is never above 0, where each draw is accepted with
/// probability exp r.
inline floats accepted_draws(const context& where, const model& from, const any_reward<batch>& reward,
                             diamond::philox rng, index_t count) {
    constexpr index_t block = 4096;
    // Up to 16 million draws are made, and a reward that is rarer is refused.
    constexpr int most_tries = 4000;
    floats result;
    std::vector<double> rewards(block);
    for (int attempt = 0; attempt < most_tries; ++attempt) {
        const auto stream = rng.stream(diamond::purpose::data, attempt);
        const auto decide = rng.stream(diamond::purpose::user, attempt);
        const auto samples = draws(where, from, stream, block);
        const auto z = diamond::from_host<real>(where, pixels, block, samples);
        reward(z.read(), diamond::row(where, block, rewards.data()));
        for (index_t j = 0; j < block; ++j)
            if (std::log(decide.uniform(j)) < rewards[static_cast<std::size_t>(j)]) {
                result.insert(result.end(), samples.begin() + j * pixels, samples.begin() + (j + 1) * pixels);
                if (static_cast<index_t>(result.size()) == count * pixels) return result;
            }
    }
    throw std::runtime_error("what the reward asks for is too rare for exact draws: of " +
                             std::to_string(most_tries * block) + " it accepted " +
                             std::to_string(result.size() / pixels) + ", and " + std::to_string(count) +
                             " are needed");
}

} // namespace detail

struct task_options {
    index_t held_out = 12; ///< the held-out image whose upper half is to be matched
    double noise = 0.7;    ///< the standard deviation of that measurement
    /// The strength of the ink reward, in nats for each standard deviation of a training image's ink.
    double strength = 2.0;
    int label = 7;
    index_t truth = 2000; ///< draws of the exact tilted model
    diamond::philox rng{0};
};

/// Returns the names of all tasks in the order of the report.
inline const std::vector<std::string>& task_names() {
    static const std::vector<std::string> names{"seven", "upper_half", "ink", "seven_ink"};
    return names;
}

/// Builds one task.
/// @throws std::invalid_argument if an option is out of range.
inline task make_task(const std::string& name, const context& where, const model& exact, const data_set& data,
                      const task_options& options) {
    using diamond::require;
    require(std::ranges::find(task_names(), name) != task_names().end(),
            [&] { return "no reward is named '" + name + "'"; });
    require(options.held_out >= 0 && options.held_out < data.held_out.count(), [&] {
        return "held-out image " + std::to_string(options.held_out) + " of " +
               std::to_string(data.held_out.count());
    });
    const auto rng = options.rng;

    // Much ink is linear in the mean pixel.
    double sum = 0.0, squares = 0.0;
    for (index_t j = 0; j < data.train.count(); ++j) {
        const auto image = data.train.image(j);
        const double ink = std::accumulate(image.begin(), image.end(), 0.0);
        sum += ink;
        squares += ink * ink;
    }
    const double mean = sum / static_cast<double>(data.train.count());
    const double slope = options.strength /
                         std::sqrt(squares / static_cast<double>(data.train.count()) - mean * mean);
    const auto seen = data.held_out.image(options.held_out);
    const wish asks{.name = name,
                    .ink = floats(pixels, static_cast<real>(slope)),
                    .ink_offset = -slope * mean,
                    .of_class = diamond::fit_linear_discriminant(pixels, data.train.data, data.train.labels,
                                                                 {.shrinkage = 0.1}),
                    .label = options.label,
                    .upper_half = floats(seen.begin(), seen.begin() + pixels / 2),
                    .noise = options.noise};
    const auto reward = asks.on<batch>(where);
    if (name == "ink") {
        const auto tilt = exact.tilted(asks.ink_on<batch>(where).quadratic_form());
        return {name,
                "much ink (linear)",
                asks,
                reward,
                {},
                tilt.log_z,
                detail::draws(where, tilt.tilted, rng.stream(diamond::purpose::data), options.truth)};
    }
    const std::string digit = "be a " + std::to_string(options.label);
    const any_reward<batch> of_class(asks.class_on<batch>(where));
    if (name == "seven")
        return {name,
                digit + " (classifier log-probability)",
                asks,
                reward,
                options.label,
                {},
                detail::accepted_draws(where, exact, of_class, rng, options.truth)};
    if (name == "seven_ink") {
        const auto tilt = exact.tilted(asks.ink_on<batch>(where).quadratic_form());
        return {name,
                digit + " with much ink",
                asks,
                reward,
                options.label,
                {},
                detail::accepted_draws(where, tilt.tilted, of_class, rng, options.truth)};
    }
    const auto tilt = exact.tilted(asks.half_on<batch>(where).quadratic_form());
    auto shown = seen;
    std::fill(shown.begin() + pixels / 2, shown.end(), std::numeric_limits<real>::quiet_NaN());
    return {name,
            "match the upper half of a held-out image (measurement)",
            asks,
            reward,
            data.held_out.labels[static_cast<std::size_t>(options.held_out)],
            tilt.log_z,
            detail::draws(where, tilt.tilted, rng.stream(diamond::purpose::data), options.truth),
            shown};
}

} // namespace digits
