/// This header defines the CPU back end: blocks of columns are spread over a thread pool, and products and
/// transcendental functions are computed by Eigen.
///
/// Every operation partitions columns into fixed blocks that do not depend on the number of threads, and
/// every reduction adds its blocks in order. Results are therefore the same bits on any number of threads. A
/// call in steady state allocates nothing.
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
#include <diamond/backend/eigen_packet.hpp>
#include <diamond/backend/eigen_product.hpp>
#include <diamond/backend/eigen_symmetric.hpp>
#include <diamond/concepts/backend.hpp>
#include <diamond/core/batch.hpp>

namespace diamond::eigen {

namespace detail {

/// Returns exp of numbers <= 0, and 0 below the logarithm of the least normal number. There Eigen's exp is
/// slow and, without AVX-512, gives 2.9e-39 at -inf.
template <class Real, class Packet>
Packet exponentials(const Packet& exponent) {
    using namespace Eigen::internal;
    const Packet least = pset1<Packet>(std::ceil(std::log(std::numeric_limits<Real>::min())));
    // Like std::max, this keeps a NaN on the left.
    return pandnot(pexp(pmax(exponent, least)), pcmp_lt(exponent, least));
}

/// Returns the sum of exp(x[i] - shift) over i < rows. `terms` receives the terms if it is not null, and may
/// be x. Eigen's own loops compute differently before an aligned address and after the last packet, with
/// other last bits. Here all terms are computed in packets, so that the bits do not depend on the address.
template <class Real>
double sum_exponentials(const Real* x, index_t rows, Real shift, Real* terms) {
    using namespace Eigen::internal;
    using packet = typename packet_traits<Real>::type;
    constexpr index_t lanes = packet_traits<Real>::size;
    constexpr index_t flush = 32 * lanes; // terms that are added in Real before their sum is added in double
    const packet shifts = pset1<packet>(shift);
    packet sum;
    const auto add = [&](const Real* from, Real* to) {
        const packet term = exponentials<Real>(psub(ploadu<packet>(from), shifts));
        if (to) pstoreu(to, term);
        sum = padd(sum, term);
    };
    double partial[static_cast<std::size_t>(lanes)] = {};
    Real part[static_cast<std::size_t>(lanes)];
    for (index_t first = 0; first < rows; first += flush) {
        const index_t last = std::min(first + flush, rows);
        index_t i = first;
        sum = pset1<packet>(Real{0});
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

/// Columns of at most this many numbers are too short to be vectorised each on its own.
inline constexpr index_t short_column = 24;

/// Replaces each of `columns` short columns at x by its softmax, and writes their log-sum-exps. The
/// exponentials of many columns are computed together.
template <class Real>
void softmax_short_columns(Real* x, index_t rows, index_t columns, double* log_sums) {
    using namespace Eigen::internal;
    using packet = typename packet_traits<Real>::type;
    constexpr index_t lanes = packet_traits<Real>::size, most_terms = 512;
    constexpr Real lowest = -std::numeric_limits<Real>::infinity();
    alignas(64) Real terms[most_terms];
    for (const index_t together = most_terms / rows; columns > 0;
         x += together * rows, log_sums += together, columns -= together) {
        const index_t count = std::min(together, columns);
        for (index_t c = 0; c < count; ++c) {
            const Real* column = x + c * rows;
            Real high = lowest;
            for (index_t i = 0; i < rows; ++i) high = diamond::detail::larger{}(high, column[i]);
            for (index_t i = 0; i < rows; ++i)
                terms[c * rows + i] = column[i] - (high == lowest ? Real{0} : high);
            log_sums[c] = static_cast<double>(high);
        }
        std::fill(terms + count * rows, terms + most_terms, Real{0});
        for (index_t i = 0; i < count * rows; i += lanes)
            pstore(terms + i, exponentials<Real>(pload<packet>(terms + i)));
        for (index_t c = 0; c < count; ++c) {
            double total = 0.0;
            for (index_t i = 0; i < rows; ++i) total += static_cast<double>(terms[c * rows + i]);
            // Without a term it is 0, and a NaN stays.
            const auto scale = static_cast<Real>(total > 0.0 ? 1.0 / total : total);
            for (index_t i = 0; i < rows; ++i) x[c * rows + i] = terms[c * rows + i] * scale;
            log_sums[c] = diamond::detail::log_of_sum(log_sums[c], total);
        }
    }
}

/// The state keeps what a context uses in every call, so that a call in steady state allocates nothing.
struct context_state {
    diamond::detail::thread_pool pool;
    product_space<float> float_products;
    product_space<double> double_products;
    std::vector<double> partial_sums;

    explicit context_state(int threads)
        : pool(threads), float_products(pool.threads()), double_products(pool.threads()) {
        diamond::detail::require_ieee();
    }

    template <class Real>
    product_space<Real>& products() {
        if constexpr (sizeof(Real) == 4)
            return float_products;
        else
            return double_products;
    }
};

} // namespace detail

/// This context is the CPU with a number of threads, for instance `context{.threads = 2}`. 0 threads mean as
/// many as can work at once: one for each processor on which the process may run, or fewer if its control
/// groups grant less time. One context serves one thread of control, and must outlive the batches made from
/// it. An operation may be called from inside the functor of another one; it then runs in the calling thread.
/// After a fork() the context works in the child process, too, with threads of its own. The operations are
/// described in concepts/backend.hpp.
/// @throws std::invalid_argument for a negative number of threads; std::system_error if the system does not
/// provide them; and, from an operation, std::logic_error while the context works for another thread.
struct context {
    /// This is the number of threads; negative numbers are refused.
    int threads = 0;

    mutable detail::context_state state{threads};

    [[nodiscard]] static constexpr const char* device_name() { return "cpu"; }
    /// Returns the number of threads that work at once, each of which has caches of its own.
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
                diamond::detail::call_column<detail::double_packet>(local, rows, j);
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
    void product(transpose op, batch_view<const Real, context> a, batch_view<const Real, context> b,
                 batch_view<Real, context> out) const {
        const auto [rows, depth] = diamond::detail::require_product(op, a, b, out);
        const auto write = [&, rows = rows, depth = depth](detail::product_space<Real>& space,
                                                           const auto& run) {
            space.write(op, a.data(), b.data(), out.data(), rows, b.columns(), depth, run);
        };
        session work(state.pool);
        if (work.nested()) {
            detail::product_space<Real> space(1); // the context's own is in use
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
        blocks_of(x.columns(), x.rows() * exp_cost, [&](index_t first, index_t last) {
            if (x.rows() > 0 && x.rows() <= detail::short_column)
                return detail::softmax_short_columns(x.column(first).begin(), x.rows(), last - first,
                                                     log_sums + first);
            for (index_t j = first; j < last; ++j) {
                const auto column = x.column(j);
                const Real high = highest<Real>(column);
                const bool dead = high == -std::numeric_limits<Real>::infinity();
                const double total = detail::sum_exponentials(column.begin(), column.size(),
                                                              dead ? Real{0} : high, column.begin());
                const auto scale = static_cast<Real>(dead ? 0.0 : 1.0 / total);
                for (Real& value : column) value *= scale;
                log_sums[j] = diamond::detail::log_of_sum(static_cast<double>(high), total);
            }
        });
    }
    void log_sum_exp(batch_view<const double, context> x, double* out) const {
        blocks_of(x.columns(), x.rows() * exp_cost, [&](index_t first, index_t last) {
            for (index_t j = first; j < last; ++j) {
                const auto column = x.column(j);
                const double high = highest<double>(column);
                out[j] = diamond::detail::log_of_sum(
                    high, detail::sum_exponentials<double>(column.begin(), column.size(), high, nullptr));
            }
        });
    }

    // 6. gather
    template <class Real>
    void gather(batch_view<const Real, context> x, const std::int32_t* ancestors,
                batch_view<Real, context> out) const {
        diamond::detail::require_gather(x, out);
        blocks_of(out.columns(), x.rows(), [&](index_t first, index_t last) {
            with_rows(x.rows(), [&](auto rows) {
                for (index_t j = first; j < last; ++j)
                    std::copy_n(x.data() + rows * ancestors[j], index_t{rows}, out.data() + rows * j);
            });
        });
    }

    // 7. scans, which memory limits, so that one thread computes them
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
        const auto fill = [](const noise_stream& from, batch_view<Real, context> columns, index_t first,
                             index_t last) {
            diamond::detail::fill_normal_columns(
                from, columns.data(), columns.rows(), first, last, [](Real* p, index_t n) {
                    // The group is a multiple of the packet, so that all roots are computed in packets.
                    static_assert(
                        diamond::detail::normal_lane_group % Eigen::internal::packet_traits<Real>::size == 0);
                    Eigen::Map<Eigen::Array<Real, Eigen::Dynamic, 1>, Eigen::Aligned64> roots(p, n);
                    roots = roots.sqrt();
                });
        };
        blocks_of(out.columns(), out.rows() * normal_cost, [&](index_t first, index_t last) {
            if (!stream.seeds) return fill(stream, out, first, last);
            const index_t wide = stream.group_columns();
            for (index_t begin = first, end = first; begin < last; begin = end) {
                const index_t group = begin / wide, origin = group * wide;
                end = std::min(last, origin + wide);
                fill(stream.of_group(group), out.columns(origin, end - origin), begin - origin, end - origin);
            }
        });
    }

    // 9. search
    template <class F>
    [[nodiscard]] index_t find_first(index_t count, const F& f) const {
        for (index_t first = 0; first < count; first += block_columns) {
            const index_t last = std::min(first + block_columns, count);
            bool found = false;
            // Without an early exit, this loop vectorises.
            for (index_t j = first; j < last; ++j) found |= f(j);
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
    /// Returns 256 columns: the states of a block of width 512 and the weights that they meet fit into the
    /// caches of a core.
    [[nodiscard]] static constexpr index_t dense_block_columns() { return 256; }
    template <class Real>
    void prepare_product(index_t rows, index_t columns, index_t depth) const {
        const session work(state.pool);
        // A nested call makes room in each product.
        if (!work.nested()) state.products<Real>().prepare(rows, columns, depth);
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
    void symmetric_eigen(batch_view<Real, context> a, Real* values) const {
        detail::decompose_symmetric(a.data(), a.rows(), values);
    }

private:
    using session = diamond::detail::thread_pool::session;

    // The bits of a reduction depend on this number.
    static constexpr index_t block_columns = 256;
    // For at most this many elements, waking a thread costs more than it saves.
    static constexpr index_t serial_work = 8192;
    // These are the costs of elementwise work, in copies of a number.
    static constexpr index_t exp_cost = 4, normal_cost = 4;

    /// A block keeps its copy of a functor in this type. No other thread sees the copy, so that its members
    /// stay in registers. A functor whose copy may be costly is taken by reference.
    template <class F>
    using own = std::conditional_t<std::is_trivially_copyable_v<F>, const F, const F&>;

    /// One call of a functor costs this many copies of a number. It is the functor's `relative_cost`, if it
    /// states one.
    template <class F>
    static constexpr index_t relative_cost_of = [] {
        if constexpr (requires { F::relative_cost; })
            return index_t{F::relative_cost};
        else
            return index_t{1};
    }();

    /// Calls body(first, last) for parts of the columns. Every partition gives the same bits.
    template <class Body>
    void blocks_of(index_t columns, index_t work_per_column, const Body& body) const {
        if (columns * work_per_column <= serial_work) return block_of(body, 0, columns);
        session work(state.pool);
        share(work, columns, work_per_column, body);
    }
    /// Calls body(first, last) in the only copy of its loop. In a second copy the compiler may fuse other
    /// products with other sums, and last bits would then depend on N.
    template <class Body>
    [[gnu::noinline]] static void block_of(const Body& body, index_t first, index_t last) {
        asm("" : "+r"(first), "+r"(last)); // prevents a copy for constant bounds, too
        body(first, last);
    }
    /// Spreads the columns over the threads of the session.
    template <class Body>
    void share(session& work, index_t columns, index_t work_per_column, const Body& body) const {
        // A few long columns are each worth a thread. Many short ones are put into blocks, of which each
        // thread gets several.
        constexpr index_t shares = 8;
        const index_t block = std::clamp<index_t>(columns / (shares * state.pool.threads()), 1,
                                                  std::max<index_t>(serial_work / work_per_column, 1));
        work.run((columns + block - 1) / block,
                 [&](index_t b) { block_of(body, b * block, std::min((b + 1) * block, columns)); });
    }
    /// Returns op over f(0) ... f(count - 1) and `start`, which is the neutral element of op. The order is by
    /// blocks, and by lanes inside a block, so that it vectorises.
    template <class F, class Op>
    double reduce(index_t count, double start, const F& f, const Op& op) const {
        const index_t blocks = (count + block_columns - 1) / block_columns;
        double result = start;
        // Nothing here uses the memory of the context, where an outer reduction may be at work.
        const auto alone = [&] {
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
    // This function, too, has only one copy.
    template <class F, class Op>
    [[gnu::noinline]] static double reduce_block(index_t block, index_t count, double start, const F& f,
                                                 const Op& op) {
        constexpr index_t lanes = 16;
        own<F> local = f;
        double lane[lanes];
        std::fill_n(lane, lanes, start);
        const index_t end = std::min((block + 1) * block_columns, count);
        index_t j = block * block_columns;
        for (; j + lanes <= end; j += lanes)
            for (index_t l = 0; l < lanes; ++l) lane[l] = op(lane[l], local(j + l));
        for (index_t l = 0; j + l < end; ++l) lane[l] = op(lane[l], local(j + l));
        for (index_t half = lanes / 2; half > 0; half /= 2)
            for (index_t l = 0; l < half; ++l) lane[l] = op(lane[l], lane[l + half]);
        return lane[0];
    }
    /// Calls body(rows) with a constant if there are few rows, so that loops over them are unrolled.
    template <class Body>
    static void with_rows(index_t rows, const Body& body) {
        switch (rows) {
        case 1:
            return body(std::integral_constant<index_t, 1>{});
        case 2:
            return body(std::integral_constant<index_t, 2>{});
        case 3:
            return body(std::integral_constant<index_t, 3>{});
        case 4:
            return body(std::integral_constant<index_t, 4>{});
        default:
            return body(rows);
        }
    }
    /// Returns the largest number of a column, NaN if one is NaN, and -inf if the column is empty.
    template <class Real, class Column>
    static Real highest(const Column& column) {
        return column.size() == 0
                 ? -std::numeric_limits<Real>::infinity()
                 : Eigen::Map<const Eigen::Array<Real, Eigen::Dynamic, 1>>(column.begin(), column.size())
                       .template maxCoeff<Eigen::PropagateNaN>();
    }
};

/// A batch of this back end is d x N numbers in host memory.
template <class Real>
using batch = diamond::owning_batch<Real, context>;

} // namespace diamond::eigen
