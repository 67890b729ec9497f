/// The singular vectors of an affine measurement: what Gaussian proposals and values take it apart by.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/digits_of.hpp>
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
/// Returns a . b.
[[nodiscard]] inline double inner_product(const std::vector<double>& a, const std::vector<double>& b) {
    return std::transform_reduce(a.begin(), a.end(), b.begin(), 0.0);
}
/// The cosine up to which vectors count as orthogonal: far below what a density or a float tells apart, and
/// above the rounding of most Gram matrices.
inline constexpr double orthogonal_to = 0x1p-34;
/// Rotates each pair of the images W^T u that is not orthogonal, and the u with it: Jacobi's one-sided
/// method, for images that nearly are.
inline void make_orthogonal(std::vector<std::vector<double>>& images, std::vector<std::vector<double>>& u) {
    constexpr int sweeps = 30; // it converges quadratically, in two or three
    std::vector<double> squares;
    for (const auto& image : images) squares.push_back(inner_product(image, image));
    bool any = true;
    for (int sweep = 0; any && sweep < sweeps; ++sweep) {
        any = false;
        for (std::size_t q = 1; q < images.size(); ++q)
            for (std::size_t p = 0; p < q; ++p) {
                const double xy = inner_product(images[p], images[q]);
                if (!(std::abs(xy) > orthogonal_to * std::sqrt(squares[p]) * std::sqrt(squares[q]))) continue;
                any = true;
                const double theta = 0.5 * (squares[q] - squares[p]) / xy;
                const double tangent = (theta >= 0.0 ? 1.0 : -1.0) /
                                       (std::abs(theta) + std::hypot(theta, 1.0));
                const double cosine = 1.0 / std::hypot(tangent, 1.0), sine = tangent * cosine;
                for (auto* of : {&images, &u})
                    for (std::size_t i = 0; i < (*of)[p].size(); ++i) {
                        const double x = (*of)[p][i], y = (*of)[q][i];
                        (*of)[p][i] = cosine * x - sine * y;
                        (*of)[q][i] = sine * x + cosine * y;
                    }
                for (const std::size_t k : {p, q}) squares[k] = inner_product(images[k], images[k]);
            }
    }
}
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
    /// std::invalid_argument where no value is above 0, or one is negative, NaN or infinite, and where there
    /// are lengths, but not k of them.
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
        require(squared_lengths_.size() == values_.size(), [&] {
            return "singular_vectors: " + digits_of(squared_lengths_.size()) + " squared lengths for " +
                   digits_of(values_.size()) + " values: give one for each, or none";
        });
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
/// on the host, and the eigenvectors of an m x m matrix. The eigenvalues are the squares of the values, so
/// that a value below some 1e-7 of the largest is 0 to rounding; the others' vectors are then made
/// orthogonal. @throws std::invalid_argument for a measurement of which an output is not affine, as far as
/// these points tell, and where an output is so small beside the others that more than a hundredth of its row
/// of W would be taken for 0.
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
    bool affine = true;
    for (index_t k = 0; k < m; ++k) {
        double total = 0.0, size_of_row = 0.0;
        for (index_t i = 0; i < d; ++i) {
            const double entry = measured(k, i) - measured(k, d);
            w[static_cast<std::size_t>(k + m * i)] = entry;
            total += entry;
            size_of_row += std::abs(entry);
        }
        // Outputs may be of different units: each is judged by its own size.
        const double scale = 2.0 * size_of_row + std::abs(measured(k, d)),
                     miss = std::abs(measured(k, d + 1) - measured(k, d) + 2.0 * total);
        affine = affine && std::isfinite(scale) &&
                 miss <= 64.0 * static_cast<double>(std::numeric_limits<real>::epsilon()) * scale;
    }
    require(
        affine,
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
    std::vector<std::vector<double>> u, along; // vectors of R^m, and W^T u for each
    std::vector<double> squares_of_values;
    std::vector<double> lost(static_cast<std::size_t>(m)); // of each row of W, at most
    for (index_t k = 0; k < m; ++k) {
        const double* const vector = eigen.vectors.data() + m * k;
        std::vector<double> image(static_cast<std::size_t>(d));
        for (index_t i = 0; i < d; ++i) {
            double& sum = image[static_cast<std::size_t>(i)];
            for (index_t a = 0; a < m; ++a) sum += w[static_cast<std::size_t>(a + m * i)] * vector[a];
        }
        const double square_of_value = eigen.values[static_cast<std::size_t>(k)];
        if (square_of_value > least) {
            u.emplace_back(vector, vector + m);
            along.push_back(std::move(image));
            squares_of_values.push_back(square_of_value);
        } else {
            const double length = std::sqrt(detail::inner_product(image, image));
            for (index_t a = 0; a < m; ++a) lost[static_cast<std::size_t>(a)] += std::abs(vector[a]) * length;
        }
    }
    detail::make_orthogonal(along, u);
    std::vector<real> left, right;
    std::vector<double> values, norms;
    for (std::size_t k = 0; k < u.size(); ++k) {
        const double found = detail::inner_product(along[k], along[k]);
        const bool agree = std::abs(found - squares_of_values[k]) <= detail::orthogonal_to * found;
        const double value = std::sqrt(agree ? squares_of_values[k] : found);
        values.push_back(value);
        for (const double entry : u[k]) left.push_back(static_cast<real>(entry));
        double norm = 0.0;
        for (const double entry : along[k]) {
            right.push_back(static_cast<real>(entry / value));
            norm += square(static_cast<double>(right.back()));
        }
        norms.push_back(norm);
    }
    constexpr double share = 0.01; // far above what the vectors of a matrix without full rank lose
    for (index_t a = 0; a < m; ++a) {
        const double length = std::sqrt(gram[static_cast<std::size_t>(a + m * a)]);
        require(length == 0.0 || lost[static_cast<std::size_t>(a)] <= share * length, [&] {
            return "output " + digits_of(a) + " of a measurement is " +
                   digits_of(length / std::sqrt(eigen.values.back())) +
                   " of its largest singular value, and would be lost where singular vectors are found: give "
                   "them by singular_vectors(context), or scale the deviations of outputs nearer to each "
                   "other";
        });
    }
    const auto k = detail::count_of(values);
    return {
        context,
        orthonormal_basis<batch_type>{detail::dense_vectors<batch_type>{detail::share(context, m, k, left)}},
        orthonormal_basis<batch_type>{detail::dense_vectors<batch_type>{detail::share(context, d, k, right)}},
        values, norms};
}

