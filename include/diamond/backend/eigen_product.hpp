/// This header computes products with Eigen in blocks of columns, and keeps the packing buffers.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <diamond/backend/detail/host_memory.hpp>
#include <diamond/concepts/backend.hpp>

namespace diamond::eigen::detail {

/// These are the extents of the blocks in which Eigen computes a product, and so of its packing buffers.
struct product_blocks {
    index_t rows, columns, depth;
};
/// Returns the extent of the blocks over the depth. Sums over the depth are taken in blocks, so that their
/// bits depend on it. Eigen derives it from the first-level cache of the machine. This is its formula for a
/// cache of 32 kB, the smallest of today's processors, so that different machines agree.
template <class Real>
index_t depth_block(index_t depth) {
    using kernel = Eigen::internal::gebp_traits<Real, Real>;
#if defined(EIGEN_VECTORIZE_AVX512)
    constexpr index_t cache = 4 * 32 * 1024; // Eigen's factor for long vectors
#else
    constexpr index_t cache = 32 * 1024;
#endif
    constexpr index_t unrolled = 8,
                      numbers = (cache / index_t{sizeof(Real)} - kernel::mr * kernel::nr) /
                                (kernel::mr + kernel::nr),
                      most = numbers / unrolled * unrolled;
    if (depth <= most) return depth;
    return depth % most == 0
             ? most
             : most - unrolled * ((most - 1 - depth % most) / (unrolled * (depth / most + 1)));
}
/// Returns the blocks of a product of these extents.
template <class Real>
product_blocks choose_blocks(index_t rows, index_t columns, index_t depth) {
    product_blocks result{rows, columns, depth};
    // An empty product has no blocks, for Eigen would divide by its extents.
    if (rows > 0 && columns > 0 && depth > 0)
        Eigen::internal::computeProductBlockingSizes<Real, Real>(result.depth, result.rows, result.columns,
                                                                 index_t{1});
    result.depth = depth_block<Real>(depth);
    return result;
}

/// This class keeps the buffers into which Eigen packs the operands of a product. Eigen itself takes those
/// above 128 kB from malloc in every product.
template <class Real>
class owned_blocking : public Eigen::internal::level3_blocking<Real, Real> {
public:
    /// Sets the blocks of the next product. It allocates only if a buffer must be larger than ever before.
    void prepare(const product_blocks& blocks) {
        this->m_mc = blocks.rows;
        this->m_nc = blocks.columns;
        this->m_kc = blocks.depth;
        grow(a_, size_a_, blocks.rows * blocks.depth);
        grow(b_, size_b_, blocks.depth * blocks.columns);
        this->m_blockA = a_;
        this->m_blockB = b_;
    }
    owned_blocking() = default;
    owned_blocking(owned_blocking&& other) noexcept
        : a_(std::exchange(other.a_, nullptr)),
          b_(std::exchange(other.b_, nullptr)),
          size_a_(std::exchange(other.size_a_, 0)),
          size_b_(std::exchange(other.size_b_, 0)) {}
    ~owned_blocking() {
        diamond::detail::host_deallocate(a_);
        diamond::detail::host_deallocate(b_);
    }

private:
    static void grow(Real*& p, index_t& size, index_t wanted) {
        if (wanted <= size) return;
        diamond::detail::host_deallocate(std::exchange(p, nullptr));
        size = 0;
        p = diamond::detail::host_allocate<Real>(wanted);
        size = wanted;
    }
    Real *a_ = nullptr, *b_ = nullptr;
    index_t size_a_ = 0, size_b_ = 0;
};

/// Adds op(a) op(b), rows x columns, to `out` in one thread.
template <class Real>
void add_product(transpose op_a, const Real* a, transpose op_b, const Real* b, Real* out, index_t rows,
                 index_t columns, index_t depth, owned_blocking<Real>& blocking) {
    if (rows == 0 || columns == 0 || depth == 0) return;
    blocking.prepare(choose_blocks<Real>(rows, columns, depth));
    using Eigen::ColMajor;
    using Eigen::RowMajor;
    // Eigen's kernel reads a transposed operand as a row-major one.
    const auto run = [&]<int A, int B>() {
        Eigen::internal::general_matrix_matrix_product<index_t, Real, A, false, Real, B, false, ColMajor,
                                                       1>::run(rows, columns, depth, a,
                                                               A == RowMajor ? depth : rows, b,
                                                               B == RowMajor ? columns : depth, out, 1, rows,
                                                               Real{1}, blocking, nullptr);
    };
    require(op_a == transpose::no || op_b == transpose::no,
            "a product of two transposes is not needed, and not compiled");
    if (op_a == transpose::yes)
        run.template operator()<RowMajor, ColMajor>();
    else if (op_b == transpose::yes)
        run.template operator()<ColMajor, RowMajor>();
    else
        run.template operator()<ColMajor, ColMajor>();
}

/// A thread multiplies product_block columns at once. Eigen's kernel computes columns in fours, and the
/// remaining ones in another way.
inline constexpr index_t product_block = 256, product_pad = 4;

/// This class keeps what products need between calls: one packing buffer for each thread, and memory for a
/// padded tail. `run(tasks, body)` must call body(task, worker) for all tasks.
template <class Real>
struct product_space {
    std::vector<owned_blocking<Real>> blocking;
    std::vector<Real> in, out;

