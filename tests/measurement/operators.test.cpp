// Each operator against a dense matrix of it that a plain loop over the host writes down: values, transpose,
// singular vectors, and the Gaussian proposal and value that are made of these.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Sparse>

#include <diamond/align/measurement_guided_kernel.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/any_measurement.hpp>
#include <diamond/measurement/blur_measurement.hpp>
#include <diamond/measurement/down_sampling_measurement.hpp>
#include <diamond/measurement/function_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/measurement/sparse_measurement.hpp>
#include <diamond/measurement/whitened_measurement.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/denoised_moment_value.hpp>

#include "../reward/checks.hpp"

namespace measurement_operators_test {

using namespace checks;
using diamond::blur_kernel, diamond::image_shape;

namespace {

/// An m x d matrix, row by row.
struct dense {
    index_t rows, columns;
    std::vector<double> entries;
    dense(index_t m, index_t d) : rows(m), columns(d), entries(static_cast<std::size_t>(m * d)) {}
    double& operator()(index_t k, index_t i) { return entries[static_cast<std::size_t>(k * columns + i)]; }
    double operator()(index_t k, index_t i) const {
        return entries[static_cast<std::size_t>(k * columns + i)];
    }
};

/// The circular convolution by its definition: weight (v, u) brings the pixel v - middle rows above.
dense blur_matrix(const image_shape& shape, const blur_kernel& kernel) {
    const auto h = static_cast<index_t>(shape.height), w = static_cast<index_t>(shape.width),
               d = static_cast<index_t>(shape.size()), rows = static_cast<index_t>(kernel.height),
               columns = static_cast<index_t>(kernel.width);
    dense result(d, d);
    for (index_t c = 0; c < static_cast<index_t>(shape.channels); ++c)
        for (index_t y = 0; y < h; ++y)
            for (index_t x = 0; x < w; ++x)
                for (index_t v = 0; v < rows; ++v)
                    for (index_t u = 0; u < columns; ++u) {
                        const index_t from_y = (y - (v - (rows - 1) / 2) + 2 * h) % h,
                                      from_x = (x - (u - (columns - 1) / 2) + 2 * w) % w;
                        result((c * h + y) * w + x,
                               (c * h + from_y) * w +
                                   from_x) += kernel.weights[static_cast<std::size_t>(v * columns + u)];
                    }
    return result;
}
dense mask_matrix(index_t d, const std::vector<index_t>& seen) {
    dense result(static_cast<index_t>(seen.size()), d);
    for (std::size_t k = 0; k < seen.size(); ++k) result(static_cast<index_t>(k), seen[k]) = 1.0;
    return result;
}
dense down_matrix(const image_shape& shape, index_t f) {
    const auto h = static_cast<index_t>(shape.height), w = static_cast<index_t>(shape.width);
    dense result(static_cast<index_t>(shape.size()) / (f * f), static_cast<index_t>(shape.size()));
    for (index_t c = 0; c < static_cast<index_t>(shape.channels); ++c)
        for (index_t y = 0; y < h; ++y)
            for (index_t x = 0; x < w; ++x)
                result((c * (h / f) + y / f) * (w / f) + x / f,
                       (c * h + y) * w + x) = 1.0 / static_cast<double>(f * f);
    return result;
}
/// Weights without any symmetry.
blur_kernel odd_kernel(std::size_t height, std::size_t width) {
    blur_kernel kernel{height, width, {}};
    for (std::size_t k = 0; k < height * width; ++k)
        kernel.weights.push_back(0.3 + std::sin(2.0 + 1.7 * static_cast<double>(k)));
    return kernel;
}
/// Most numbers 0, and one row of none.
diamond::sparse_matrix scattered(index_t m, index_t d) {
    diamond::sparse_matrix result{m, d, {}};
    for (index_t i = d; i-- > 0;)
        for (index_t k = 0; k + 1 < m; ++k)
            if ((3 * i + 5 * k) % 4 == 1)
                result.entries.push_back({k, i, std::cos(static_cast<double>(i + 2 * k))});
    return result;
}
dense matrix_of(const diamond::sparse_matrix& sparse) {
    dense result(sparse.rows, sparse.columns);
    for (const auto& e : sparse.entries) result(e.row, e.column) = e.value;
    return result;
}
/// out_k = z_{k+1} - z_k, and its transpose.
template <class Batch>
struct differences {
    diamond::const_view_t<Batch> in;
    diamond::view_t<Batch> out;
    bool transposed;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        const index_t m = in.rows();
        if (!transposed)
            out(k, j) = in(k + 1, j) - in(k, j);
        else
            out(k, j) = (k > 0 ? in(k - 1, j) : real<Batch>{0}) - (k < m ? in(k, j) : real<Batch>{0});
    }
};
template <class Batch>
auto neighbours(bool transposed) {
    return [transposed](diamond::const_view_t<Batch> in, diamond::view_t<Batch> out) {
        out.context().for_each(out.rows(), out.columns(), differences<Batch>{in, out, transposed});
    };
}

/// The numbers of columns of a batch, or of `n` unit vectors.
template <class Batch>
Batch unit_vectors(const context_of<Batch>& context, index_t n) {
    vector_of<Batch> host(static_cast<std::size_t>(n * n));
    for (index_t i = 0; i < n; ++i) host[static_cast<std::size_t>(i + n * i)] = 1;
    return diamond::from_host(context, n, n, host);
}
template <class Batch>
dense from_batch(const Batch& columns) {
    const auto host = diamond::to_host(columns);
    dense result(columns.rows(), columns.columns());
    for (index_t j = 0; j < columns.columns(); ++j)
        for (index_t i = 0; i < columns.rows(); ++i)
            result(i, j) = static_cast<double>(host[static_cast<std::size_t>(i + columns.rows() * j)]);
    return result;
}
/// a^T b, or a b.
dense product(bool transposed, const dense& a, const dense& b) {
    const index_t m = transposed ? a.columns : a.rows, n = transposed ? a.rows : a.columns;
    dense result(m, b.columns);
    for (index_t i = 0; i < m; ++i)
        for (index_t k = 0; k < n; ++k)
            for (index_t j = 0; j < b.columns; ++j)
                result(i, j) += (transposed ? a(k, i) : a(i, k)) * b(k, j);
    return result;
}

/// The largest error of an operator against a matrix: its values and products at random points, its singular
/// vectors as matrices, and their two products against each other.
template <class Batch>
double error_of(const context_of<Batch>& context, diamond::any_measurement<Batch> measurement,
                const dense& w) {
    const index_t d = measurement.dimension(), m = measurement.outputs(), n = 7;
    REQUIRE(m == w.rows);
    REQUIRE(d == w.columns);
    const auto z = points<Batch>(context, d, n, 1.0, 3), y = points<Batch>(context, m, n, 1.0, 4);
    Batch forward(context, m, n), back(context, d, n);
    measurement(z, forward);
    measurement.vjp(z, y, back);
    const auto worse = [](double a, double b) { return b <= a ? a : b; }; // and NaN stays
    double error = difference(from_batch(forward).entries, product(false, w, from_batch(z)).entries);
    error = worse(error, difference(from_batch(back).entries, product(true, w, from_batch(y)).entries));

    auto singular = diamond::singular_vectors_of(context, measurement);
    const index_t k = singular.rank();
    const auto units = unit_vectors<Batch>(context, k);
    Batch left(context, m, k), right(context, d, k), left_parts(context, k, m), right_parts(context, k, d);
    singular.left().compose(units.read(), left.mutable_view());
    singular.right().compose(units.read(), right.mutable_view());
    singular.left().parts(unit_vectors<Batch>(context, m).read(), left_parts.mutable_view());
    singular.right().parts(unit_vectors<Batch>(context, d).read(), right_parts.mutable_view());
    const dense u = from_batch(left), v = from_batch(right), identity = from_batch(units);
    error = worse(error, difference(product(true, u, u).entries, identity.entries));
    error = worse(error, difference(product(true, v, v).entries, identity.entries));
    dense scaled = product(true, v, from_batch(unit_vectors<Batch>(context, d))); // diag(s) V^T
    error = worse(error, difference(from_batch(right_parts).entries, scaled.entries));
    for (index_t a = 0; a < k; ++a)
        for (index_t i = 0; i < d; ++i) scaled(a, i) *= singular.values()[static_cast<std::size_t>(a)];
    error = worse(error, difference(product(false, u, scaled).entries, w.entries));
    const dense u_transposed = product(true, u, from_batch(unit_vectors<Batch>(context, m)));
    error = worse(error, difference(from_batch(left_parts).entries, u_transposed.entries));
    for (std::size_t a = 0; a < singular.squared_lengths().size(); ++a) {
        double length = 0.0;
        for (index_t i = 0; i < d; ++i) length += diamond::square(v(i, static_cast<index_t>(a)));
        error = worse(error, std::abs(singular.squared_lengths()[a] - length));
    }
    return error;
}
template <class Batch>
void each_operator(const context_of<Batch>& context,
                   const std::function<void(const char*, diamond::any_measurement<Batch>, dense)>& take) {
    const std::vector<index_t> seen{5, 0, 17, 3};
    const diamond::mask_measurement<Batch> mask{context, 18, seen};
    take("mask", mask, mask_matrix(18, seen));
    const image_shape two{2, 4, 6}, odd{2, 3, 5}, even{1, 4, 4};
    take("down-sampling", diamond::down_sampling_measurement<Batch>(two, 2), down_matrix(two, 2));
    struct kernel_of {
        image_shape shape;
        std::size_t height, width;
    };
    for (const auto& of :
         {kernel_of{two, 3, 5}, kernel_of{odd, 3, 3}, kernel_of{even, 1, 3}, kernel_of{even, 3, 1}})
        take("blur without symmetry",
             diamond::blur_measurement<Batch>(context, of.shape, odd_kernel(of.height, of.width)),
             blur_matrix(of.shape, odd_kernel(of.height, of.width)));
    for (const auto& kernel : {diamond::box_blur(3), diamond::gaussian_blur(0.8, 3)})
        take("blur", diamond::blur_measurement<Batch>(context, two, kernel), blur_matrix(two, kernel));
    take("a line of pixels", diamond::blur_measurement<Batch>(context, {1, 1, 7}, odd_kernel(1, 5)),
         blur_matrix({1, 1, 7}, odd_kernel(1, 5)));
    take("sparse", diamond::sparse_measurement<Batch>(context, scattered(5, 9)), matrix_of(scattered(5, 9)));
    dense steps(5, 6);
    for (index_t k = 0; k < 5; ++k) {
        steps(k, k) = -1.0;
        steps(k, k + 1) = 1.0;
    }
    take("a pair of functions",
         diamond::operator_measurement<Batch>(context, 6, 5, neighbours<Batch>(false),
                                              neighbours<Batch>(true)),
         steps);
    const auto transposed = neighbours<Batch>(true);
    take("a function and its product",
         diamond::function_measurement<Batch>(
             6, 5, neighbours<Batch>(false),
             [transposed](diamond::const_view_t<Batch>, diamond::const_view_t<Batch> y,
                          diamond::view_t<Batch> out) { transposed(y, out); }),
         steps);
    vector_of<Batch> columns;
    for (index_t i = 0; i < 6; ++i)
        for (index_t k = 0; k < 5; ++k) columns.push_back(static_cast<real<Batch>>(steps(k, i)));
    take("dense", diamond::affine_measurement<Batch>(context, columns, vector_of<Batch>(5)), steps);
    const std::vector<double> deviations{0.5, 2.0, 1.0, 4.0};
    const auto in_units = [&](dense w) {
        for (index_t k = 0; k < w.rows; ++k)
            for (index_t i = 0; i < w.columns; ++i) w(k, i) /= deviations[static_cast<std::size_t>(k % 4)];
        return w;
    };
    take("mask in units of noise", diamond::whitened_measurement{context, mask, deviations},
         in_units(mask_matrix(18, seen)));
    std::vector<double> of_pixels;
    for (std::size_t k = 0; k < 16; ++k) of_pixels.push_back(deviations[k % 4]);
    take("blur in units of noise",
         diamond::whitened_measurement{
             context, diamond::blur_measurement<Batch>(context, even, odd_kernel(3, 3)), of_pixels},
         in_units(blur_matrix(even, odd_kernel(3, 3))));
}

using batch = diamond::eigen::batch<double>;

/// A(z) = z_1 + z_2, which says that its singular vectors are u, and v times (1, 1).
struct sum_of_two : diamond::affine_measurement<batch> {
    double u, v;
    std::vector<double> lengths;
    sum_of_two(const diamond::eigen::context& context, double left, double right,
               std::vector<double> squared_lengths)
        : affine_measurement(context, {1.0, 1.0}, {0.0}),
          u(left),
          v(right),
          lengths(std::move(squared_lengths)) {}
    [[nodiscard]] diamond::singular_vectors<batch> singular_vectors(
        const diamond::eigen::context& context) const {
        const auto column = [&](std::vector<double> numbers) {
            return diamond::orthonormal_basis<batch>{diamond::detail::dense_vectors<batch>{
                diamond::detail::share(context, diamond::detail::count_of(numbers), 1, numbers)}};
        };
        return {context, column({u}), column({v, v}), {1.0 / (u * v)}, lengths};
    }
};

} // namespace

