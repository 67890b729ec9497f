/// Errors: types fail at a concept's ladder, shapes and ranges by std::invalid_argument with the numbers in it,
/// and weights or rewards that die while a sampler runs by numeric_error.
#pragma once

#include <stdexcept>
#include <string>

namespace diamond {

/// A number died while a sampler ran: names the step and the particle. Either is -1 where it does not apply.
class numeric_error : public std::runtime_error {
public:
    numeric_error(const std::string& what, long step, long particle)
        : std::runtime_error(what + " (step " + std::to_string(step) + ", particle " + std::to_string(particle) + ")"),
          reason_(what), step_(step), particle_(particle) {}

    [[nodiscard]] const std::string& reason() const noexcept { return reason_; } ///< what(), without the place
    [[nodiscard]] long step() const noexcept { return step_; }
    [[nodiscard]] long particle() const noexcept { return particle_; }

private:
    std::string reason_;
    long        step_, particle_;
};

/// Throws std::invalid_argument unless the condition holds. The message is built only when it is needed.
template <class Message>
void require(bool condition, Message message) {
    if (!condition) throw std::invalid_argument(message());
}

inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

} // namespace diamond
