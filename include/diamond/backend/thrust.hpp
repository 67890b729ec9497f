/// This header implements the vocabulary of a back end for a thrust system, as far as thrust_cpu.hpp and
/// thrust_omp.hpp share it. One thread works on a column.
///
/// Without a CUDA toolkit, compile with -DTHRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_CPP, because thrust looks
/// for one by default.
#pragma once

#include <cstdint>

#include <thrust/execution_policy.h>
#include <thrust/find.h>
#include <thrust/for_each.h>
#include <thrust/functional.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/scan.h>

#include <diamond/backend/detail/functor_lane.hpp>
#include <diamond/backend/detail/functors.hpp>
#include <diamond/concepts/backend.hpp>
#include <diamond/core/batch.hpp>

namespace diamond::detail {

/// This base class has all operations except memory, reductions to one number and products, for a `Context`
/// whose policy() names a thrust system.
template <class Context>
class thrust_vocabulary {
public:
    template <class F>
    void for_each(index_t count, const F& f) const {
        thrust::for_each(policy(), first(), first() + count, f);
    }
    template <class F>
    void for_each(index_t rows, index_t columns, const F& f) const {
        self().for_each(columns, each_row<F>{f, rows});
    }

    template <class F>
    void column_sums(index_t rows, index_t columns, const F& f, double* out) const {
        self().for_each(columns, column_sum_functor<F>{f, rows, out});
    }

    template <class Real>
    void softmax(batch_view<Real, Context> x, double* log_sums) const {
        self().for_each(x.columns(), softmax_functor<Real, Context>{x, log_sums});
    }
    void log_sum_exp(batch_view<const double, Context> x, double* out) const {
        self().for_each(x.columns(), log_sum_exp_functor<Context>{x, out});
    }

    template <class Real>
    void gather(batch_view<const Real, Context> x, const std::int32_t* ancestors,
                batch_view<Real, Context> out) const {
        require_gather(x, out);
        self().for_each(out.columns(), gather_functor<Real, Context>{x, ancestors, out});
    }

    void scan_sum(const std::uint64_t* in, index_t count, std::uint64_t* out) const {
        thrust::inclusive_scan(policy(), in, in + count, out, thrust::plus<std::uint64_t>{});
    }
    void scan_max(const std::int32_t* in, index_t count, std::int32_t* out) const {
        thrust::inclusive_scan(policy(), in, in + count, out, larger{});
    }

    template <class Real>
    void fill_normal(noise_stream stream, batch_view<Real, Context> out) const {
        require_stream(stream);
        self().for_each(out.columns(), normal_functor<Real, Context>{stream, out});
    }

    template <class F>
    [[nodiscard]] index_t find_first(index_t count, const F& f) const {
        return thrust::find_if(policy(), first(), first() + count, f) - first();
    }

    /// One lane takes all columns at once, and its products are those of the context's own add_product.
    [[nodiscard]] static constexpr index_t concurrency() { return 1; }
    [[nodiscard]] static constexpr index_t dense_block_columns() { return index_t{1} << 40; }
    template <class Real>
    void prepare_product(index_t, index_t, index_t) const {}
    template <class Body>
    void lanes(index_t tasks, const Body& body) const {
        functor_lane<Context> lane(self());
        for (index_t task = 0; task < tasks; ++task) body(lane, task, index_t{0});
    }

private:
    [[nodiscard]] const Context& self() const { return *static_cast<const Context*>(this); }
    [[nodiscard]] auto policy() const { return self().policy(); }
    [[nodiscard]] static auto first() { return thrust::counting_iterator<index_t>(0); }
};

} // namespace diamond::detail
