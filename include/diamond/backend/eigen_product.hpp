/// A product in one thread by Eigen, with packing buffers that are kept.
#pragma once

#include <utility>

#include <Eigen/Core>

#include <diamond/backend/detail/host_memory.hpp>
#include <diamond/concepts/backend.hpp>

namespace diamond::eigen::detail {

/// Extents of the blocks in which Eigen takes a product, its packing buffers among them.
struct product_blocks {
    index_t rows, columns, depth;
};
template <class Real>
product_blocks choose_blocks(index_t rows, index_t columns, index_t depth) {
    product_blocks result{rows, columns, depth};
    // An empty product has no blocks: Eigen would divide by its extents.
    if (rows > 0 && columns > 0 && depth > 0)
        Eigen::internal::computeProductBlockingSizes<Real, Real>(result.depth, result.rows, result.columns, index_t{1});
    return result;
}

/// Eigen packs the operands of a product into buffers that it takes from malloc above 128 kB. These are kept instead.
template <class Real>
class owned_blocking : public Eigen::internal::level3_blocking<Real, Real> {
public:
    /// Allocates only what it never had.
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
        : a_(std::exchange(other.a_, nullptr)), b_(std::exchange(other.b_, nullptr)), size_a_(std::exchange(other.size_a_, 0)),
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
        p    = diamond::detail::host_allocate<Real>(wanted);
        size = wanted;
    }
    Real *  a_ = nullptr, *b_ = nullptr;
    index_t size_a_ = 0, size_b_ = 0;
};

/// out += op(a) op(b), rows x columns, in one thread.
template <class Real>
void add_product(transpose op_a, const Real* a, transpose op_b, const Real* b, Real* out, index_t rows, index_t columns, index_t depth,
                 owned_blocking<Real>& blocking) {
    if (rows == 0 || columns == 0 || depth == 0) return;
    blocking.prepare(choose_blocks<Real>(rows, columns, depth));
    using Eigen::ColMajor;
    using Eigen::RowMajor;
    // A row-major operand is how Eigen's kernel reads a transposed one.
    const auto run = [&]<int A, int B>() {
        Eigen::internal::general_matrix_matrix_product<index_t, Real, A, false, Real, B, false, ColMajor, 1>::run(
            rows, columns, depth, a, A == RowMajor ? depth : rows, b, B == RowMajor ? columns : depth, out, 1, rows, Real{1}, blocking, nullptr);
    };
    require(op_a == transpose::no || op_b == transpose::no, "a product of two transposes is not needed, and not compiled");
    if (op_a == transpose::yes)
        run.template operator()<RowMajor, ColMajor>();
    else if (op_b == transpose::yes)
        run.template operator()<ColMajor, RowMajor>();
    else
        run.template operator()<ColMajor, ColMajor>();
}

} // namespace diamond::eigen::detail
