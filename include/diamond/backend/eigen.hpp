/// The CPU back end: blocks of columns over a thread pool, products and transcendental functions by Eigen.
///
/// Every operation partitions columns into fixed blocks that do not depend on the number of threads, and every reduction adds its
/// blocks in order, so results are the same bits on any number of threads. A steady-state call allocates nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <diamond/backend/detail/functors.hpp>
#include <diamond/backend/detail/host_memory.hpp>
#include <diamond/backend/detail/normals.hpp>
#include <diamond/backend/detail/require_ieee.hpp>
#include <diamond/backend/detail/thread_pool.hpp>
#include <diamond/backend/eigen_lane.hpp>
#include <diamond/backend/eigen_product.hpp>
#include <diamond/backend/eigen_symmetric.hpp>
#include <diamond/concepts/backend.hpp>
#include <diamond/core/batch.hpp>

namespace diamond::eigen {

namespace detail {

/// exp of numbers at or below 0; 0 below the logarithm of the least normal one: Eigen's takes long there and, without AVX-512, is 2.9e-39 at -inf.
template <class Real, class Packet>
Packet exponentials(const Packet& exponent) {
    using namespace Eigen::internal;
    const Packet least = pset1<Packet>(std::ceil(std::log(std::numeric_limits<Real>::min())));
    return pandnot(pexp(pmax(exponent, least)), pcmp_lt(exponent, least)); // as std::max: a NaN on the left stays
}

/// The sum of exp(x[i] - shift); `terms` receives them if it is not null, and may be x. Eigen's own loops work up to an aligned address
/// and after the last packet by other means, with other last bits. Here all goes by packets, so the bits do not depend on the address.
template <class Real>
double sum_exponentials(const Real* x, index_t rows, Real shift, Real* terms) {
    using namespace Eigen::internal;
    using packet                 = typename packet_traits<Real>::type;
    constexpr index_t lanes = packet_traits<Real>::size;
    constexpr index_t flush = 32 * lanes; // numbers that are added up in Real before they are in double
    const packet      shifts = pset1<packet>(shift);
    packet            sum;
    const auto        add = [&](const Real* from, Real* to) {
        const packet term = exponentials<Real>(psub(ploadu<packet>(from), shifts));
        if (to) pstoreu(to, term);
        sum = padd(sum, term);
    };
    double partial[static_cast<std::size_t>(lanes)] = {};
    Real   part[static_cast<std::size_t>(lanes)];
    for (index_t first = 0; first < rows; first += flush) {
        const index_t last = std::min(first + flush, rows);
        index_t       i    = first;
        sum                = pset1<packet>(Real{0});
        for (; i + lanes <= last; i += lanes) add(x + i, terms ? terms + i : nullptr);
        if (i < last) {
            std::fill_n(part, lanes, -std::numeric_limits<Real>::infinity());
            std::copy_n(x + i, last - i, part);
            add(part, part);
            if (terms) std::copy_n(part, last - i, terms + i);
        }
        pstoreu(part, sum);
        for (index_t l = 0; l < std::min(lanes, rows); ++l) partial[l] += static_cast<double>(part[l]);
    }
    double total = 0.0;
    for (index_t l = 0; l < std::min(lanes, rows); ++l) total += partial[l];
    return total;
}

/// Columns of so few numbers are too short for vectors of their own.
inline constexpr index_t short_column = 24;

/// The softmax of `columns` short columns at x, and their log-sum-exps: the exponentials of many are taken together.
template <class Real>
void softmax_short_columns(Real* x, index_t rows, index_t columns, double* log_sums) {
    using namespace Eigen::internal;
    using packet             = typename packet_traits<Real>::type;
    constexpr index_t lanes  = packet_traits<Real>::size, most_terms = 512;
    constexpr Real    lowest = -std::numeric_limits<Real>::infinity();
    alignas(64) Real  terms[most_terms];
    for (const index_t together = most_terms / rows; columns > 0; x += together * rows, log_sums += together, columns -= together) {
        const index_t count = std::min(together, columns);
        for (index_t c = 0; c < count; ++c) {
            const Real* column = x + c * rows;
            Real        high   = lowest;
            for (index_t i = 0; i < rows; ++i) high = diamond::detail::larger{}(high, column[i]);
            for (index_t i = 0; i < rows; ++i) terms[c * rows + i] = column[i] - (high == lowest ? Real{0} : high);
            log_sums[c] = static_cast<double>(high);
        }
        std::fill(terms + count * rows, terms + most_terms, Real{0});
        for (index_t i = 0; i < count * rows; i += lanes) pstore(terms + i, exponentials<Real>(pload<packet>(terms + i)));
        for (index_t c = 0; c < count; ++c) {
            double total = 0.0;
            for (index_t i = 0; i < rows; ++i) total += static_cast<double>(terms[c * rows + i]);
            const auto scale = static_cast<Real>(total > 0.0 ? 1.0 / total : total); // no term, or none that is a number
            for (index_t i = 0; i < rows; ++i) x[c * rows + i] = terms[c * rows + i] * scale;
            log_sums[c] = diamond::detail::log_of_sum(log_sums[c], total);
        }
    }
}

/// What a context keeps between calls, so that a call in steady state allocates nothing.
struct context_state {
    diamond::detail::thread_pool pool;
    product_space<float>         float_products;
    product_space<double>        double_products;
    std::vector<double>          partial_sums;