    product_space() = default;
    explicit product_space(int threads) : blocking(static_cast<std::size_t>(threads)) {}

    void prepare_workers(int threads) {
        if (blocking.size() < static_cast<std::size_t>(threads))
            blocking.resize(static_cast<std::size_t>(threads));
    }
    /// Makes room for products of these extents, whichever thread computes them.
    void prepare(index_t rows, index_t columns, index_t depth) {
        const auto blocks = choose_blocks<Real>(rows, columns, depth);
        for (auto& each : blocking) each.prepare(blocks);
    }

    /// Writes out = op(a) b. The tail is padded, so that the product of a column is computed in the same way,
    /// and has the same bits, for every N.
    template <class Run>
    void write(transpose op, const Real* a, const Real* b, Real* to, index_t rows, index_t columns,
               index_t depth, const Run& run) {
        const index_t tail = columns % product_block,
                      padded = (tail + product_pad - 1) / product_pad * product_pad;
        if (columns >= product_block) prepare(rows, product_block, depth);
        if (tail > 0) prepare(rows, padded, depth);
        if (tail != padded) {
            in.assign(static_cast<std::size_t>(depth * padded), Real{0});
            out.resize(static_cast<std::size_t>(rows * padded));
            std::copy_n(b + depth * (columns - tail), depth * tail, in.data());
        }
        run((columns + product_block - 1) / product_block, [&](index_t block, int worker) {
            auto& own = blocking[static_cast<std::size_t>(worker)];
            const index_t first = block * product_block, count = std::min(product_block, columns - first);
            Real* part = to + rows * first;
            if (count == product_block || tail == padded) {
                std::fill_n(part, rows * count, Real{0});
                add_product(op, a, transpose::no, b + depth * first, part, rows, count, depth, own);
            } else {
                std::fill(out.begin(), out.begin() + rows * padded, Real{0});
                add_product(op, a, transpose::no, in.data(), out.data(), rows, padded, depth, own);
                std::copy_n(out.data(), rows * tail, part);
            }
        });
    }

    /// Adds op(a) op(b) to `out`. A sum over particles, op(b) = b^T, is computed by one thread.
    template <class Run>
    void add(transpose op_a, const Real* a, transpose op_b, const Real* b, Real* to, index_t rows,
             index_t columns, index_t depth, const Run& run) {
        const index_t block = op_b == transpose::yes ? std::max<index_t>(columns, 1) : product_block,
                      tasks = (columns + block - 1) / block;
        prepare(rows, std::min(block, columns), depth);
        if (columns % block > 0) prepare(rows, columns % block, depth);
        run(tasks, [&](index_t task, int worker) {
            const index_t first = task * block, count = std::min(block, columns - first);
            add_product(op_a, a, op_b, b + (op_b == transpose::yes ? 0 : depth * first), to + rows * first,
                        rows, count, depth, blocking[static_cast<std::size_t>(worker)]);
        });
    }
};

} // namespace diamond::eigen::detail