TEST_CASE_TEMPLATE("operators are their matrices: values, transpose and singular vectors", back_end,
                   BACK_ENDS) {
    using Batch = typename back_end::batch;
    const auto context = back_end::make();
    // Values to 4; lengths and products of some 50 terms, in the rounding of the particles.
    const double bound = sizeof(real<Batch>) == 4 ? 2e-5 : 1e-10;
    each_operator<Batch>(context, [&](const char* name, diamond::any_measurement<Batch> of, dense w) {
        CAPTURE(name);
        CHECK(error_of<Batch>(context, of, w) < bound);
    });
    // Another matrix is told apart: the kernel turned upside down, as a correlation would take it.
    const image_shape shape{1, 4, 6};
    auto turned = odd_kernel(3, 5);
    std::reverse(turned.weights.begin(), turned.weights.end());
    const diamond::blur_measurement<Batch> blur(context, shape, odd_kernel(3, 5));
    CHECK(error_of<Batch>(context, blur, blur_matrix(shape, turned)) > 0.1);
}

TEST_CASE("a matrix of Eigen's, of rows or of columns, compressed or not") {
    const diamond::eigen::context context{.threads = 1};
    Eigen::SparseMatrix<double> columns(4, 3);
    columns.insert(2, 1) = 3.0;
    columns.insert(0, 0) = -1.0;
    columns.insert(3, 1) = 0.5;
    Eigen::SparseMatrix<float, Eigen::RowMajor> rows = columns.cast<float>();
    rows.makeCompressed();
    dense w(4, 3);
    w(2, 1) = 3.0;
    w(0, 0) = -1.0;
    w(3, 1) = 0.5;
    for (const auto& matrix : {diamond::sparse_matrix_of(columns), diamond::sparse_matrix_of(rows)}) {
        CHECK(matrix.entries.size() == 3);
        CHECK(error_of<batch>(context, diamond::sparse_measurement<batch>(context, matrix), w) < 1e-10);
    }
}

