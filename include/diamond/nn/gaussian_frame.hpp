/// A Gaussian frame is the Gaussian N(mean, U diag(variance) U^T) of the data, to which a network adds its
/// own part. See (eq. frame-posterior), (eq. frame-velocity).
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

/// Holds the numbers of a Gaussian frame on the host, as files keep them.
struct gaussian_frame_numbers {
    std::vector<double> mean;     ///< of the data, d numbers
    std::vector<double> variance; ///< along the columns of the basis, d positive numbers
    /// U, d x d, column-major, with orthonormal columns; empty: the coordinates themselves
    std::vector<double> basis;

    /// Says whether all numbers are equal.
    bool operator==(const gaussian_frame_numbers&) const = default;
};

/// Returns the frame's Gaussian in its own coordinates U^T x, in which training works.
[[nodiscard]] inline gaussian_frame_numbers in_own_coordinates(const gaussian_frame_numbers& frame) {
    gaussian_frame_numbers result{frame.mean, frame.variance, {}};
    const std::size_t d = frame.mean.size();
    if (!frame.basis.empty())
        for (std::size_t k = 0; k < d; ++k) {
            result.mean[k] = 0.0;
            for (std::size_t i = 0; i < d; ++i) result.mean[k] += frame.basis[i + d * k] * frame.mean[i];
        }
    return result;
}

namespace detail {
/// Names a frame by the sum and the first of its numbers of each kind, for the identity of a training.
[[nodiscard]] inline std::string text_of(const gaussian_frame_numbers& frame) {
    std::string result = " in frame";
    for (const auto* numbers : {&frame.mean, &frame.variance, &frame.basis}) {
        double sum = 0.0;
        for (const double number : *numbers) sum += number;
        if (!numbers->empty()) result += " " + digits_of(numbers->front()) + " " + digits_of(sum);
    }
    return result;
}
/// Writes op(U) times the first d rows of column j of x into those of `to`, and copies the rows behind them.
template <class ConstView, class View>
struct rotate_rows {
    static constexpr index_t relative_cost = 64;
    transpose op;
    ConstView basis, x; ///< U, d x d, and at least d rows
    View to;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        using real = typename View::value_type;
        real sum = x(i, j);
        if (i < basis.rows()) {
            sum = real{0};
            for (index_t k = 0; k < basis.rows(); ++k)
                sum += (op == transpose::yes ? basis(k, i) : basis(i, k)) * x(k, j);
        }
        to(i, j) = sum;
    }
};
} // namespace detail

/// Holds a Gaussian frame in a back end's memory, which its copies share. Mean and variance are those of the
/// coordinates U^T x.
template <class Batch>
class gaussian_frame {
public:
    using context_type = backend_of_t<Batch>;
    using real = typename Batch::value_type;
    using numbers_view = batch_view<const double, context_type>;

    /// @throws std::invalid_argument unless mean and variance have d numbers each, all finite and the
    /// variances positive, and the basis has none or d^2, with orthonormal columns; and where the Gaussian is
    /// too small or too large for the particles' number type.
    gaussian_frame(const context_type& context, gaussian_frame_numbers numbers)
        : numbers_(std::move(numbers)) {
        const index_t d = dimension();
        require(d > 0 && numbers_.variance.size() == numbers_.mean.size() &&
                    (numbers_.basis.empty() || static_cast<index_t>(numbers_.basis.size()) == d * d),
                [&] {
                    return "a Gaussian frame of dimension " + digits_of(d) + " has " +
                           digits_of(numbers_.variance.size()) + " variances and a basis of " +
                           digits_of(numbers_.basis.size()) + " numbers: d and d x d (or none) are needed";
                });
        for (const double m : numbers_.mean)
            require(std::isfinite(m), [&] {
                return "a Gaussian frame's mean has " + digits_of(m) + " as a coordinate: it must be finite";
            });
        for (const double v : numbers_.variance)
            require(v >= least_normal && v < infinity, [&] {
                return "a Gaussian frame's variance is " + digits_of(v) + ": it must be positive";
            });
        require_scale();
        std::vector<double> rotated(numbers_.mean);
        if (has_basis())
            for (index_t k = 0; k < d; ++k) {
                rotated[static_cast<std::size_t>(k)] = 0.0;
                for (index_t i = 0; i < d; ++i)
                    rotated[static_cast<std::size_t>(k)] += numbers_
                                                                .basis[static_cast<std::size_t>(i + d * k)] *
                                                            numbers_.mean[static_cast<std::size_t>(i)];
            }
        auto memory = std::make_shared<memory_type>();
        memory->mean = from_host<double>(context, d, 1, rotated);
        memory->variance = from_host<double>(context, d, 1, numbers_.variance);
        if (has_basis()) {
            memory->basis = from_host<real>(context, d, d,
                                            std::vector<real>(numbers_.basis.begin(), numbers_.basis.end()));
            require_orthonormal(context, memory->basis);
        }
        memory_ = std::move(memory);
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(numbers_.mean.size()); }
    /// Returns mean, variances and basis on the host, in double.
    [[nodiscard]] const gaussian_frame_numbers& numbers() const { return numbers_; }
    /// Says whether the frame turns coordinates, by a basis U.
    [[nodiscard]] bool has_basis() const { return !numbers_.basis.empty(); }
    /// Returns the variances, d x 1, on the context that the frame was made on.
    [[nodiscard]] numbers_view variance() const { return memory_->variance.read(); }
    /// Returns the means, d x 1, for work on `context`. @throws std::invalid_argument where they are in a
    /// device's memory and were made on another context.
    [[nodiscard]] numbers_view mean_on(const context_type& context) const {
        return memory_->mean.read_on(context);
    }
    /// Returns the variances, d x 1, for work on `context`. @throws std::invalid_argument as mean_on does.
    [[nodiscard]] numbers_view variance_on(const context_type& context) const {
        return memory_->variance.read_on(context);
    }

