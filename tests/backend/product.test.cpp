/// Matrix products against plain loops on the host, with transposes and every kind of tail.
#include <support/back_ends.hpp>
#include <support/numbers.hpp>

namespace backend_product_test {

using diamond::index_t, diamond::transpose, numbers::at;

namespace {
/// out = op(a) b, and the sum of absolute products: what rounding is relative to.
template <class Real>
struct exact_product {
    std::vector<long double> value, size;

    exact_product(transpose op, const std::vector<Real>& a, const std::vector<Real>& b, index_t rows,
                  index_t depth, index_t columns) {
        for (index_t j = 0; j < columns; ++j)
            for (index_t i = 0; i < rows; ++i) {
                long double sum = 0.0L, absolute = 0.0L;
                for (index_t k = 0; k < depth; ++k) {
                    const auto term = static_cast<long double>(op == transpose::yes ? at(a, k + depth * i)
                                                                                    : at(a, i + rows * k)) *
                                      at(b, k + depth * j);
                    sum += term;
                    absolute += std::abs(term);
                }
                value.push_back(sum);
                size.push_back(absolute);
            }
    }
};

template <class Back>
void check_product(const typename Back::context& context, transpose op, index_t rows, index_t depth,
                   index_t columns) {
    using real = typename Back::real;
    CAPTURE(static_cast<bool>(op));
    CAPTURE(rows);
    CAPTURE(depth);
    CAPTURE(columns);
    const auto a = numbers::normals<real>(rows * depth, 1), b = numbers::normals<real>(depth * columns, 2);
    const auto a_batch = op == transpose::yes ? diamond::from_host(context, depth, rows, a)
                                              : diamond::from_host(context, rows, depth, a);
    const auto b_batch = diamond::from_host(context, depth, columns, b);
    auto out = diamond::from_host(context, rows, columns,
                                  std::vector<real>(static_cast<std::size_t>(rows * columns), real{77}));
    context.template product<real>(op, a_batch, b_batch, out);
    const auto result = diamond::to_host(out);
    const exact_product<real> exact(op, a, b, rows, depth, columns);
    for (std::size_t k = 0; k < result.size(); ++k) // `depth` roundings at most, each of half an epsilon
        REQUIRE(std::abs(static_cast<double>(result[k] - exact.value[k])) <=
                static_cast<double>(depth + 1) * 0.51 * Back::epsilon * static_cast<double>(exact.size[k]));
}
} // namespace

TEST_CASE_TEMPLATE("products of every number of columns", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    for (const auto op : {transpose::no, transpose::yes})
        for (const index_t columns : {0, 1, 2, 3, 4, 5, 63, 64, 65, 255, 256, 257, 300, 1000})
            check_product<back_end>(context, op, 5, 7, columns);
}

TEST_CASE_TEMPLATE("products of every height and depth", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    for (const auto op : {transpose::no, transpose::yes}) {
        for (const index_t rows : {0, 1, 2, 15, 16, 17, 31, 32, 33, 49, 100, 257})
            for (const index_t depth : {0, 1, 2, 17, 33, 100})
                check_product<back_end>(context, op, rows, depth, 6);
        check_product<back_end>(context, op, 300, 520, 70);
        check_product<back_end>(context, op, 0, 0, 0);
    }
}

TEST_CASE_TEMPLATE("products on one context of growing and shrinking shapes", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    for (const index_t d : {3, 90, 12, 70, 1})
        for (const index_t columns : {600, 5, 258})
            check_product<back_end>(context, transpose::no, d, 2 * d, columns);
}

TEST_CASE_TEMPLATE("a NaN in one column stays there", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    auto b = numbers::normals<real>(4 * 10, 2);
    at(b, 4 * 7 + 1) = std::numeric_limits<real>::quiet_NaN();
    const auto a = diamond::from_host(context, 3, 4, numbers::normals<real>(12, 1)),
               b_batch = diamond::from_host(context, 4, 10, b);
    typename back_end::batch out(context, 3, 10);
    context.template product<real>(transpose::no, a, b_batch, out);
    const auto result = diamond::to_host(out);
    for (index_t k = 0; k < 30; ++k) CHECK(std::isnan(at(result, k)) == (k / 3 == 7));
}

TEST_CASE_TEMPLATE("products of shapes that do not fit", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    const typename back_end::batch a(context, 3, 4), b(context, 4, 6), c(context, 3, 6);
    typename back_end::batch out(context, 3, 6), wide(context, 3, 7);
    CHECK_NOTHROW(context.template product<real>(transpose::no, a, b, out));
    CHECK_THROWS_WITH_AS(context.template product<real>(transpose::no, a, c, out),
                         "product: op(a) is 3 x 4, b is 3 x 6, out is 3 x 6", std::invalid_argument);
    CHECK_THROWS_WITH_AS(context.template product<real>(transpose::yes, a, b, out),
                         "product: op(a) is 4 x 3, b is 4 x 6, out is 3 x 6", std::invalid_argument);
    CHECK_THROWS_WITH_AS(context.template product<real>(transpose::no, a, b, wide),
                         "product: op(a) is 3 x 4, b is 4 x 6, out is 3 x 7", std::invalid_argument);
    CHECK_NOTHROW(context.template product<real>(transpose::no, a, b, out));
}

TEST_CASE_TEMPLATE("a product's bits do not depend on the machine's caches", back, HOST_BACK_ENDS) {
    using real = typename back::real;
    const auto context = back::make(2);
    for (const index_t depth : {20, 300, 577, 1100, 2500}) {
        CAPTURE(depth);
        const index_t rows = 50, columns = 37;
        const auto a = diamond::from_host(context, rows, depth, numbers::normals<real>(rows * depth, 1)),
                   b = diamond::from_host(context, depth, columns,
                                          numbers::normals<real>(depth * columns, 2));
        const auto product = [&] {
            typename back::batch out(context, rows, columns);
            context.template product<real>(diamond::transpose::no, a, b, out);
            return diamond::to_host(out);
        };
        const std::ptrdiff_t first = Eigen::l1CacheSize(), second = Eigen::l2CacheSize(),
                             third = Eigen::l3CacheSize();
        const auto here = product();
        for (const std::ptrdiff_t kilobytes : {8, 48, 192}) {
            CAPTURE(kilobytes);
            Eigen::setCpuCacheSizes(kilobytes << 10, kilobytes << 14, kilobytes << 16);
            CHECK(numbers::same_bits(product(), here));
        }
        Eigen::setCpuCacheSizes(first, second, third);
    }
}

} // namespace backend_product_test