TEST_CASE("the Gaussian proposal and value of an operator are those of its matrix") {
    const diamond::eigen::context context{.threads = 1};
    const auto noise = [](diamond::purpose of) { return diamond::philox{5}.stream(of, 2); };
    each_operator<batch>(context, [&](const char* name, diamond::any_measurement<batch> of, const dense& w) {
        CAPTURE(name);
        const index_t d = w.columns, m = w.rows, n = 5;
        std::vector<double> covariance(static_cast<std::size_t>(d * d)), columns;
        for (index_t i = 0; i < d; ++i) {
            covariance[static_cast<std::size_t>(i + d * i)] = 0.5 + 0.1 * static_cast<double>(i % 3);
            for (index_t k = 0; k < m; ++k) columns.push_back(w(k, i));
        }
        const diamond::gaussian<batch, diamond::linear_schedule> model{
            context, {}, std::vector<double>(static_cast<std::size_t>(d), 0.2), covariance};
        const auto seen = diamond::to_host(points<batch>(context, m, 1, 1.0, 8));
        const auto x = points<batch>(context, d, n, 1.0, 9);
        struct result {
            std::vector<double> draws, ratio, value, guidance;
        };
        const auto run = [&](diamond::any_measurement<batch> measurement) {
            const diamond::gaussian_measurement_reward reward{context, std::move(measurement), seen, 0.3};
            diamond::measurement_guided_kernel kernel{
                context, diamond::ddpm_posterior_kernel{diamond::exact_posterior{model}}, model, reward};
            diamond::denoised_moment_value value{context, diamond::linear_schedule{}, model, reward};
            batch out(context, d, n), slope(context, d, n);
            diamond::rebind_t<batch, double> ratio(context, 1, n), values(context, 1, n);
            kernel(x.read(), {0.3, 0.6}, {}, noise(diamond::purpose::transition), out.mutable_view(),
                   diamond::row(ratio));
            value(x.read(), 0.4, {}, noise(diamond::purpose::value), {.value = diamond::row(values)});
            value.guidance(x.read(), 0.4, {}, noise(diamond::purpose::value), slope.mutable_view());
            return result{diamond::to_host(out), diamond::to_host(ratio), diamond::to_host(values),
                          diamond::to_host(slope)};
        };
        const result own = run(of), by_matrix = run(diamond::affine_measurement<batch>(
                                        context, columns, std::vector<double>(static_cast<std::size_t>(m))));
        CHECK(difference(own.draws, by_matrix.draws) < 1e-10);
        CHECK(difference(own.ratio, by_matrix.ratio) < 1e-10);
        CHECK(difference(own.value, by_matrix.value) < 1e-10);
        CHECK(difference(own.guidance, by_matrix.guidance) < 1e-10);
        // Of another matrix they are others.
        columns[0] += 0.3;
        CHECK(
            difference(own.draws, run(diamond::affine_measurement<batch>(
                                          context, columns, std::vector<double>(static_cast<std::size_t>(m))))
                                      .draws) > 1e-6);
    });
}