    /// Returns U^T x, which is written to `buffer` where there is a basis and is x itself where there is
    /// none. The rows of x behind the first d are copied.
    [[nodiscard]] const_view_t<Batch> into(const_view_t<Batch> x, Batch& buffer) const {
        if (!has_basis()) return x;
        // These run on the caller's context, since copies of a network may serve several.
        buffer.resize(x.context(), x.rows(), x.columns());
        rotate(transpose::yes, x, buffer.mutable_view());
        return buffer.read();
    }
    /// Writes U^T x into out, and the rows of x behind the first d as they are; out must not overlap x.
    void into(const_view_t<Batch> x, view_t<Batch> out) const { rotate(transpose::yes, x, out); }
    /// Writes U y into out, and the rows of y behind the first d as they are; out must not overlap y.
    void out_of(const_view_t<Batch> y, view_t<Batch> out) const { rotate(transpose::no, y, out); }

private:
    void rotate(transpose op, const_view_t<Batch> x, view_t<Batch> out) const {
        using rotate_rows = detail::rotate_rows<const_view_t<Batch>, view_t<Batch>>;
        const auto& context = out.context();
        const auto basis = memory_->basis.read_on(context);
        if (x.rows() == dimension())
            context.product(op, basis, x, out);
        else
            context.for_each(x.rows(), x.columns(), rotate_rows{.op = op, .basis = basis, .x = x, .to = out});
    }
    /// @throws std::invalid_argument with two columns and their product unless the basis is orthonormal.
    static void require_orthonormal(const context_type& context, const Batch& basis) {
        constexpr double rounding = 1e-4; // a basis in single precision passes
        Batch gram(context, basis.rows(), basis.rows());
        context.product(transpose::yes, basis.read(), basis.read(), gram.mutable_view());
        const auto products = to_host(gram);
        for (index_t k = 0; k < basis.rows(); ++k)
            for (index_t l = 0; l <= k; ++l) {
                const auto product = static_cast<double>(
                    products[static_cast<std::size_t>(l + basis.rows() * k)]);
                require(std::abs(product - (k == l ? 1.0 : 0.0)) <= rounding, [&] {
                    return "a Gaussian frame's basis must be orthonormal: columns " + digits_of(l) + " and " +
                           digits_of(k) + " have the product " + digits_of(product);
                });
            }
    }
    /// A sample is noise of deviation 1 with a velocity added, in the particles' number type, whose rounding
    /// would leave nothing of a smaller Gaussian. @throws std::invalid_argument with the numbers where the
    /// Gaussian is too small or too large.
    void require_scale() const {
        using limits = std::numeric_limits<real>;
        double sum = 0.0, largest = 0.0;
        for (std::size_t i = 0; i < numbers_.mean.size(); ++i) {
            sum += numbers_.variance[i];
            largest = std::max({largest, std::sqrt(numbers_.variance[i]), std::abs(numbers_.mean[i])});
        }
        // Up to here one digit is left, and sums do not overflow.
        constexpr double least = 16.0 * static_cast<double>(limits::epsilon()),
                         most = static_cast<double>(limits::max()) / 16.0;
        const double deviation = std::sqrt(sum / static_cast<double>(numbers_.mean.size()));
        require(deviation >= least && largest <= most, [&] {
            return "a Gaussian frame of deviation " + digits_of(deviation) + " and largest number " +
                   digits_of(largest) + ": particles of " + digits_of(sizeof(real)) + " bytes hold " +
                   digits_of(least) + " to " + digits_of(most) + " beside noise of 1; scale the data";
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
