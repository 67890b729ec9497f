/// A reward at a temperature.
#pragma once

#include <cmath>

#include <diamond/core/digits_of.hpp>
#include <diamond/reward/scaled_reward.hpp>

namespace diamond {

/// The reward r(z) / temperature, `tempered_reward{0.5, r}`, for r of any form. The temperature belongs to
/// the reward and divides it first: outside a log-mean-exp it would make the target depend on the number of
/// value samples, (eq. tempered-reward).
template <class Reward>
class tempered_reward : public scaled_reward<Reward> {
public:
    /// @throws std::invalid_argument unless 0 < temperature < infinity and its reciprocal is finite.
    tempered_reward(double temperature, Reward reward)
        : scaled_reward<Reward>(reciprocal(temperature), std::move(reward)) {}

private:
    static double reciprocal(double temperature) {
        require(temperature > 0.0 && std::isfinite(temperature) && std::isfinite(1.0 / temperature), [&] {
            return "tempered_reward: temperature " + digits_of(temperature) + " must be positive and finite";
        });
        return 1.0 / temperature;
    }
};

} // namespace diamond
