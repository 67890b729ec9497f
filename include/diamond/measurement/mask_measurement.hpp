/// The measurement of some coordinates: the known part of an image that is to be completed.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/measurement/singular_vectors.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

namespace detail {
/// Writes out(k, j) = in(rows[k], j), or 0 where rows[k] is negative.
template <class View, class ConstView, class Indices>
struct select_rows {
    Indices rows;
    ConstView in;
    View out;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        out(k, j) = rows[k] < 0 ? typename View::value_type{0} : in(rows[k], j);
    }
};
} // namespace detail

/// The measurement A(z)_k = z_{i_k} of m distinct coordinates i_1 ... i_m of z in R^d. Copies share the list.
template <class Batch>
class mask_measurement {
public:
    using batch_type = Batch;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// @param dimension is d. @param coordinates is i_1 ... i_m, counted from 0.
    /// @throws std::invalid_argument unless 1 <= m and the coordinates lie in [0, dimension) and are
    /// distinct.
    mask_measurement(const context_type& context, index_t dimension, std::vector<index_t> coordinates) {
        require(!coordinates.empty(), "mask_measurement: no coordinate is observed");
        std::vector<std::int32_t> row, place(static_cast<std::size_t>(dimension < 0 ? 0 : dimension), -1);
        for (const index_t i : coordinates) {
            require(i >= 0 && i < dimension, [&] {
                return "mask_measurement: coordinate " + digits_of(i) + " of a sample of " +
                       digits_of(dimension);
            });
            auto& taken = place[static_cast<std::size_t>(i)];
            require(taken < 0,
                    [&] { return "mask_measurement: coordinate " + digits_of(i) + " is listed twice"; });
            taken = static_cast<std::int32_t>(row.size());
            row.push_back(static_cast<std::int32_t>(i));
        }
        row_ = detail::share(context, detail::count_of(row), 1, row);
        place_ = detail::share(context, dimension, 1, place);
        coordinates_ = std::make_shared<const std::vector<index_t>>(std::move(coordinates));
    }

    [[nodiscard]] index_t dimension() const { return place_->rows(); } ///< d
    [[nodiscard]] index_t outputs() const { return row_->rows(); }     ///< m
    /// Returns i_1 ... i_m.
    [[nodiscard]] const std::vector<index_t>& coordinates() const { return *coordinates_; }

    /// Writes out(k, j) = z(i_k, j), d x n to m x n. @throws std::invalid_argument for other shapes.
    void operator()(const_view z, view out) const { select(*row_, dimension(), z, out); }
    /// Writes out(i, j) = cotangent(k, j) where i = i_k, else 0, m x n to d x n. @throws
    /// std::invalid_argument for other shapes.
    void vjp(const_view, const_view cotangent, view out) const { select(*place_, outputs(), cotangent, out); }

    /// The singular vectors: unit vectors on both sides, of value 1.
    [[nodiscard]] diamond::singular_vectors<Batch> singular_vectors(const context_type& context) const {
        return {
            context, orthonormal_basis<Batch>{detail::unit_vectors<Batch>{}},
            orthonormal_basis<Batch>{detail::orthogonal_rows<mask_measurement>{.of = *this, .scale = 1.0}},
            std::vector<double>(coordinates_->size(), 1.0)};
    }

private:
    using index_batch = rebind_t<Batch, std::int32_t>;

    static void select(const index_batch& rows, index_t in_rows, const_view in, view out) {
        detail::require_map("mask_measurement", in_rows, rows.rows(), in, out);
        using selection = detail::select_rows<view, const_view, const_view_t<index_batch>>;
        out.context().for_each(out.rows(), out.columns(),
                               selection{.rows = rows.read_on(out.context()), .in = in, .out = out});
    }

    std::shared_ptr<const index_batch> row_;   ///< i_k for each k
    std::shared_ptr<const index_batch> place_; ///< k for i = i_k, or -1
    std::shared_ptr<const std::vector<index_t>> coordinates_;
};

} // namespace diamond
