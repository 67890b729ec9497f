/// The Gaussian that a network is the residual of: N(mean, U diag(variance) U^T) of the data. Section 3.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

/// On the host, as files keep it. `mean` is that of the data; `basis`, d x d, column-major, has orthonormal columns, along which the variances
/// are; empty means the coordinates themselves.
struct gaussian_frame_numbers {
    std::vector<double> mean, variance, basis;
};

namespace detail {
/// U^T or U on the first d rows of a column; what stands behind them passes.
template <class Real>
struct rotate_rows {
    static constexpr index_t relative_cost = 64;
    transpose op;
    const Real *basis, *x;
    index_t d, rows;
    Real* out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        Real sum = x[i + rows * j];
        if (i < d) {
            sum = Real{0};
            for (index_t k = 0; k < d; ++k) sum += (op == transpose::yes ? basis[k + d * i] : basis[i + d * k]) * x[k + rows * j];
        }
        out[i + rows * j] = sum;
    }
};
} // namespace detail

/// In a back end's memory, shared by copies. Its mean() and variance() are those of U^T x.
template <class Batch>
class gaussian_frame {
public:
    using context_type = backend_of_t<Batch>;
    using real         = typename Batch::value_type;

    /// @throws std::invalid_argument unless mean and variance have d numbers, all are finite, variances positive, and basis has none or d^2, orthonormal;
    /// and where the Gaussian is too small or too large for the particles' number type.
    gaussian_frame(const context_type& context, gaussian_frame_numbers numbers) : numbers_(std::move(numbers)) {
        const index_t d = dimension();
        require(d > 0 && numbers_.variance.size() == numbers_.mean.size() && (numbers_.basis.empty() || static_cast<index_t>(numbers_.basis.size()) == d * d),
                [&] {
                    return "a Gaussian frame of dimension " + digits_of(d) + " has " + digits_of(numbers_.variance.size()) +
                           " variances and a basis of " + digits_of(numbers_.basis.size()) + " numbers: d and d x d (or none) are needed";
                });
        for (const double m : numbers_.mean) require(std::isfinite(m), [&] { return "a Gaussian frame's mean has " + digits_of(m) + " as a coordinate: it must be finite"; });
        for (const double v : numbers_.variance) require(v >= least_normal && v < infinity, [&] { return "a Gaussian frame's variance is " + digits_of(v) + ": it must be positive"; });
        require_scale();
        std::vector<double> rotated(numbers_.mean);
        if (has_basis())
            for (index_t k = 0; k < d; ++k) {
                rotated[static_cast<std::size_t>(k)] = 0.0;
                for (index_t i = 0; i < d; ++i) rotated[static_cast<std::size_t>(k)] += numbers_.basis[static_cast<std::size_t>(i + d * k)] * numbers_.mean[static_cast<std::size_t>(i)];
            }
        auto memory      = std::make_shared<memory_type>();
        memory->mean     = from_host<double>(context, d, 1, rotated);
        memory->variance = from_host<double>(context, d, 1, numbers_.variance);
        if (has_basis()) {
            memory->basis = from_host<real>(context, d, d, std::vector<real>(numbers_.basis.begin(), numbers_.basis.end()));
            require_orthonormal(context, memory->basis);
        }
        memory_ = std::move(memory);
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(numbers_.mean.size()); }
    [[nodiscard]] const gaussian_frame_numbers& numbers() const { return numbers_; }
    [[nodiscard]] bool has_basis() const { return !numbers_.basis.empty(); }
    [[nodiscard]] const double* mean() const { return memory_->mean.data(); }
    [[nodiscard]] const double* variance() const { return memory_->variance.data(); }

    /// U^T x: `buffer` where there is a basis, else x itself. Rows behind the first d pass as they are.
    [[nodiscard]] const_view_t<Batch> into(const_view_t<Batch> x, Batch& buffer) const {
        if (!has_basis()) return x;
        buffer.resize(x.context(), x.rows(), x.columns()); // the caller's context works, for copies of a network may serve several
        rotate(transpose::yes, x, buffer.mutable_view());
        return buffer.read();
    }
    /// out = U y; y may be `buffer` only.
    void out_of(const_view_t<Batch> y, view_t<Batch> out) const { rotate(transpose::no, y, out); }

private:
    void rotate(transpose op, const_view_t<Batch> x, view_t<Batch> out) const {
        const index_t d = dimension();
        const auto& context = out.context();
        const auto  basis   = memory_->basis.read_on(context);
        if (x.rows() == d)
            context.product(op, basis, x, out);
        else
            context.for_each(x.rows(), x.columns(), detail::rotate_rows<real>{op, basis.data(), x.data(), d, x.rows(), out.data()});
    }
    static void require_orthonormal(const context_type& context, const Batch& basis) {
        constexpr double rounding = 1e-4; // a basis in single precision passes
        Batch            gram(context, basis.rows(), basis.rows());
        context.product(transpose::yes, basis.read(), basis.read(), gram.mutable_view());
        const auto products = to_host(gram);
        for (index_t k = 0; k < basis.rows(); ++k)
            for (index_t l = 0; l <= k; ++l) {
                const auto product = static_cast<double>(products[static_cast<std::size_t>(l + basis.rows() * k)]);
                require(std::abs(product - (k == l ? 1.0 : 0.0)) <= rounding, [&] {
                    return "a Gaussian frame's basis must be orthonormal: columns " + digits_of(l) + " and " + digits_of(k) +
                           " have the product " + digits_of(product);
                });
            }
    }
    /// A sample is noise of deviation 1 with a velocity added, in the particles' number type: of a Gaussian below its rounding nothing would be left.
    void require_scale() const {
        using limits = std::numeric_limits<real>;
        double sum = 0.0, largest = 0.0;
        for (std::size_t i = 0; i < numbers_.mean.size(); ++i) {
            sum += numbers_.variance[i];
            largest = std::max({largest, std::sqrt(numbers_.variance[i]), std::abs(numbers_.mean[i])});
        }
        constexpr double least = 16.0 * static_cast<double>(limits::epsilon()), most = static_cast<double>(limits::max()) / 16.0; // a digit, and room for sums
        const double deviation = std::sqrt(sum / static_cast<double>(numbers_.mean.size()));
        require(deviation >= least && largest <= most, [&] {
            return "a Gaussian frame of deviation " + digits_of(deviation) + " and largest number " + digits_of(largest) + ": particles of " + digits_of(sizeof(real)) +
                   " bytes hold " + digits_of(least) + " to " + digits_of(most) + " beside noise of 1; scale the data";
        });
    }
    struct memory_type {
        rebind_t<Batch, double> mean, variance;
        Batch basis;
    };
    gaussian_frame_numbers numbers_;
    std::shared_ptr<const memory_type> memory_;
};

} // namespace diamond
