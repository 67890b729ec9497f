/// A reward that forbids a sample, by -inf, where another reward throws.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>

#include <diamond/reward/evaluate.hpp>

namespace diamond {

/// The reward `forbid_failures{r}` is r(z), or -inf where r throws: a simulator that fails for some particles
/// forbids them, and the run goes on, where samplers would otherwise stop with its exception.
///
/// r is a reward of one column, and this one stands innermost: an exception for a whole batch does not say
/// for which particle. It runs on the host. It is column_parallel if r is, and then catches on the thread
/// that throws. Copies share the count of failures.
template <class Reward>
class forbid_failures {
public:
    using parts = std::tuple<Reward>;

    /// Whether the reward is called on several columns at once.
    static constexpr bool column_parallel = detail::says_column_parallel<Reward>;

    /// Takes the reward, whose exceptions become -inf.
    explicit forbid_failures(Reward reward) : reward_(std::move(reward)) {}

    /// The number of columns for which this reward and its copies have thrown so far.
    [[nodiscard]] std::int64_t failures() const { return failures_->load(std::memory_order_relaxed); }

    /// Returns r(z), or -inf where r throws.
    template <class Real>
        requires detail::returns_number<Reward, column_view<const Real>>
    double operator()(column_view<const Real> z) {
        return caught(reward_, z);
    }
    /// Returns r(z), or -inf where r throws.
    template <class Real>
        requires detail::returns_number<const Reward, column_view<const Real>>
    double operator()(column_view<const Real> z) const {
        return caught(reward_, z);
    }
    /// Never called: it stops the compiler with the reason why a reward of whole batches is refused.
    template <class Real, class Context>
        requires detail::batchwise_reward<Reward, owning_batch<Real, Context>>
    void operator()(batch_view<const Real, Context>, row_view<double, Context>) const {
        static_assert(detail::pointwise_reward<Reward, owning_batch<Real, Context>>,
                      "forbid_failures takes a reward of one column: what throws for a whole batch does not "
                      "say for which particle");
    }

private:
    template <class Called, class Column>
    double caught(Called& reward, const Column& z) const {
        try {
            return static_cast<double>(reward(z));
        } catch (...) {
            failures_->fetch_add(1, std::memory_order_relaxed);
            return -infinity;
        }
    }

    Reward reward_;
    std::shared_ptr<std::atomic<std::int64_t>> failures_ = std::make_shared<std::atomic<std::int64_t>>(0);
};

} // namespace diamond
