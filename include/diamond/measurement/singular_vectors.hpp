/// The singular vectors of an affine measurement: what Gaussian proposals and values take it apart by.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/reward/detail/parameters.hpp>
#include <diamond/reward/detail/symmetric_eigen.hpp>

namespace diamond {

/// Orthonormal vectors b_1 ... b_k of R^n, the columns of B, behind their two products. They are made of any
/// copyable type that has `parts(x, out)`, which writes out = B^T x, n x N to k x N, and `compose(p, out)`,
/// which writes out = B p, k x N to n x N, out apart from what is read. Copies have working space of their
/// own.
template <class Batch>
class orthonormal_basis {
public:
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// Holds the vectors that `of` knows.
    template <class Vectors>
        requires requires(Vectors& v, const_view in, view out) {
            v.parts(in, out);
            v.compose(in, out);
        }
    explicit orthonormal_basis(Vectors of) : held_(std::make_unique<model<Vectors>>(std::move(of))) {}
    /// Copies the vectors, which may share their numbers; working space is its own.
    orthonormal_basis(const orthonormal_basis& other) : held_(other.held_->clone()) {}
    /// Takes over the vectors of the other, which is then only to be destroyed or assigned.
    orthonormal_basis(orthonormal_basis&&) noexcept = default;
    /// Holds a copy of the vectors of the other.
    orthonormal_basis& operator=(orthonormal_basis other) noexcept {
        held_.swap(other.held_);
        return *this;
    }
    ~orthonormal_basis() = default;

    /// Writes out = B^T x, n x N to k x N.
    void parts(const_view x, view out) { held_->parts(x, out); }
    /// Writes out = B p, k x N to n x N.
    void compose(const_view p, view out) { held_->compose(p, out); }

private:
    struct interface {
        interface() = default;
        interface(const interface&) = default;
        interface& operator=(const interface&) = delete;
        virtual ~interface() = default;
        virtual void parts(const_view, view) = 0;
        virtual void compose(const_view, view) = 0;
        [[nodiscard]] virtual std::unique_ptr<interface> clone() const = 0;
    };
    template <class Vectors>
    struct model final : interface {
        explicit model(Vectors of) : vectors(std::move(of)) {}
        void parts(const_view x, view out) override { vectors.parts(x, out); }
        void compose(const_view p, view out) override { vectors.compose(p, out); }
        [[nodiscard]] std::unique_ptr<interface> clone() const override {
            return std::make_unique<model>(*this);
        }
        Vectors vectors;
    };
    std::unique_ptr<interface> held_;
};

namespace detail {
/// The columns of a matrix, n x k.
template <class Batch>
struct dense_vectors {
    std::shared_ptr<const Batch> columns;
    void parts(const_view_t<Batch> x, view_t<Batch> out) const {
        x.context().product(transpose::yes, columns->read_on(x.context()), x, out);
    }
    void compose(const_view_t<Batch> p, view_t<Batch> out) const {
        p.context().product(transpose::no, columns->read_on(p.context()), p, out);
    }
};
/// The unit vectors.
template <class Batch>
struct unit_vectors {
    void parts(const_view_t<Batch> x, view_t<Batch> out) const { assign(out, x); }
    void compose(const_view_t<Batch> p, view_t<Batch> out) const { assign(out, p); }
};
/// The rows of a linear measurement whose rows are orthogonal and all of length 1/scale.
template <class Measurement>
struct orthogonal_rows {
    using batch = typename Measurement::batch_type;
    Measurement of;
    double scale;
    void parts(const_view_t<batch> x, view_t<batch> out) {
        of(x, out);
        if (scale != 1.0) assign(out, scale * out);
    }
    void compose(const_view_t<batch> p, view_t<batch> out) {
        of.vjp(p, p, out);
        if (scale != 1.0) assign(out, scale * out);
    }
};
} // namespace detail

/// An affine measurement A(z) = U diag(s) V^T z + A(0) of z in R^d, m outputs, by k <= m orthonormal vectors
/// on each side: U is m x k, V is d x k. Values of 0 are allowed where U has m columns.
template <class Batch>
class singular_vectors {
public:
    using batch_type = Batch;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using numbers = rebind_t<Batch, double>; ///< a batch of doubles beside those of Batch

