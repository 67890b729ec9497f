/// Data-parallel training: the shards of each batch are dealt to ranks, and their gradients are summed in one
/// order whichever ranks have them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/mpi/communicator.hpp>
#include <diamond/train/gradient_sum.hpp>

namespace diamond::mpi {

namespace detail {
template <class Batch>
class sharded_sum;
} // namespace detail

/// The options of sharded_gradient.
struct sharded_gradient_options {
    /// S, which divides the batch and is part of what is trained, as the seed is: 1 ... 2^20. Ranks beyond S
    /// have nothing to do.
    index_t shards = 8;
};

/// A gradient_sum over ranks: diamond_trainer{network, data, rng, options, mpi::sharded_gradient{ranks,
/// {.shards = 8}}} trains with the batch dealt to the ranks, and has the same bits on any number of them.
///
/// Each rank has the whole data, makes the same trainer and takes the same steps from the same state, and
/// each holds the whole state after every step. The gradients of shards are summed in a binary tree of
/// shards: ((0 + 1)
/// + (2 + 3)) + ..., in the particles' own type. Before each step the ranks compare a fingerprint of their
/// parameters, so that ranks that began from different files, or that compute differently, are refused.
/// Moments that differ show in the parameters a step later; an average of the parameters, or sums of losses,
/// that alone differ between ranks are not seen.
///
/// What is sent a step, of p parameters: along the tree the p numbers of a gradient, at most ceil(log2 ranks)
/// times one behind the other and by each rank but one once; the sum to all; and 16 bytes from all to all.
class sharded_gradient {
public:
    /// What sums the gradients of batches of this type.
    template <class Batch>
    using on = detail::sharded_sum<Batch>;

    /// The ranks must outlive the training. @throws std::invalid_argument for a number of shards out of
    /// range.
    explicit sharded_gradient(const communicator& ranks, sharded_gradient_options options = {})
        : ranks_(&ranks), shards_(options.shards) {
        constexpr index_t most = index_t{1} << 20;
        require(shards_ >= 1 && shards_ <= most,
                [&] { return digits_of(shards_) + " shards of a batch: 1 to 2^20 are taken"; });
    }
    /// Deleted, because temporary ranks would not outlive the training.
    explicit sharded_gradient(communicator&&, sharded_gradient_options = {}) = delete;

    [[nodiscard]] const communicator& ranks() const { return *ranks_; } ///< who sums
    [[nodiscard]] index_t shards() const { return shards_; }            ///< S

private:
    const communicator* ranks_;
    index_t shards_;
};

namespace detail {

/// Mixes numbers into a word that differs where they do, but for one chance in 2^64 or so.
class fingerprint {
public:
    void operator()(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            std::uint64_t word = 0;
            const std::size_t count = bytes.size() < sizeof word ? bytes.size() : sizeof word;
            std::memcpy(&word, bytes.data(), count);
            hash_ = (hash_ ^ word) * multiplier;
            hash_ ^= hash_ >> 32; // high bits, which a product moves up alone, come down again
            bytes = bytes.subspan(count);
        }
    }
    [[nodiscard]] std::uint64_t value() const { return hash_; }

private:
    static constexpr std::uint64_t multiplier = 0x9E3779B97F4A7C15u; // odd, of the golden ratio
    std::uint64_t hash_ = 0;
};

/// The gradients of a rank's shards in host memory, and their sum over all ranks.
template <class Batch>
class sharded_sum {
public:
    using real = typename Batch::value_type;

    explicit sharded_sum(const sharded_gradient& of)
        : ranks_(&of.ranks()), shards_(of.shards()), here_(ranks_->part_of(of.shards())) {}

    [[nodiscard]] index_t shards() const { return shards_; }
    [[nodiscard]] shard_range own() const { return {here_.first, here_.count}; }