TEST_CASE("operators refuse what they cannot mean") {
    const diamond::eigen::context context{.threads = 1};
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    const auto refuses = [](const char* sentence, const auto& make) {
        CHECK_THROWS_WITH_AS(static_cast<void>(make()), doctest::Contains(sentence), std::invalid_argument);
    };
    const auto blur = [&](blur_kernel kernel) {
        return diamond::blur_measurement<batch>(context, {1, 4, 6}, std::move(kernel));
    };
    refuses("a kernel of 2 x 3 of an image of 1 x 4 x 6: odd extents",
            [&] { return blur(odd_kernel(2, 3)); });
    refuses("a kernel of 5 x 5", [&] { return blur(odd_kernel(5, 5)); });
    refuses("8 weights for a kernel of 3 x 3", [&] { return blur({3, 3, std::vector<double>(8, 1.0)}); });
    refuses("weights[1] = nan must be finite", [&] { return blur({1, 3, {1.0, nan, 1.0}}); });
    refuses("all weights of the kernel are 0", [&] { return blur({1, 3, {0.0, 0.0, 0.0}}); });
    refuses("box_blur of size 4", [] { return diamond::box_blur(4); });
    refuses("gaussian_blur of deviation 0", [] { return diamond::gaussian_blur(0.0, 3); });
    batch z = points<batch>(context, 24, 2), small(context, 4, 2);
    refuses("maps 24 rows to 24, given 24 x 2 and 4 x 2", [&] {
        blur(odd_kernel(3, 3))(z, small);
        return 0;
    });
    refuses("out overlaps what is read", [&] {
        blur(odd_kernel(3, 3))(z, z);
        return 0;
    });

    const auto sparse = [&](diamond::sparse_matrix w) {
        return diamond::sparse_measurement<batch>(context, std::move(w));
    };
    refuses("a matrix of 2 x 3 with 0 numbers", [&] { return sparse({2, 3, {}}); });
    refuses("entry (2, 0) = 1 of a matrix of 2 x 3", [&] { return sparse({2, 3, {{2, 0, 1.0}}}); });
    refuses("entry (1, 0) = nan", [&] { return sparse({2, 3, {{1, 0, nan}}}); });
    refuses("entry (1, 2) is listed twice", [&] {
        return sparse({2, 3, {{1, 2, 1.0}, {0, 0, 1.0}, {1, 2, 4.0}}});
    });
    refuses("maps 3 rows to 2", [&] {
        sparse({2, 3, {{1, 2, 1.0}}})(z, small);
        return 0;
    });

    const auto pair = [&](auto apply, auto transposed) {
        return diamond::operator_measurement<batch>(context, 6, 5, apply, transposed);
    };
    const auto forward = neighbours<batch>(false), backward = neighbours<batch>(true);
    refuses("must be the transpose of the first", [&] {
        return pair(forward, [&](diamond::const_view_t<batch> in, diamond::view_t<batch> out) {
            backward(in, out);
            assign(out, 2.0 * out);
        });
    });
    refuses("must be the transpose of the first", [&] {
        return pair(forward, [&](diamond::const_view_t<batch> in, diamond::view_t<batch> out) {
            backward(in, out);
            assign(out, nan * out);
        });
    });
    refuses("W of 0 must be 0", [&] {
        return pair(
            [&](diamond::const_view_t<batch> in, diamond::view_t<batch> out) {
                forward(in, out);
                out.data()[out.size() - 1] += 1.0; // the last of W 0
            },
            backward);
    });
    refuses("from dimension 0 to 5",
            [&] { return diamond::function_measurement<batch>(0, 5, forward, [](auto, auto, auto) {}); });
    refuses("a function of the value and one",
            [&] { return diamond::function_measurement<batch>(6, 5, forward, {}); });
    refuses("a function of the value and one",
            [&] { return diamond::operator_measurement<batch>(context, 6, 5, forward, {}); });

    const diamond::mask_measurement<batch> mask{context, 4, {0, 2}};
    for (const double bad : {0.0, -1.0, nan, diamond::infinity, 1e-200})
        refuses("deviations[1] = ", [&] { return diamond::whitened_measurement{context, mask, {1.0, bad}}; });
    refuses("1 standard deviations, the measurement gives 2", [&] {
        return diamond::whitened_measurement{context, mask, std::vector<double>{1.0}};
    });
    refuses("seen[0] = nan must be finite", [&] {
        return diamond::whitened_measurement_reward(context, mask, {nan, 1.0}, {1.0, 1.0});
    });

    // Vectors that are another's: a mask of other pixels says those of its base.
    struct shifted_mask : diamond::mask_measurement<batch> {
        using mask_measurement::mask_measurement;
        void operator()(diamond::const_view_t<batch> of, diamond::view_t<batch> out) const {
            mask_measurement::operator()(of, out);
            assign(out, 2.0 * out);
        }
    };
    refuses("does not return those of its values", [&] {
        return diamond::singular_vectors_of(context, shifted_mask{context, 4, {0, 2}});
    });
    // Products that are A, of vectors that are not orthonormal or of other lengths than they say.
    const double unit = std::sqrt(0.5);
    const auto says = [&](double u, double v, std::vector<double> lengths) {
        return diamond::singular_vectors_of(context, sum_of_two{context, u, v, std::move(lengths)});
    };
    CHECK(says(1.0, unit, {}).values() == std::vector{1.0 / unit});
    CHECK(says(-1.0, -unit, {1.0}).rank() == 1);
    for (const auto& [u, v, length] : std::vector<std::array<double, 3>>{
             {1.0, 1.0, 1.0}, {1.0, 1.0, 2.0}, {2.0, unit, 1.0}, {1.0, unit, 2.0}, {1.0, unit, nan}})
        refuses("with orthonormal columns of U and of V",
                [&, u = u, v = v, length = length] { return says(u, v, {length}); });
    refuses("2 squared lengths for 1 values", [&] { return says(1.0, unit, {1.0, 1.0}); });
}

