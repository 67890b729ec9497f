/// This header treats maps that were trained too briefly and fold, so that two draws land on one point. Their
/// determinant is then not a density.
#pragma once

#include <atomic>
#include <utility>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

namespace studies {

namespace detail {
/// This flag says whether something was seen on any thread. A copy goes on independently.
class seen {
public:
    seen() = default;
    seen(const seen& other) : it_(other.get()) {}
    seen& operator=(const seen& other) {
        it_ = other.get();
        return *this;
    }
    [[nodiscard]] bool get() const { return it_.load(std::memory_order_relaxed); }
    void set() { it_.store(true, std::memory_order_relaxed); }

private:
    std::atomic<bool> it_ = false;
};
/// This functor replaces an m that is NaN, which a folded draw has, by the infinity for which log q = ... -
/// (r - s) m is +infinity.
template <class Context>
struct leave_out_folds {
    diamond::time_view s, r;
    diamond::row_view<double, Context> divergence;
    seen* folded;
    void operator()(diamond::index_t j) const {
        if (divergence[j] == divergence[j]) return;
        divergence[j] = r[j] > s[j] ? -diamond::infinity : diamond::infinity;
        folded->set();
    }
};
} // namespace detail

/// This network computes densities by determinants, where folded draws have log q = +infinity, so that they
/// weigh nothing when corrected. The positive branches over a fold are then one more than the negative ones
/// that are left out, so that its place counts too much, as (eq. signed-weight) says, which a report should
/// state; with jacobian_network alone, the first folded draw would end the program. Its exact_density() is
/// true until it has seen one. Models diamond_network_with_divergence.
template <class Network>
class determinants {
public:
    using batch_type = typename Network::batch_type;
    using condition_type = diamond::condition_of_t<Network>;
    using view = diamond::view_t<batch_type>;
    using arguments = diamond::diamond_arguments<batch_type>;
    using workspace = typename diamond::jacobian_network<Network>::workspace;

    explicit determinants(Network network) : network_(std::move(network)) {}

    [[nodiscard]] diamond::index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] auto schedule() const { return network_.schedule(); }
    [[nodiscard]] auto inner_schedule() const { return network_.inner_schedule(); }
    [[nodiscard]] bool exact_density() const { return !folded_.get(); }
    [[nodiscard]] diamond::cost divergence_cost() const { return network_.divergence_cost(); }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<batch_type>& context,
                                           diamond::index_t columns) const {
        return network_.make_workspace(context, columns);
    }
    void operator()(const arguments& at, const condition_type& condition, workspace& space, view out) const {
        network_(at, condition, space, out);
    }
    void operator()(const arguments& at, const condition_type& condition, workspace& space, view out,
                    diamond::row_t<batch_type> divergence) const {
        network_(at, condition, space, out, divergence);
        out.context().for_each(out.columns(),
                               detail::leave_out_folds<diamond::backend_of_t<batch_type>>{
                                   .s = at.s, .r = at.r, .divergence = divergence, .folded = &folded_});
    }

private:
    diamond::jacobian_network<Network> network_;
    mutable detail::seen folded_;
};

} // namespace studies
