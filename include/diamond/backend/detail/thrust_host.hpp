/// What thrust's systems on the CPU share: memory of the host, sums in fixed blocks, products by Eigen.
#pragma once

#include <algorithm>
#include <tuple>
#include <vector>

#include <diamond/backend/detail/host_memory.hpp>
#include <diamond/backend/eigen_product.hpp>
#include <diamond/backend/thrust.hpp>

namespace diamond::detail {

/// One block of a reduction: partial[b] = op over f(256 b), f(256 b + 1), ...
template <class F, class Op>
struct reduce_block {
    static constexpr index_t columns = 256;

    F f;
    Op op;
    double start;
    index_t count;
    double* partial;
    void operator()(index_t b) const {
        double sum = start;
        for (index_t j = b * columns; j < std::min((b + 1) * columns, count); ++j) sum = op(sum, f(j));
        partial[b] = sum;
    }
};

/// For a `Context` that also has workers(), how many of its threads work at once, and worker(), which of them calls.
template <class Context>
class thrust_host : public thrust_vocabulary<Context> {
public:
    static constexpr bool host_memory = true;

    template <class T>
    [[nodiscard]] T* allocate(index_t count) const {
        return host_allocate<T>(count);
    }
    template <class T>
    void deallocate(T* p, index_t) const noexcept {
        host_deallocate(p);
    }
    template <class T>
    void to_host(const T* device, index_t count, T* host) const {
        std::copy_n(device, count, host);
    }
    template <class T>
    void from_host(const T* host, index_t count, T* device) const {
        std::copy_n(host, count, device);
    }
    template <class T>
    void copy(const T* from, index_t count, T* to) const {
        std::copy_n(from, count, to);
    }

    template <class F>
    [[nodiscard]] double sum(index_t count, const F& f) const {
        return reduce(count, 0.0, f, thrust::plus<double>{});
    }
    template <class F>
    [[nodiscard]] double max(index_t count, const F& f) const {
        return reduce(count, -infinity, f, larger{});
    }
    template <class F>
    void sum(index_t count, const F& f, double* out) const {
        *out = sum(count, f);
    }
    template <class F>
    void max(index_t count, const F& f, double* out) const {
        *out = max(count, f);
    }
    template <class F>
    void forbid(index_t count, const F& f, const blame& why) const {
        forbid_now(self(), count, f, why);
    }

    template <class Real>
    void product(transpose op, batch_view<const Real, Context> a, batch_view<const Real, Context> b, batch_view<Real, Context> out) const {
        const auto [rows, depth] = require_product(op, a, b, out);
        products<Real>().write(op, a.data(), b.data(), out.data(), rows, b.columns(), depth, [&](index_t tasks, const auto& body) { run(tasks, body); });
    }
    /// out += op(a) op(b).
    template <class Real>
    void add_product(transpose op_a, const Real* a, transpose op_b, const Real* b, Real* out, index_t rows, index_t columns, index_t depth) const {
        products<Real>().add(op_a, a, op_b, b, out, rows, columns, depth, [&](index_t tasks, const auto& body) { run(tasks, body); });
    }

private:
    [[nodiscard]] const Context& self() const { return *static_cast<const Context*>(this); }

    template <class Real>
    [[nodiscard]] auto& products() const {
        auto& result = std::get<eigen::detail::product_space<Real>>(products_);
        result.prepare_workers(self().workers());
        return result;
    }
    template <class Body>
    void run(index_t tasks, const Body& body) const {
        self().for_each(tasks, [&](index_t task) { body(task, self().worker()); });
    }
    template <class F, class Op>
    double reduce(index_t count, double start, const F& f, const Op& op) const {
        using block          = reduce_block<F, Op>;
        const index_t blocks = (count + block::columns - 1) / block::columns;
        partial_.resize(static_cast<std::size_t>(blocks));
        self().for_each(blocks, block{f, op, start, count, partial_.data()});
        double result = start;
        for (const double partial : partial_) result = op(result, partial);
        return result;
    }

    mutable std::tuple<eigen::detail::product_space<float>, eigen::detail::product_space<double>> products_;
    mutable std::vector<double> partial_;
};

} // namespace diamond::detail