namespace detail {
/// Returns n numbers of all sizes and both signs.
template <class Real>
[[nodiscard]] std::vector<Real> trial_numbers(index_t n) {
    std::vector<Real> numbers(static_cast<std::size_t>(n));
    for (index_t i = 0; i < n; ++i)
        numbers[static_cast<std::size_t>(i)] = static_cast<Real>(
            std::sin(1.0 + 0.7 * static_cast<double>(i)));
    return numbers;
}
/// Says whether B^T B q is q, to half the digits of a double or rounding, at one point q of R^k, for the k
/// columns of B of n numbers.
template <class Batch, class Context>
[[nodiscard]] bool is_orthonormal(const Context& context, orthonormal_basis<Batch>& basis, index_t n,
                                  index_t k) {
    using real = typename Batch::value_type;
    const auto numbers = trial_numbers<real>(k);
    const auto q = from_host<real>(context, k, 1, numbers);
    Batch composed(context, n, 1), parts(context, k, 1);
    basis.compose(q.read(), composed.mutable_view());
    basis.parts(composed.read(), parts.mutable_view());
    const auto found = to_host(parts);
    double miss = 0.0, size = 0.0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        miss += square(static_cast<double>(found[i]) - static_cast<double>(numbers[i]));
        size += square(static_cast<double>(numbers[i]));
    }
    // Those that are found are orthogonal pair by pair to less than this.
    return miss <=
           square(std::max(0x1p-26, 256.0 * static_cast<double>(std::numeric_limits<real>::epsilon()))) *
               size;
}
/// Says whether A(p) - A(0) is U diag(s) V^T p, U^T U q is q and V^T V q is q, to rounding, at one point p
/// and one q, and the squared lengths are 1. Cost: 2 evaluations.
template <class Measurement, class Context>
[[nodiscard]] bool are_vectors_of(const Context& context, Measurement measurement,
                                  singular_vectors<typename Measurement::batch_type> known) {
    using batch_type = typename Measurement::batch_type;
    using real = typename batch_type::value_type;
    const auto d = static_cast<index_t>(measurement.dimension()),
               m = static_cast<index_t>(measurement.outputs());
    const double rounding = 256.0 * static_cast<double>(std::numeric_limits<real>::epsilon());
    for (const double square_of_length : known.squared_lengths())
        if (!(std::abs(square_of_length - 1.0) <= std::max(0x1p-26, rounding))) return false;
    if (!is_orthonormal<batch_type>(context, known.left(), m, known.rank()) ||
        !is_orthonormal<batch_type>(context, known.right(), d, known.rank()))
        return false;
    std::vector<real> points(static_cast<std::size_t>(d));
    double length = 0.0;
    for (const real entry : trial_numbers<real>(d)) {
        points.push_back(entry);
        length += square(static_cast<double>(entry));
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
    return miss <= rounding * scale;
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
                       "A(z) - A(0) = U diag(s) V^T z with orthonormal columns of U and of V, whose squared "
                       "lengths are 1 to rounding");
        return known;
    } else {
        return find_singular_vectors(context, std::move(measurement));
    }
}

} // namespace diamond
