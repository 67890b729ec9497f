/// By choice a -inf where a reward throws.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>

#include <diamond/reward/evaluate.hpp>

namespace diamond {

/// r(z), or -inf where r throws: a simulator that fails for some particles forbids them, and the run goes on, where samplers would otherwise stop with
/// its exception. `forbid_failures{r}`, r of one column; it stands innermost, for what throws for a whole batch does not say for which particle. It
/// runs on the host. One that says column_parallel is caught on whichever thread it throws.
template <class Reward>
class forbid_failures {
public:
    using parts = std::tuple<Reward>;

    static constexpr bool column_parallel = detail::says_column_parallel<Reward>;

    explicit forbid_failures(Reward reward) : reward_(std::move(reward)) {}

    /// How many columns of this reward and its copies have thrown so far.
    [[nodiscard]] std::int64_t failures() const { return failures_->load(std::memory_order_relaxed); }

    /// r(z), or -inf.
    template <class Real>
        requires detail::returns_number<Reward, column_view<const Real>>
    double operator()(column_view<const Real> z) {
        return caught(reward_, z);
    }
    template <class Real>
        requires detail::returns_number<const Reward, column_view<const Real>>
    double operator()(column_view<const Real> z) const {
        return caught(reward_, z);
    }
    template <class Real, class Context>
        requires detail::batchwise_reward<Reward, owning_batch<Real, Context>>
    void operator()(batch_view<const Real, Context>, double*) const {
        static_assert(detail::pointwise_reward<Reward, owning_batch<Real, Context>>,
                      "forbid_failures takes a reward of one column: what throws for a whole batch does not say for which particle");
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
