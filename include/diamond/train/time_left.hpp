/// How long a training will still take.
#pragma once


#include <diamond/core/scalar.hpp>

namespace diamond {

/// Seconds to the end, from the seconds that steps took in this run: those with columns on the diagonal alone, which come first, and those with
/// others, too, are timed apart. Before a step of the second kind was seen it is taken to cost `off_diagonal_price` of the first, averaged with the diagonal's.
class time_left {
public:
    /// A diagonal column costs a forward pass and a backward one, which is twice that; one of a Lagrangian loss a Jacobian-vector product and
    /// its backward pass, twice as much, and an evaluation for its target.
    static constexpr double off_diagonal_price = 7.0 / 3.0;

    /// Of `steps` the first `diagonal_steps` are of the first kind; in the others a share `diagonal` of the columns is.
    time_left(index_t steps, index_t diagonal_steps, double diagonal)
        : steps_(steps), diagonal_steps_(diagonal_steps), price_(diagonal + (1.0 - diagonal) * off_diagonal_price) {}
    /// As the options of a trainer say.
    template <class Options>
    explicit time_left(const Options& options) : time_left(options.steps, options.diagonal_steps(), options.diagonal) {}

    /// Step `step` (from 0) has just been done in so many seconds. Seconds left.
    double operator()(index_t step, double seconds) {
        kind& own = step < diagonal_steps_ ? early_ : late_;
        own.seconds += seconds;
        own.count += 1.0;
        const index_t done = step + 1, early = done < diagonal_steps_ ? diagonal_steps_ - done : 0;
        const double of_late = late_.count > 0.0 ? late_.mean() : price_ * early_.mean();
        return (early > 0 ? static_cast<double>(early) * early_.mean() : 0.0) + (steps_ > done + early ? static_cast<double>(steps_ - done - early) * of_late : 0.0);
    }

private:
    struct kind {
        double seconds = 0.0, count = 0.0;
        [[nodiscard]] double mean() const { return seconds / count; }
    };
    index_t steps_, diagonal_steps_;
    double price_;
    kind early_, late_;
};

} // namespace diamond