TEST_CASE("singular vectors are found of outputs of many sizes, or refused") {
    const diamond::eigen::context context{.threads = 1};
    // One output that is 10^6 times the other does not hide that the other is bent.
    using small_batch = diamond::eigen::batch<float>;
    const auto of_power = [&](int power) {
        return diamond::singular_vectors_of(
            context, diamond::whitened_measurement{context,
                                                   diamond::function_measurement<small_batch>(
                                                       2, 2,
                                                       [power](auto z, auto out) {
                                                           for (index_t j = 0; j < z.columns(); ++j) {
                                                               out(0, j) = z(0, j);
                                                               out(1, j) = power == 2 ? z(1, j) * z(1, j)
                                                                                      : z(1, j);
                                                           }
                                                       },
                                                       [](auto, auto, auto) {}),
                                                   {1e-6, 1.0}});
    };
    CHECK_THROWS_WITH_AS(of_power(2), doctest::Contains("must be affine"), std::invalid_argument);
    const auto values = of_power(1).values();
    REQUIRE(values.size() == 2);
    CHECK(values[0] == doctest::Approx(1.0).epsilon(1e-6));
    CHECK(values[1] == doctest::Approx(1e6).epsilon(1e-6));

    // An output is not lost in silence, and one that is 0 or a multiple of another's is no output lost.
    const auto rank = [&](std::vector<double> columns, std::vector<double> deviations) {
        const auto m = deviations.size();
        return diamond::singular_vectors_of(
                   context,
                   diamond::whitened_measurement{context,
                                                 diamond::affine_measurement<batch>(
                                                     context, std::move(columns), std::vector<double>(m)),
                                                 deviations})
            .rank();
    };
    const std::vector<double> identity{1.0, 0.0, 0.0, 1.0};
    CHECK(rank(identity, {1e-6, 1.0}) == 2);
    CHECK(rank({1.0, 2.0, 0.0, 0.5, 1.0, 0.0}, {1e-6, 1.0, 1.0}) == 1);
    CHECK_THROWS_WITH_AS(rank(identity, {1e-8, 1.0}), doctest::Contains("output 1 of a measurement is 1e-08"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(rank(identity, {1.0, 1e-8}), doctest::Contains("output 0 of a measurement"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(rank({1.0, 1.0, 0.0, 0.2}, {1e-9, 1.0}), doctest::Contains("would be lost"),
                         std::invalid_argument);
    const diamond::whitened_measurement mask{
        context, diamond::mask_measurement<batch>{context, 4, {0, 2}}, {1e-8, 1.0}};
    CHECK(diamond::singular_vectors_of(context, mask).rank() == 2);

    // Values from 1 down to near what is found at all: the vectors are orthonormal, and the product is W.
    dense w(4, 6);
    std::vector<double> columns;
    for (index_t i = 0; i < 6; ++i)
        for (index_t k = 0; k < 4; ++k) {
            w(k, i) = std::cos(static_cast<double>(i * (k + 1))) + 3e5 * std::sin(static_cast<double>(i + 1));
            columns.push_back(w(k, i));
        }
    const double largest = 3e5;
    for (double& entry : columns) entry /= largest;
    for (double& entry : w.entries) entry /= largest;
    CHECK(error_of<batch>(context,
                          diamond::affine_measurement<batch>(context, columns, std::vector<double>(4)),
                          w) < 1e-9);
}

} // namespace measurement_operators_test
