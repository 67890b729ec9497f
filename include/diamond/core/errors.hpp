/// Errors: a type that is not what it should be fails at a concept's ladder, a shape or a range throws
/// std::invalid_argument with the numbers in it, and a weight or a reward that is no number while a sampler
/// runs throws numeric_error.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

namespace detail {
/// Writes " (step 3, particle 7)", without those that are negative.
[[nodiscard]] inline std::string place_of(long step, long particle) {
    if (step < 0 && particle < 0) return {};
    const std::string of_step = step < 0 ? "" : "step " + digits_of(step),
                      of_particle = particle < 0 ? "" : "particle " + digits_of(particle);
    return " (" + of_step + (step < 0 || particle < 0 ? "" : ", ") + of_particle + ")";
}
} // namespace detail

/// The error that a number is NaN or infinite, or all weights are 0, while a sampler runs. It names the step
/// and the particle; either is -1, and is left out of what(), where it does not apply.
class numeric_error : public std::runtime_error {
public:
    /// The error `what` in a step of a run, of a particle; -1 stands for none.
    numeric_error(const std::string& what, long step, long particle)
        : std::runtime_error(what + detail::place_of(step, particle)),
          reason_(what),
          step_(step),
          particle_(particle) {}

    /// what() without the place.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
    /// The step of the run; -1 where there is none.
    [[nodiscard]] long step() const noexcept { return step_; }
    /// The particle's column; -1 where there is none.
    [[nodiscard]] long particle() const noexcept { return particle_; }

private:
    std::string reason_;
    long step_, particle_;
};

/// Describes the error of a failed check of a back end's numbers. It is plain data, since a device keeps it
/// until the host next waits.
struct deferred_error {
    const char* what;    ///< the message, a string literal
    index_t step = -1;   ///< the step of the run; -1: none
    index_t samples = 1; ///< the j-th checked number belongs to particle j / samples; 0: to no particle
    /// The checked numbers, where the host can still read them when it throws.
    const double* values = nullptr;
    const std::int32_t* indices = nullptr;                   ///< the checked indices, in place of `values`
    void (*raise)(const deferred_error&, index_t) = nullptr; ///< throws another error than a numeric_error
    index_t number = 0;                                      ///< a number that `raise` may name
};

/// @throws the error that `why` describes, for the j-th number.
[[noreturn]] inline void throw_deferred(const deferred_error& why, index_t j) {
    if (why.raise) why.raise(why, j);
    const std::string value = why.values  ? " (here " + digits_of(why.values[j]) + ")"
                            : why.indices ? " (here " + digits_of(why.indices[j]) + ")"
                                          : std::string();
    throw numeric_error(why.what + value, static_cast<long>(why.step),
                        why.samples > 0 ? static_cast<long>(j / why.samples) : -1L);
}

/// @throws std::invalid_argument with the message unless the condition holds. A message that is a function is
/// only called then.
template <class Message>
void require(bool condition, Message message) {
    if (!condition) throw std::invalid_argument(message());
}

/// @throws std::invalid_argument with the message unless the condition holds.
inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

/// @throws std::invalid_argument unless `count` is at least 0 and so many numbers of `bytes` each have no
/// more bytes than an index counts.
inline void require_countable(index_t count, std::size_t bytes) {
    index_t total = 0;
    require(count >= 0 && !__builtin_mul_overflow(count, static_cast<index_t>(bytes), &total), [&] {
        return "memory for " + digits_of(count) + " numbers of " + digits_of(bytes) +
               " bytes: not between 0 and 2^63 - 1 bytes";
    });
}

/// Returns the product a b of two extents that are at least 0. @throws std::invalid_argument with a message
/// that begins with `what` if an index does not hold it.
[[nodiscard]] inline index_t extent_product(const char* what, index_t a, index_t b) {
    index_t product = 0;
    require(!__builtin_mul_overflow(a, b, &product), [&] {
        return std::string(what) + ": " + digits_of(a) + " x " + digits_of(b) + " is more than 2^63 - 1";
    });
    return product;
}

} // namespace diamond