    explicit context_state(int threads) : pool(threads), float_products(pool.threads()), double_products(pool.threads()) { diamond::detail::require_ieee(); }

    template <class Real>
    product_space<Real>& products() {
        if constexpr (sizeof(Real) == 4)
            return float_products;
        else
            return double_products;
    }
};

} // namespace detail

/// The CPU. `context{.threads = 2}`; 0 threads mean as many as can work at once: one for each processor that the process may run on, or
/// fewer where its control groups grant less time. One context serves one thread of control, and must outlive the batches made from it.
/// Operations may be called from inside the functor of another one, and then run in the thread that calls them.
/// @throws std::invalid_argument for a negative number of threads, std::system_error if the system does not give so many; from an operation
/// std::logic_error while the context is at work for another thread. After a fork() it works in the child, too: with threads of its own.
struct context {
    int threads = 0;

    mutable detail::context_state state{threads};

    [[nodiscard]] static constexpr const char* device_name() { return "cpu"; }
    /// Threads that work at once, each with caches of its own.
    [[nodiscard]] index_t concurrency() const { return state.pool.threads(); }

    // 1. memory
    static constexpr bool host_memory = true;
    template <class T>
    [[nodiscard]] T* allocate(index_t count) const {
        return diamond::detail::host_allocate<T>(count);
    }
    template <class T>
    void deallocate(T* p, index_t) const noexcept {
        diamond::detail::host_deallocate(p);
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

    // 2. elementwise
    template <class F>
    void for_each(index_t count, const F& f) const {
        blocks_of(count, relative_cost_of<F>, [&](index_t first, index_t last) {
            own<F> local = f;
            for (index_t j = first; j < last; ++j) local(j);
        });
    }
    template <class F>
    void for_each(index_t rows, index_t columns, const F& f) const {
        blocks_of(columns, rows * relative_cost_of<F>, [&](index_t first, index_t last) {
            own<F> local = f;
            for (index_t j = first; j < last; ++j)
                for (index_t i = 0; i < rows; ++i) local(i, j);
        });
    }

    // 3. reductions
    template <class F>
    void column_sums(index_t rows, index_t columns, const F& f, double* out) const {
        blocks_of(columns, rows, [&](index_t first, index_t last) {
            for (index_t j = first; j < last; ++j) out[j] = diamond::detail::column_sum(f, rows, j);
        });
    }
    template <class F>
    [[nodiscard]] double sum(index_t count, const F& f) const {
        return reduce(count, 0.0, f, [](double a, double b) { return a + b; });
    }
    template <class F>
    [[nodiscard]] double max(index_t count, const F& f) const {
        return reduce(count, -infinity, f, diamond::detail::larger{});
    }
    template <class F>
    void sum(index_t count, const F& f, double* out) const {
        *out = sum(count, f);
    }
    template <class F>
    void max(index_t count, const F& f, double* out) const {
        *out = max(count, f);
    }

    // 4. products
    template <class Real>
    void product(transpose op, batch_view<const Real, context> a, batch_view<const Real, context> b, batch_view<Real, context> out) const {
        const auto [rows, depth] = diamond::detail::require_product(op, a, b, out);
        const auto write         = [&, rows = rows, depth = depth](detail::product_space<Real>& space, const auto& run) {
            space.write(op, a.data(), b.data(), out.data(), rows, b.columns(), depth, run);
        };
        session work(state.pool);
        if (work.nested()) {
            detail::product_space<Real> space(1); // the context's is at work
            write(space, [](index_t tasks, const auto& body) {
                for (index_t task = 0; task < tasks; ++task) body(task, 0);
            });
        } else {
            write(state.products<Real>(), [&](index_t tasks, const auto& body) { work.run(tasks, body); });
        }
    }

    // 5. soft maxima
    template <class Real>
    void softmax(batch_view<Real, context> x, double* log_sums) const {
        blocks_of(x.columns(), x.rows() * exp_price, [&](index_t first, index_t last) {
            if (x.rows() > 0 && x.rows() <= detail::short_column)
                return detail::softmax_short_columns(x.column(first).begin(), x.rows(), last - first, log_sums + first);
            for (index_t j = first; j < last; ++j) {
                const auto column = x.column(j);
                const Real high   = highest<Real>(column);
                const bool dead   = high == -std::numeric_limits<Real>::infinity();
                const double total = detail::sum_exponentials(column.begin(), column.size(), dead ? Real{0} : high, column.begin());
                const auto   scale = static_cast<Real>(dead ? 0.0 : 1.0 / total);
                for (Real& value : column) value *= scale;
                log_sums[j] = diamond::detail::log_of_sum(static_cast<double>(high), total);
            }
        });
    }
    void log_sum_exp(batch_view<const double, context> x, double* out) const {
        blocks_of(x.columns(), x.rows() * exp_price, [&](index_t first, index_t last) {
            for (index_t j = first; j < last; ++j) {
                const auto   column = x.column(j);
                const double high   = highest<double>(column);
                out[j] = diamond::detail::log_of_sum(high, detail::sum_exponentials<double>(column.begin(), column.size(), high, nullptr));
            }
        });
    }

    // 6. gather
    template <class Real>
    void gather(batch_view<const Real, context> x, const std::int32_t* ancestors, batch_view<Real, context> out) const {
        diamond::detail::require_gather(x, out);
        blocks_of(out.columns(), x.rows(), [&](index_t first, index_t last) {
            with_rows(x.rows(), [&](auto rows) {
                for (index_t j = first; j < last; ++j) std::copy_n(x.data() + rows * ancestors[j], index_t{rows}, out.data() + rows * j);
            });
        });
    }

    // 7. scans: bound by memory, so one thread
    void scan_sum(const std::uint64_t* in, index_t count, std::uint64_t* out) const {
        std::uint64_t total = 0;
        for (index_t j = 0; j < count; ++j) out[j] = total += in[j];
    }
    void scan_max(const std::int32_t* in, index_t count, std::int32_t* out) const {
        std::int32_t highest = std::numeric_limits<std::int32_t>::min();
        for (index_t j = 0; j < count; ++j) out[j] = highest = std::max(highest, in[j]);
    }

    // 8. normals
    template <class Real>
    void fill_normal(noise_stream stream, batch_view<Real, context> out) const {
        diamond::detail::require_stream(stream);
        blocks_of(out.columns(), out.rows() * normal_price, [&](index_t first, index_t last) {
            diamond::detail::fill_normal_columns(stream, out.data(), out.rows(), first, last, [](Real* p, index_t n) {
                static_assert(diamond::detail::normal_lane_group % Eigen::internal::packet_traits<Real>::size == 0); // all by packets
                Eigen::Map<Eigen::Array<Real, Eigen::Dynamic, 1>, Eigen::Aligned64> roots(p, n);
                roots = roots.sqrt();
            });
        });
    }

    // 9. search
    template <class F>
    [[nodiscard]] index_t find_first(index_t count, const F& f) const {
        for (index_t first = 0; first < count; first += block_columns) {
            const index_t last  = std::min(first + block_columns, count);
            bool          found = false;
            for (index_t j = first; j < last; ++j) found |= f(j); // without a way out, which vectorises
            for (index_t j = first; found; ++j)
                if (f(j)) return j;
        }
        return count;
    }

    template <class F>
    void forbid(index_t count, const F& f, const deferred_error& why) const {
        diamond::detail::forbid_now(*this, count, f, why);
    }

    // 10. dense layers
    /// A block's states of width 512 and the weights that meet them fit a core's caches.
    [[nodiscard]] static constexpr index_t dense_block_columns() { return 256; }
    template <class Real>
    void prepare_product(index_t rows, index_t columns, index_t depth) const {
        const session work(state.pool);
        if (!work.nested()) state.products<Real>().prepare(rows, columns, depth); // else each product makes its own room
    }
    template <class Body>
    void lanes(index_t tasks, const Body& body) const {
        state.pool.run(tasks, [&](index_t task, int worker) {
            const auto w = static_cast<std::size_t>(worker);
            detail::dense_lane lane(state.float_products.blocking[w], state.double_products.blocking[w]);
            body(lane, task, index_t{worker});
        });
    }

    // 11. eigenvectors
    template <std::same_as<double> Real>
    void symmetric_eigen(batch_view<Real, context> a, Real* values) const { detail::decompose_symmetric(a.data(), a.rows(), values); }

private:
    using session = diamond::detail::thread_pool::session;

    static constexpr index_t block_columns = 256;      // of a reduction: its bits depend on it
    static constexpr index_t serial_work   = 8192;     // elements below which waking a thread costs more than it saves
    static constexpr index_t exp_price = 4, normal_price = 4;       // elementwise work, in units of a copy

    /// A block's copy of a functor, which no other thread sees, so that its members stay in registers; a reference where copying may cost.
    template <class F>
    using own = std::conditional_t<std::is_trivially_copyable_v<F>, const F, const F&>;

    /// What a functor's call costs, in copies of a number: its `relative_cost`, if it states one.
    template <class F>
    static constexpr index_t relative_cost_of = [] {
        if constexpr (requires { F::relative_cost; })
            return index_t{F::relative_cost};
        else
            return index_t{1};
    }();

    /// body(first, last) for parts of the columns. Any split gives the same bits.
    template <class Body>
    void blocks_of(index_t columns, index_t work_per_column, const Body& body) const {
        if (columns * work_per_column <= serial_work) return block_of(body, 0, columns);
        session work(state.pool);
        share(work, columns, work_per_column, body);
    }
    /// body(first, last) in the one copy of its loop that there is: in two the compiler may fuse other products with other sums, and last bits
    /// then depend on N.
    template <class Body>
    [[gnu::noinline]] static void block_of(const Body& body, index_t first, index_t last) {
        asm("" : "+r"(first), "+r"(last)); // no copy for constants, either
        body(first, last);
    }
    template <class Body>
    void share(session& work, index_t columns, index_t work_per_column, const Body& body) const {
        // Few long columns are worth a thread each; many short ones travel in blocks, of which each thread gets several.
        constexpr index_t shares = 8;
        const index_t     block = std::clamp<index_t>(columns / (shares * state.pool.threads()), 1, std::max<index_t>(serial_work / work_per_column, 1));
        work.run((columns + block - 1) / block, [&](index_t b) { block_of(body, b * block, std::min((b + 1) * block, columns)); });
    }
    /// op over f(0) ... f(count - 1), and `start`, which changes nothing: in blocks, and in lanes inside a block, so that it vectorises.
    template <class F, class Op>
    double reduce(index_t count, double start, const F& f, const Op& op) const {
        const index_t blocks = (count + block_columns - 1) / block_columns;
        double        result = start;
        const auto    alone  = [&] { // in no memory of the context, where an outer reduction may be at work
            for (index_t b = 0; b < blocks; ++b) result = op(result, reduce_block(b, count, start, f, op));
            return result;
        };
        if (count <= serial_work) return alone();
        session work(state.pool);
        if (work.nested()) return alone();
        state.partial_sums.resize(static_cast<std::size_t>(blocks));
        double* const partial = state.partial_sums.data();
        share(work, blocks, block_columns, [&](index_t first, index_t last) {
            for (index_t b = first; b < last; ++b) partial[b] = reduce_block(b, count, start, f, op);
        });
        for (index_t b = 0; b < blocks; ++b) result = op(result, partial[b]);
        return result;
    }
    template <class F, class Op> // one copy, too
    [[gnu::noinline]] static double reduce_block(index_t block, index_t count, double start, const F& f, const Op& op) {
        constexpr index_t lanes = 16;
        own<F>            local = f;
        double            lane[lanes];
        std::fill_n(lane, lanes, start);
        const index_t end = std::min((block + 1) * block_columns, count);
        index_t       j   = block * block_columns;
        for (; j + lanes <= end; j += lanes)
            for (index_t l = 0; l < lanes; ++l) lane[l] = op(lane[l], local(j + l));
        for (index_t l = 0; j + l < end; ++l) lane[l] = op(lane[l], local(j + l));
        for (index_t half = lanes / 2; half > 0; half /= 2)
            for (index_t l = 0; l < half; ++l) lane[l] = op(lane[l], lane[l + half]);
        return lane[0];
    }
    /// body(rows), where few rows are a constant: loops over them are then unrolled.
    template <class Body>
    static void with_rows(index_t rows, const Body& body) {
        switch (rows) {
        case 1: return body(std::integral_constant<index_t, 1>{});
        case 2: return body(std::integral_constant<index_t, 2>{});
        case 3: return body(std::integral_constant<index_t, 3>{});
        case 4: return body(std::integral_constant<index_t, 4>{});
        default: return body(rows);
        }
    }
    template <class Real, class Column>
    static Real highest(const Column& column) {
        return column.size() == 0 ? -std::numeric_limits<Real>::infinity()
                                  : Eigen::Map<const Eigen::Array<Real, Eigen::Dynamic, 1>>(column.begin(), column.size()).template maxCoeff<Eigen::PropagateNaN>();
    }
};

template <class Real>
using batch = diamond::owning_batch<Real, context>;

} // namespace diamond::eigen