    /// @throws std::invalid_argument on all ranks unless all begin the same step with the same parameters.
    void begin(index_t k, const_view_t<Batch> theta) {
        const auto& context = theta.context();
        numbers_.resize(static_cast<std::size_t>(theta.size()));
        context.to_host(theta.data(), theta.size(), numbers_.data());
        fingerprint print;
        print(std::as_bytes(std::span(numbers_)));
        const auto all = ranks_->all_gather(std::vector{static_cast<std::uint64_t>(k), print.value()});
        for (std::size_t i = 1; i < all.size() / 2; ++i) {
            require(all[2 * i] == all[0], [&] {
                return "rank " + digits_of(i) + " trains step " + digits_of(all[2 * i]) +
                       " and rank 0 step " + digits_of(all[0]) + ": begin on all ranks from the same state";
            });
            require(all[2 * i + 1] == all[1], [&] {
                return "rank " + digits_of(i) + " has other parameters than rank 0 at step " +
                       digits_of(all[0]) +
                       ": begin on all ranks from the same state, and train on processors of one kind";
            });
        }
        sums_.resize(static_cast<std::size_t>(here_.count));
        for (auto& sum : sums_) sum.gradient.resize(numbers_.size());
        received_.gradient.resize(numbers_.size());
    }
    void add(index_t shard, const_view_t<Batch> gradient, const training_losses* losses) {
        auto& sum = sums_[static_cast<std::size_t>(shard - here_.first)];
        gradient.context().to_host(gradient.data(), gradient.size(), sum.gradient.data());
        gradient.context().to_host(losses, 1, &sum.losses);
    }
    void finish(view_t<Batch> gradient, training_losses* losses) {
        for (index_t stride = 1; stride < shards_; stride *= 2)
            for (index_t s = 0; s + stride < shards_; s += 2 * stride) add_up(s, s + stride);
        const int root = ranks_->owner_of(0, shards_);
        training_losses mean;
        if (root == ranks_->rank()) {
            numbers_ = sums_.front().gradient;
            mean = sums_.front().losses;
            const double share = 1.0 / static_cast<double>(shards_);
            for (double* one : numbers_of(mean)) *one *= share;
        }
        ranks_->broadcast(numbers_, root);
        ranks_->broadcast(std::span(&mean, 1), root);
        gradient.context().from_host(numbers_.data(), gradient.size(), gradient.data());
        gradient.context().from_host(&mean, 1, losses);
    }

private:
    struct shard_sum {
        std::vector<real> gradient;
        training_losses losses;
    };
    static std::array<double*, 4> numbers_of(training_losses& of) {
        return {&of.diagonal, &of.off_diagonal, &of.diagonal_divergence, &of.off_diagonal_divergence};
    }
    /// Adds what stands at shard `from` to what stands at shard `to`.
    void add_up(index_t to, index_t from) {
        const int giver = ranks_->owner_of(from, shards_), taker = ranks_->owner_of(to, shards_);
        const auto at = [&](index_t shard) -> shard_sum& {
            return sums_[static_cast<std::size_t>(shard - here_.first)];
        };
        if (giver == ranks_->rank() && giver != taker) {
            ranks_->send(std::as_bytes(std::span(at(from).gradient)), taker);
            ranks_->send(std::as_bytes(std::span(&at(from).losses, 1)), taker);
        }
        if (taker != ranks_->rank()) return;
        if (giver != taker) {
            ranks_->receive(giver, received_.gradient);
            ranks_->receive(giver, std::span(&received_.losses, 1));
        }
        shard_sum &sum = at(to), &more = giver == taker ? at(from) : received_;
        for (std::size_t i = 0; i < sum.gradient.size(); ++i) sum.gradient[i] += more.gradient[i];
        const auto mine = numbers_of(sum.losses), its = numbers_of(more.losses);
        for (std::size_t i = 0; i < mine.size(); ++i) *mine[i] += *its[i];
    }

    const communicator* ranks_;
    index_t shards_;
    part here_;
    std::vector<shard_sum> sums_;
    shard_sum received_;
    std::vector<real> numbers_; // the parameters at the start of a step, the gradient at its end
};

} // namespace detail

} // namespace diamond::mpi
