/// The measurement A(z) = W z of a sparse matrix W: a tomography, a gradient, an average over neighbours.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

/// A number of a sparse matrix and its place, counted from 0.
struct sparse_entry {
    index_t row = 0, column = 0; ///< the place
    double value = 0.0;          ///< the number
};
/// A sparse matrix by its numbers, in any order; all others are 0.
struct sparse_matrix {
    index_t rows = 0, columns = 0;          ///< m x d
    std::vector<sparse_entry> entries = {}; ///< each place at most once
};
/// Returns the numbers of a compressed matrix of another library that has the names of an
/// Eigen::SparseMatrix, of rows or of columns.
template <class Matrix>
    requires requires(const Matrix& w) {
        w.outerIndexPtr()[0];
        w.innerIndexPtr()[0];
        w.valuePtr()[0];
        w.innerNonZeroPtr();
        w.outerSize();
        Matrix::IsRowMajor;
    }
[[nodiscard]] sparse_matrix sparse_matrix_of(const Matrix& w) {
    sparse_matrix result{static_cast<index_t>(w.rows()), static_cast<index_t>(w.cols()), {}};
    for (index_t outer = 0; outer < static_cast<index_t>(w.outerSize()); ++outer) {
        const auto begin = static_cast<index_t>(w.outerIndexPtr()[outer]);
        const auto end = w.innerNonZeroPtr() ? begin + static_cast<index_t>(w.innerNonZeroPtr()[outer])
                                             : static_cast<index_t>(w.outerIndexPtr()[outer + 1]);
        for (index_t k = begin; k < end; ++k) {
            const auto inner = static_cast<index_t>(w.innerIndexPtr()[k]);
            const auto value = static_cast<double>(w.valuePtr()[k]);
            result.entries.push_back(Matrix::IsRowMajor ? sparse_entry{outer, inner, value}
                                                        : sparse_entry{inner, outer, value});
        }
    }
    return result;
}

namespace detail {
/// Writes out(k, j) = sum over the entries of line k of value times in(place, j).
template <class Indices, class Numbers, class ConstView, class View>
struct sparse_product {
    static constexpr index_t relative_cost = 8;
    Indices begin, place; ///< (lines + 1) x 1, entries x 1
    Numbers value;        ///< entries x 1
    ConstView in;
    View out;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        double sum = 0.0;
        for (index_t e = begin[k]; e < begin[k + 1]; ++e)
            sum += static_cast<double>(value[e]) * static_cast<double>(in(place[e], j));
        out(k, j) = static_cast<typename View::value_type>(sum);
    }
};
} // namespace detail

/// The measurement A(z) = W z of z in R^d, with W a sparse m x d matrix. Copies share it. Cost: an operation
/// for each number of W and column.
template <class Batch>
class sparse_measurement {
public:
    using batch_type = Batch;
    using value_type = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// @throws std::invalid_argument unless W has rows, columns and numbers, these are finite and lie in it,
    /// and no place is listed twice.
    sparse_measurement(const context_type& context, sparse_matrix w) : rows_(w.rows), columns_(w.columns) {
        constexpr auto most = std::numeric_limits<std::int32_t>::max();
        require(w.rows > 0 && w.columns > 0 && !w.entries.empty() && w.rows < most && w.columns < most &&
                    w.entries.size() < static_cast<std::size_t>(most),
                [&] {
                    return "sparse_measurement: a matrix of " + digits_of(w.rows) + " x " +
                           digits_of(w.columns) + " with " + digits_of(w.entries.size()) +
                           " numbers: there must be some of each, below 2^31";
                });
        for (const auto& e : w.entries)
            require(e.row >= 0 && e.row < w.rows && e.column >= 0 && e.column < w.columns &&
                        std::isfinite(e.value),
                    [&] {
                        return "sparse_measurement: entry (" + digits_of(e.row) + ", " + digits_of(e.column) +
                               ") = " + digits_of(e.value) + " of a matrix of " + digits_of(w.rows) + " x " +
                               digits_of(w.columns) + ": places count from 0, numbers are finite";
                    });
        by_column_ = lines(context, w.entries, w.columns, &sparse_entry::column, &sparse_entry::row);
        by_row_ = lines(context, w.entries, w.rows, &sparse_entry::row, &sparse_entry::column);
    }

    [[nodiscard]] index_t dimension() const { return columns_; } ///< d
    [[nodiscard]] index_t outputs() const { return rows_; }      ///< m

    /// Writes out = W z, d x n to m x n. @throws std::invalid_argument for other shapes.
    void operator()(const_view z, view out) const { multiply(*by_row_, dimension(), outputs(), z, out); }
    /// Writes out = W^T cotangent, m x n to d x n. @throws std::invalid_argument for other shapes.
    void vjp(const_view, const_view cotangent, view out) const {
        multiply(*by_column_, outputs(), dimension(), cotangent, out);
    }

private:
    using indices = rebind_t<Batch, std::int32_t>;
    using numbers = rebind_t<Batch, double>;
    /// The numbers line by line: row by row, or column by column for the transpose.
    struct compressed {
        indices begin, place;
        numbers value;
    };

    static std::shared_ptr<const compressed> lines(const context_type& context,
                                                   std::vector<sparse_entry>& entries, index_t count,
                                                   index_t sparse_entry::*line,
                                                   index_t sparse_entry::*across) {
        std::sort(entries.begin(), entries.end(), [&](const sparse_entry& a, const sparse_entry& b) {
            return std::pair(a.*line, a.*across) < std::pair(b.*line, b.*across);
        });
        std::vector<std::int32_t> begin(static_cast<std::size_t>(count + 1)), place;
        std::vector<double> value;
        for (std::size_t k = 0; k < entries.size(); ++k) {
            const auto& e = entries[k];
            require(k == 0 || entries[k - 1].row != e.row || entries[k - 1].column != e.column, [&] {
                return "sparse_measurement: entry (" + digits_of(e.row) + ", " + digits_of(e.column) +
                       ") is listed twice: add the two";
            });
            ++begin[static_cast<std::size_t>(e.*line + 1)];
            place.push_back(static_cast<std::int32_t>(e.*across));
            value.push_back(e.value);
        }
        for (std::size_t k = 1; k < begin.size(); ++k) begin[k] += begin[k - 1];
        return std::make_shared<const compressed>(
            compressed{.begin = from_host<std::int32_t>(context, count + 1, 1, begin),
                       .place = from_host<std::int32_t>(context, detail::count_of(place), 1, place),
                       .value = from_host<double>(context, detail::count_of(value), 1, value)});
    }
    static void multiply(const compressed& by, index_t rows_in, index_t rows_out, const_view in, view out) {
        detail::require_map("sparse_measurement", rows_in, rows_out, in, out);
        require_apart("sparse_measurement", in, out);
        const auto& context = out.context();
        context.for_each(
            out.rows(), out.columns(),
            detail::sparse_product<const_view_t<indices>, const_view_t<numbers>, const_view, view>{
                .begin = by.begin.read_on(context),
                .place = by.place.read_on(context),
                .value = by.value.read_on(context),
                .in = in,
                .out = out});
    }

    index_t rows_, columns_;
    std::shared_ptr<const compressed> by_row_, by_column_;
};

} // namespace diamond