    /// @param left is U, @param right is V, @param values is s, k numbers. @param squared_lengths is |v_i|^2
    /// of the columns of V as they are rounded, k numbers; 1 each where it is empty. @throws
    /// std::invalid_argument where no value is above 0, or one is negative, NaN or infinite.
    singular_vectors(const context_type& context, orthonormal_basis<Batch> left,
                     orthonormal_basis<Batch> right, std::vector<double> values,
                     std::vector<double> squared_lengths = {})
        : left_(std::move(left)),
          right_(std::move(right)),
          values_(std::move(values)),
          squared_lengths_(squared_lengths.empty() ? std::vector<double>(values_.size(), 1.0)
                                                   : std::move(squared_lengths)) {
        bool any = false;
        for (const double s : values_) any = any || s > 0.0;
        require(any, "a measurement by its singular vectors must not be constant");
        detail::require_each("singular_vectors: values", values_, "finite and not negative",
                             [](double s) { return s >= 0.0 && s < infinity; });
        on_context_ = detail::share(context, rank(), 1, values_);
    }

    [[nodiscard]] index_t rank() const { return detail::count_of(values_); } ///< k
    /// Returns s, k numbers.
    [[nodiscard]] const std::vector<double>& values() const { return values_; }
    /// Returns s, k x 1, for work on a context. @throws std::invalid_argument as read_on does.
    [[nodiscard]] const_view_t<numbers> values_on(const context_type& context) const {
        return on_context_->read_on(context);
    }
    /// Returns |v_i|^2 of the columns of V as they are rounded, k numbers.
    [[nodiscard]] const std::vector<double>& squared_lengths() const { return squared_lengths_; }
    [[nodiscard]] orthonormal_basis<Batch>& left() { return left_; }   ///< U
    [[nodiscard]] orthonormal_basis<Batch>& right() { return right_; } ///< V

private:
    orthonormal_basis<Batch> left_, right_;
    std::vector<double> values_, squared_lengths_;
    std::shared_ptr<const numbers> on_context_;
};

/// A measurement that knows its singular vectors: a.singular_vectors(context) returns them.
template <class A>
concept measurement_with_singular_vectors = measurement<A> &&
                                            requires(const A& a,
                                                     const backend_of_t<typename A::batch_type>& context) {
                                                {
                                                    a.singular_vectors(context)
                                                } -> std::same_as<singular_vectors<typename A::batch_type>>;
                                            };

/// Finds the singular vectors of a measurement from its values at 0 and the unit vectors: those whose value
/// is not 0 to rounding. Cost: d + 2 evaluations of the measurement, m^2 d operations and d (d + 2) numbers
/// on the host, and the eigenvectors of an m x m matrix. @throws std::invalid_argument for a measurement that
/// is not affine, as far as these points tell.
template <class Measurement, class Context>
[[nodiscard]] singular_vectors<typename Measurement::batch_type> find_singular_vectors(
    const Context& context, Measurement measurement) {
    using batch_type = typename Measurement::batch_type;
    static_assert(diagnose_measurement<Measurement>());
    using real = typename batch_type::value_type;
    const auto d = static_cast<index_t>(measurement.dimension()),
               m = static_cast<index_t>(measurement.outputs());
    const auto size = [](index_t rows, index_t columns) { return static_cast<std::size_t>(rows * columns); };
    // The columns are the unit vectors, 0, and -2 times the sum of unit vectors.
    std::vector<real> points(size(d, d + 2));
    for (index_t i = 0; i < d; ++i) {
        points[static_cast<std::size_t>(i + d * i)] = real{1};
        points[static_cast<std::size_t>(i + d * (d + 1))] = real{-2};
    }
    const auto z = from_host<real>(context, d, d + 2, points);
    batch_type seen(context, m, d + 2);
    measurement(z.read(), seen.mutable_view());
    const auto numbers = to_host(seen);
    const auto measured = [&](index_t k, index_t j) {
        return static_cast<double>(numbers[static_cast<std::size_t>(k + m * j)]);
    };
    std::vector<double> w(size(m, d)), gram(size(m, m));
    double scale = 0.0, miss = 0.0;
    for (index_t k = 0; k < m; ++k) {
        double total = 0.0, size_of_row = 0.0;
        for (index_t i = 0; i < d; ++i) {
            const double entry = measured(k, i) - measured(k, d);
            w[static_cast<std::size_t>(k + m * i)] = entry;
            total += entry;
            size_of_row += std::abs(entry);
        }
        scale = std::max(scale, 2.0 * size_of_row + std::abs(measured(k, d)));
        miss = std::max(miss, std::abs(measured(k, d + 1) - measured(k, d) + 2.0 * total));
    }
    require(
        std::isfinite(scale) &&
            miss <= 64.0 * static_cast<double>(std::numeric_limits<real>::epsilon()) * scale,
        "a measurement by its singular vectors must be affine, A(z) = W z + b, and finite: take moment_value "
        "for its value, and guide with value_guided_kernel");
    for (index_t i = 0; i < d; ++i)
        for (index_t b = 0; b < m; ++b)
            for (index_t a = 0; a < m; ++a)
                gram[static_cast<std::size_t>(a + m * b)] += w[static_cast<std::size_t>(a + m * i)] *
                                                             w[static_cast<std::size_t>(b + m * i)];
    const detail::symmetric_eigen eigen(context, gram, m);
    const double least = 16.0 * static_cast<double>(m) * std::numeric_limits<double>::epsilon() *
                         eigen.values.back();
    std::vector<real> left, right;
    std::vector<double> values, norms;
    for (index_t k = 0; k < m; ++k) {
        const double square_of_value = eigen.values[static_cast<std::size_t>(k)];
        if (!(square_of_value > least)) continue;
        const double value = std::sqrt(square_of_value);
        values.push_back(value);
        const double* const u = eigen.vectors.data() + m * k;
        for (index_t a = 0; a < m; ++a) left.push_back(static_cast<real>(u[a]));
        double norm = 0.0;
        for (index_t i = 0; i < d; ++i) {
            double sum = 0.0;
            for (index_t a = 0; a < m; ++a) sum += w[static_cast<std::size_t>(a + m * i)] * u[a];
            right.push_back(static_cast<real>(sum / value));
            norm += square(static_cast<double>(right.back()));
        }
        norms.push_back(norm);
    }
    const auto k = detail::count_of(values);
    return {
        context,
        orthonormal_basis<batch_type>{detail::dense_vectors<batch_type>{detail::share(context, m, k, left)}},
        orthonormal_basis<batch_type>{detail::dense_vectors<batch_type>{detail::share(context, d, k, right)}},
        values, norms};
}

namespace detail {
/// Says whether A(p) - A(0) is U diag(s) V^T p, to rounding, at one point p. Cost: 2 evaluations.
template <class Measurement, class Context>
[[nodiscard]] bool are_vectors_of(const Context& context, Measurement measurement,
                                  singular_vectors<typename Measurement::batch_type> known) {
    using batch_type = typename Measurement::batch_type;
    using real = typename batch_type::value_type;
    const auto d = static_cast<index_t>(measurement.dimension()),
               m = static_cast<index_t>(measurement.outputs());
    std::vector<real> points(static_cast<std::size_t>(2 * d));
    double length = 0.0;
    for (index_t i = 0; i < d; ++i) {
        const double entry = std::sin(1.0 + 0.7 * static_cast<double>(i)); // of all sizes and both signs
        points[static_cast<std::size_t>(d + i)] = static_cast<real>(entry);
        length += square(entry);
    }
    const auto z = from_host<real>(context, d, 2, points);
    batch_type seen(context, m, 2), parts(context, known.rank(), 1), composed(context, m, 1);
    measurement(z.read(), seen.mutable_view());
    known.right().parts(z.read().columns(1, 1), parts.mutable_view());
    assign(parts, each_column(known.values_on(context)) * parts);
    known.left().compose(parts.read(), composed.mutable_view());
    const auto measured = to_host(seen), expected = to_host(composed);
    double scale = *std::max_element(known.values().begin(), known.values().end()) * std::sqrt(length),
           miss = 0.0;
    for (std::size_t k = 0; k < expected.size(); ++k) {
        const double at_zero = static_cast<double>(measured[k]),
                     at_point = static_cast<double>(measured[k + expected.size()]);
        const double off = std::abs(at_point - at_zero - static_cast<double>(expected[k]));
        miss = off <= miss ? miss : off; // and a NaN stays one
        scale = std::max({scale, std::abs(at_zero), std::abs(at_point)});
    }
    return miss <= 256.0 * static_cast<double>(std::numeric_limits<real>::epsilon()) * scale;
}
} // namespace detail

/// Returns the singular vectors that an affine measurement knows, or else finds them. Those that it knows are
/// tried at one point. @throws std::invalid_argument as find_singular_vectors does, and where a measurement's
/// own singular vectors are not those of its values.
template <class Measurement, class Context>
[[nodiscard]] singular_vectors<typename Measurement::batch_type> singular_vectors_of(
    const Context& context, Measurement measurement) {
    if constexpr (measurement_with_singular_vectors<Measurement>) {
        auto known = measurement.singular_vectors(context);
        if (detail::are_vectors_of(context, measurement, known)) return known;
        static_cast<void>(find_singular_vectors(context, std::move(measurement))); // is it affine at all?
        require(false, "singular_vectors(context) of a measurement does not return those of its values, "
                       "A(z) - A(0) = U diag(s) V^T z");
        return known;
    } else {
        return find_singular_vectors(context, std::move(measurement));
    }
}

} // namespace diamond
