/// The problems of the study: Gaussian data measured in part, a mixture measured in part, a rare mode, and
/// the four rewards of the digits on a learned map. Each has a kernel, posterior draws, a reward, and log Z.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "../digits/tasks.hpp"
#include "../digits/training_options.hpp"

namespace defaults {

using diamond::index_t, diamond::philox, diamond::square;
using batch = diamond::eigen::batch<float>;
using context = diamond::eigen::context;
using mixture = diamond::gaussian_mixture<batch, diamond::linear_schedule>;

/// A problem: what a run of SMC is given, and log Z with its standard error.
template <class Draws, class Kernel, class Reward>
struct problem {
    std::string name;
    Draws draws;
    Kernel kernel;
    Reward reward;
    double log_z, log_z_error = 0.0;
};
template <class Draws, class Kernel, class Reward>
problem(std::string, Draws, Kernel, Reward, double, double) -> problem<Draws, Kernel, Reward>;

/// A problem on an exact model, whose Z is known in closed form.
template <class Reward>
auto exactly(std::string name, const mixture& model, Reward reward) {
    const diamond::exact_posterior draws{model};
    const double log_z = model.tilted(reward.quadratic_form()).log_z;
    return problem{std::move(name),   draws, diamond::ddpm_posterior_kernel{draws},
                   std::move(reward), log_z, 0.0};
}

inline mixture normal(const context& where, std::size_t d) {
    return {where, {}, {1.0}, std::vector<double>(d), std::vector<double>(d, 1.0)};
}
/// The first coordinates seen with noise s.
inline auto seen_first(const context& where, index_t dimension, const std::vector<float>& seen, double s) {
    std::vector<index_t> coordinates(seen.size());
    std::iota(coordinates.begin(), coordinates.end(), index_t{0});
    return diamond::gaussian_measurement_reward{
        where, diamond::mask_measurement<batch>{where, dimension, coordinates}, seen, s};
}
inline auto measured_normal(const context& where, std::size_t d) {
    return exactly("(a) N(0, I), d = " + std::to_string(d) + ", half seen", normal(where, d),
                   seen_first(where, static_cast<index_t>(d), std::vector<float>(d / 2, 1.0f), 0.2));
}
/// The five components of examples/guided_measurement.cpp.
inline auto measured_mixture(const context& where) {
    std::vector<double> means, variances;
    for (int part = 0; part < 5; ++part)
        for (int i = 0; i < 16; ++i) {
            means.push_back(2.0 * std::sin(3.0 * part + 1.7 * i));
            variances.push_back(0.2 + 0.1 * part);
        }
    std::vector<float> seen;
    for (std::size_t i = 0; i < 8; ++i)
        seen.push_back(static_cast<float>(means[32 + i] + 0.3 * std::cos(static_cast<double>(i))));
    return exactly("(b) five components, d = 16, half seen",
                   mixture{where, {}, std::vector<double>(5, 0.2), means, variances},
                   seen_first(where, 16, seen, 0.15));
}
/// Two components at (-1, ..., -1) and (1, ..., 1), variance 0.25, the second of which holds 1e-3 of the data
/// and half of what the linear reward leaves.
inline auto rare_mode(const context& where) {
    std::vector<double> means(32, -1.0);
    std::fill(means.begin() + 16, means.end(), 1.0);
    const auto slope = static_cast<float>(std::log(999.0) / 32.0);
    return exactly("(c) a rare mode, d = 16",
                   mixture{where, {}, {0.999, 0.001}, means, std::vector<double>(32, 0.25)},
                   diamond::linear_reward<batch>{where, std::vector<float>(16, slope)});
}

/// The rewards of the study `digits` on its exact model, a Gaussian about each image. log Z is known for two
/// of them, and of the others by so many direct draws.
class digit_problems {
public:
    digit_problems(const context& where, const std::filesystem::path& digits)
        : where_(where),
          data_(digits::load(digits / "data")),
          exact_(diamond::data_mixture(
              where, diamond::linear_schedule{},
              diamond::from_host<float>(where, digits::pixels, data_.train.count(), data_.train.data).read(),
              digits::default_bandwidth)) {}

    [[nodiscard]] auto operator()(const std::string& name, index_t truth, philox rng) const {
        auto task = digits::make_task(name, where_, exact_, data_, {.truth = 1, .rng = rng.split(0)});
        const diamond::exact_posterior draws{exact_};
        problem all{"(e) digits, " + name,
                    draws,
                    diamond::ddpm_posterior_kernel{draws},
                    std::move(task.reward),
                    task.log_z_exact.value_or(NAN),
                    0.0};
        if (!task.log_z_exact)
            std::tie(all.log_z, all.log_z_error) = by_draws(all.reward, truth, rng.split(1));
        return all;
    }

private:
    /// log Z and its standard error by direct draws of the model, in blocks.
    template <class Reward>
    std::pair<double, double> by_draws(const Reward& reward, index_t draws, philox rng) const {
        constexpr index_t block = 16'384;
        std::vector<double> rewards;
        batch drawn(where_, digits::pixels, block);
        diamond::rebind_t<batch, double> of_block(where_, 1, block);
        for (std::uint64_t b = 0; std::ssize(rewards) < draws; ++b) {
            exact_.draw(rng.split(b).stream(diamond::purpose::data), drawn.mutable_view());
            reward(drawn.read(), diamond::row(of_block));
            for (const double r : diamond::to_host(of_block)) rewards.push_back(r);
        }
        const auto sums = diamond::detail::sum_weights(rewards.data(), std::ssize(rewards), false);
        return {sums.log_mean(std::ssize(rewards)),
                std::sqrt(1.0 / sums.ess() - 1.0 / static_cast<double>(rewards.size()))};
    }

    const context& where_;
    digits::data_set data_;
    digits::model exact_;
};

} // namespace defaults
