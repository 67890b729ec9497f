/// How the gradient of a training step is summed: of the whole batch at once, or of shards of it, which
/// others may have.
#pragma once

#include <concepts>
#include <cstdint>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// The losses of a step, or sums of them.
struct training_losses {
    double diagonal = 0.0, off_diagonal = 0.0; ///< The losses of v on and off the diagonal s = r.
    double diagonal_divergence = 0.0, off_diagonal_divergence = 0.0; ///< for a network with divergence
};

/// Consecutive shards of a batch.
struct shard_range {
    index_t first, count; ///< shards first ... first + count - 1
};

/// Gradient sum: a policy of diamond_trainer that cuts each batch into shards and sums their gradients.
///
/// A type G models `gradient_sum` for batches of type Batch if A = G::template on<Batch> is a type with
///   1. A(sum), for a G;
///   2. a.shards(), const, the number S of shards, which divides the batch. Shard s > 1 of them has draws of
///   its
///      own, so that S, unlike who computes a shard, is part of what is trained;
///   3. a.own(), const, the shard_range that this trainer computes;
///   4. a.begin(k, theta) at the start of step k;
///   5. a.add(s, gradient, losses) for each own shard s, in order: a view of p rows, and the address of its
///      losses, both in the back end's memory;
///   6. a.finish(gradient, losses), which writes the sum of the gradients of all S shards and the means of
///      their losses. Sums depend on the shards only, not on who has them, or a training has other bits
///      elsewhere.
/// Models: whole_batch, mpi::sharded_gradient. Used by: diamond_trainer.
template <class G, class Batch>
concept gradient_sum = std::copy_constructible<G> &&
                       requires(typename G::template on<Batch> a, const typename G::template on<Batch> b,
                                index_t k, const_view_t<Batch> numbers, view_t<Batch> sum,
                                training_losses* losses) {
                           requires std::constructible_from<typename G::template on<Batch>, const G&>;
                           { b.shards() } -> std::convertible_to<index_t>;
                           { b.own() } -> std::convertible_to<shard_range>;
                           a.begin(k, numbers);
                           a.add(k, numbers, losses);
                           a.finish(sum, losses);
                       };

namespace detail {
template <class Batch>
struct whole_sum;
} // namespace detail

/// The gradient of the whole batch, one shard, which is computed here: nothing is summed.
struct whole_batch {
    /// What sums the gradients of batches of this type.
    template <class Batch>
    using on = detail::whole_sum<Batch>;
};

namespace detail {
/// The one shard of a whole_batch: its gradient stays where it is.
template <class Batch>
struct whole_sum {
    explicit whole_sum(whole_batch) {}
    [[nodiscard]] static index_t shards() { return 1; }
    [[nodiscard]] static shard_range own() { return {0, 1}; }
    static void begin(index_t, const_view_t<Batch>) {}
    static void add(index_t, const_view_t<Batch>, const training_losses*) {}
    static void finish(view_t<Batch>, training_losses*) {}
};
} // namespace detail

} // namespace diamond
