/// The simplest back end on a device: memory that host and device share, a kernel and a wait for every operation, a thread for every
/// column. It shows that the generic code runs on a device and is no guide to speed.
#pragma once

#include <algorithm>

#include <cuda/device.cuh>

#include <diamond/backend/detail/functor_lane.hpp>
#include <diamond/backend/detail/functors.hpp>
#include <diamond/concepts/backend.hpp>

namespace device {

template <class F, class T>
struct store_result {
    F f;
    T* out;
    DIAMOND_HD void operator()(diamond::index_t j) const { out[j] = f(j); }
};
template <class Real, class View, class ConstView>
struct product_column {
    bool transposed;
    ConstView a, b;
    View out;
    DIAMOND_HD void operator()(diamond::index_t j) const {
        for (diamond::index_t i = 0; i < out.rows(); ++i) {
            Real sum = 0;
            for (diamond::index_t k = 0; k < b.rows(); ++k) sum += (transposed ? a(k, i) : a(i, k)) * b(k, j);
            out(i, j) = sum;
        }
    }
};

struct context {
    using index_t = diamond::index_t;
    template <class Real>
    using view = diamond::batch_view<Real, context>;

    template <class T>
    [[nodiscard]] T* allocate(index_t count) const {
        require();
        T* result = nullptr;
        if (count > 0) check(cudaMallocManaged(&result, static_cast<std::size_t>(count) * sizeof(T)));
        return result;
    }
    template <class T>
    void deallocate(T* p, index_t) const noexcept {
        cudaFree(p);
    }
    template <class T>
    void to_host(const T* from, index_t count, T* to) const {
        std::copy_n(from, count, to);
    }
    template <class T>
    void from_host(const T* from, index_t count, T* to) const {
        std::copy_n(from, count, to);
    }
    template <class T>
    void copy(const T* from, index_t count, T* to) const {
        std::copy_n(from, count, to);
    }

    template <class F>
    void for_each(index_t count, const F& f) const {
        if (count > 0) device::for_each(count, f);
    }
    template <class F>
    void for_each(index_t rows, index_t columns, const F& f) const {
        for_each(columns, diamond::detail::each_row<F>{f, rows});
    }
    template <class F>
    void column_sums(index_t rows, index_t columns, const F& f, double* out) const {
        for_each(columns, diamond::detail::column_sum_functor<F>{f, rows, out});
    }
    template <class F>
    [[nodiscard]] double sum(index_t count, const F& f) const {
        return reduce(count, 0.0, f, [](double a, double b) { return a + b; });
    }
    template <class F>
    [[nodiscard]] double max(index_t count, const F& f) const {
        return reduce(count, -diamond::infinity, f, diamond::detail::larger{});
    }
    template <class Real>
    void product(diamond::transpose op, view<const Real> a, view<const Real> b, view<Real> out) const {
        static_cast<void>(diamond::detail::require_product(op, a, b, out));
        for_each(out.columns(), product_column<Real, view<Real>, view<const Real>>{op == diamond::transpose::yes, a, b, out});
    }
    template <class Real>
    void softmax(view<Real> x, double* log_sums) const {
        for_each(x.columns(), diamond::detail::softmax_functor<Real, context>{x, log_sums});
    }
    void log_sum_exp(view<const double> x, double* out) const {
        for_each(x.columns(), diamond::detail::log_sum_exp_functor<context>{x, out});
    }
    template <class Real>
    void gather(view<const Real> x, const std::int32_t* ancestors, view<Real> out) const {
        for_each(out.columns(), diamond::detail::gather_functor<Real, context>{x, ancestors, out});
    }
    void scan_sum(const std::uint64_t* in, index_t count, std::uint64_t* out) const {
        std::uint64_t total = 0;
        for (index_t j = 0; j < count; ++j) out[j] = total += in[j];
    }
    void scan_max(const std::int32_t* in, index_t count, std::int32_t* out) const {
        for (index_t j = 0; j < count; ++j) out[j] = j > 0 ? std::max(out[j - 1], in[j]) : in[j];
    }
    template <class Real>
    void fill_normal(diamond::noise_stream stream, view<Real> out) const {
        for_each(out.columns(), diamond::detail::normal_functor<Real, context>{stream, out});
    }
    template <class F>
    [[nodiscard]] index_t find_first(index_t count, const F& f) const {
        shared<bool> found(count + 1);
        for_each(count, store_result<F, bool>{f, found.data()});
        return std::find(found.data(), found.data() + count, true) - found.data();
    }

    [[nodiscard]] static constexpr index_t concurrency() { return 1; }
    [[nodiscard]] static constexpr index_t dense_block_columns() { return index_t{1} << 40; }
    template <class Real>
    void prepare_product(index_t, index_t, index_t) const {}
    template <class Body>
    void lanes(index_t tasks, const Body& body) const {
        diamond::detail::functor_lane<context> lane(*this);
        for (index_t task = 0; task < tasks; ++task) body(lane, task, index_t{0});
    }

private:
    template <class F, class Op>
    double reduce(index_t count, double result, const F& f, const Op& op) const {
        shared<double> values(count + 1);
        for_each(count, store_result<F, double>{f, values.data()});
        for (index_t j = 0; j < count; ++j) result = op(result, values[j]);
        return result;
    }
};
static_assert(diamond::backend<context>);

template <class Real>
using batch = diamond::batch<Real, context>;

} // namespace device
