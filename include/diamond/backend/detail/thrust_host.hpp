/// This header defines what thrust's systems on the CPU share: host memory, sums in fixed blocks, and
/// products and eigenvectors by Eigen.
#pragma once

#include <algorithm>
#include <tuple>
#include <vector>

#include <diamond/backend/detail/forks.hpp>
#include <diamond/backend/detail/host_memory.hpp>
#include <diamond/backend/detail/one_at_a_time.hpp>
#include <diamond/backend/detail/require_ieee.hpp>
#include <diamond/backend/eigen_product.hpp>
#include <diamond/backend/eigen_symmetric.hpp>
#include <diamond/backend/thrust.hpp>

namespace diamond::detail {

/// This functor reduces one block: partial[b] = of(b) = op over f(256 b), f(256 b + 1), ...
template <class F, class Op>
struct reduce_block {
    static constexpr index_t columns = 256;

    F f;
    Op op;
    double start;
    index_t count;
    double* partial;
    [[nodiscard]] double of(index_t b) const {
        double sum = start;
        for (index_t j = b * columns; j < std::min((b + 1) * columns, count); ++j) sum = op(sum, f(j));
        return sum;
    }
    void operator()(index_t b) const { partial[b] = of(b); }
};

/// This is the base class of a `Context` of one thread. A context of several threads hides workers(), run and
/// inside_team().
template <class Context>
class thrust_host : public thrust_vocabulary<Context> {
public:
    static constexpr bool host_memory = true;

    thrust_host() { require_ieee(); }

    /// Returns how many threads work at once.
    [[nodiscard]] static constexpr int workers() { return 1; }
    /// Returns whether the caller is one of several threads that work at once.
    [[nodiscard]] static constexpr bool inside_team() { return false; }
    /// Calls body(task, worker) for all tasks, never for two tasks with the same worker at once.
    template <class Body>
    static void run(index_t tasks, const Body& body) {
        for (index_t task = 0; task < tasks; ++task) body(task, 0);
    }

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
    void forbid(index_t count, const F& f, const deferred_error& why) const {
        forbid_now(self(), count, f, why);
    }

    template <class Real>
    void product(transpose op, batch_view<const Real, Context> a, batch_view<const Real, Context> b,
                 batch_view<Real, Context> out) const {
        const auto [rows, depth] = require_product(op, a, b, out);
        with_products<Real>([&, rows = rows, depth = depth](auto& space, const auto& run) {
            space.write(op, a.data(), b.data(), out.data(), rows, b.columns(), depth, run);
        });
    }
    /// Adds op(a) op(b) to `out`.
    template <class Real>
    void add_product(transpose op_a, const Real* a, transpose op_b, const Real* b, Real* out, index_t rows,
                     index_t columns, index_t depth) const {
        with_products<Real>([&](auto& space, const auto& run) {
            space.add(op_a, a, op_b, b, out, rows, columns, depth, run);
        });
    }

    void symmetric_eigen(batch_view<double, Context> a, double* values) const {
        eigen::detail::decompose_symmetric(a.data(), a.rows(), values);
    }

private:
    [[nodiscard]] const Context& self() const { return *static_cast<const Context*>(this); }

    /// A session finds out whether a call is the only one of the context, or is nested inside another call of
    /// this thread or of its team.
    /// @throws std::logic_error while the context works for another thread.
    class session {
    public:
        explicit session(const thrust_host& host) : host_(host) {
            // Only the parent process knows the thread that was served.
            if (host.birth_.forked_since()) {
                host.served_.leave();
                host.birth_ = birth{};
            }
            outermost_ = host.served_.enter();
            if (!outermost_ && !Context::inside_team()) host.served_.require_this_thread();
        }
        session(const session&) = delete;
        session& operator=(const session&) = delete;
        ~session() {
            if (outermost_) host_.served_.leave();
        }
        [[nodiscard]] bool nested() const { return !outermost_; }

    private:
        const thrust_host& host_;
        bool outermost_;
    };

    /// Calls body(space, run) with the context's memory for products or, inside another operation, with
    /// memory of its own.
    template <class Real, class Body>
    void with_products(const Body& body) const {
        using space = eigen::detail::product_space<Real>;
        const session work(*this);
        if (work.nested()) {
            space own(1);
            body(own, [](index_t tasks, const auto& task) {
                for (index_t k = 0; k < tasks; ++k) task(k, 0);
            });
        } else {
            auto& kept = std::get<space>(products_);
            kept.prepare_workers(self().workers());
            body(kept, [&](index_t tasks, const auto& task) { self().run(tasks, task); });
        }
    }
    template <class F, class Op>
    double reduce(index_t count, double start, const F& f, const Op& op) const {
        using block = reduce_block<F, Op>;
        const index_t blocks = (count + block::columns - 1) / block::columns;
        double result = start;
        const session work(*this);
        // Nothing here uses the memory of the context, where an outer reduction may be at work.
        if (work.nested()) {
            const block each{f, op, start, count, nullptr};
            for (index_t b = 0; b < blocks; ++b) result = op(result, each.of(b));
            return result;
        }
        partial_.resize(static_cast<std::size_t>(blocks));
        self().for_each(blocks, block{f, op, start, count, partial_.data()});
        for (const double partial : partial_) result = op(result, partial);
        return result;
    }

    mutable one_at_a_time served_;
    mutable birth birth_;
    mutable std::tuple<eigen::detail::product_space<float>, eigen::detail::product_space<double>> products_;
    mutable std::vector<double> partial_;
};

} // namespace diamond::detail
