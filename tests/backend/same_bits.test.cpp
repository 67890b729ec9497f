/// The promises about bits: the same on any number of threads, and a particle's result depends neither on N
/// nor on where its column lies in memory.
#include <support/back_ends.hpp>
#include <support/numbers.hpp>

namespace backend_same_bits_test {

using diamond::index_t, diamond::transpose, numbers::same_bits;

namespace {
/// A functor of several roundings, some of which a compiler may fuse.
template <class Real>
struct mixture_of_operations {
    const Real* x;
    Real* out;
    index_t rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const Real a = x[i + rows * j], b = x[j * rows], c = a * b + Real(0.3) * a - b * b;
        out[i + rows * j] = c / (Real(1) + a * a) + std::exp(-b) * std::sqrt(std::abs(a));
    }
};
template <class Real>
struct products_of_elements {
    const Real* x;
    index_t rows;
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        return static_cast<double>(x[i + rows * j]) * static_cast<double>(x[j * rows]) + 0.1;
    }
    DIAMOND_HD double operator()(index_t j) const { return static_cast<double>(x[j * rows]); }
};

/// Every operation on the columns of x, a rows x columns host matrix: what belongs to column j in each
/// result.
template <class Real>
struct results {
    std::vector<std::pair<index_t, std::vector<Real>>> of_columns; // rows of the result, the result
    std::vector<std::vector<double>> scalars;                      // per column
    double sum, max;
};
/// Returns true where entry k of a result's of_columns is a product.
constexpr bool is_product(std::size_t k) { return k == 2 || k == 3; }
template <class Back>
results<typename Back::real> run(int threads, index_t rows, index_t columns,
                                 const std::vector<typename Back::real>& host) {
    using real = typename Back::real;
    const auto context = Back::make(threads);
    const auto x = diamond::from_host(context, rows, columns, host);
    const auto again = [&](index_t height) { return typename Back::batch(context, height, columns); };
    auto out = diamond::owning_batch<double, typename Back::context>(context, 1, columns);
    results<real> r;

    auto elementwise = again(rows);
    context.for_each(rows, columns, mixture_of_operations<real>{x.data(), elementwise.data(), rows});
    r.of_columns.emplace_back(rows, diamond::to_host(elementwise));

    auto softmax = again(rows);
    context.copy(x.data(), x.size(), softmax.data());
    context.template softmax<real>(softmax, out.data());
    r.of_columns.emplace_back(rows, diamond::to_host(softmax));
    r.scalars.push_back(diamond::to_host(out));

    for (const auto op : {transpose::no, transpose::yes}) {
        const index_t height = 37;
        const auto a = op == transpose::no
                         ? diamond::from_host(context, height, rows, numbers::normals<real>(height * rows, 9))
                         : diamond::from_host(context, rows, height,
                                              numbers::normals<real>(height * rows, 9));
        auto product = again(height);
        context.template product<real>(op, a, x, product);
        r.of_columns.emplace_back(height, diamond::to_host(product));
    }

    auto normals = again(rows);
    context.template fill_normal<real>(diamond::philox{11}.stream(diamond::purpose::user, 3), normals);
    r.of_columns.emplace_back(rows, diamond::to_host(normals));

    const products_of_elements<real> f{x.data(), rows};
    context.column_sums(rows, columns, f, out.data());
    r.scalars.push_back(diamond::to_host(out));
    const auto wide = diamond::from_host(context, rows, columns,
                                         std::vector<double>(host.begin(), host.end()));
    context.log_sum_exp(wide, out.data());
    r.scalars.push_back(diamond::to_host(out));
    r.sum = context.sum(columns, f);
    r.max = context.max(columns, f);
    return r;
}
template <class Real>
std::vector<Real> first_columns(const std::vector<Real>& x, index_t rows, index_t columns) {
    return {x.begin(), x.begin() + rows * columns};
}
} // namespace

TEST_CASE_TEMPLATE("the same bits on any number of threads", back_end, ALL_BACK_ENDS) {
    for (const auto& [rows, columns] :
         {std::pair<index_t, index_t>{1, 20'000}, {3, 5001}, {64, 1003}, {700, 130}}) {
        CAPTURE(rows);
        const auto host = numbers::normals<typename back_end::real>(rows * columns, 1);
        const auto one = run<back_end>(1, rows, columns, host);
        for (const int threads : {2, 3}) {
            const auto many = run<back_end>(threads, rows, columns, host);
            for (std::size_t k = 0; k < one.of_columns.size(); ++k)
                CHECK(same_bits(one.of_columns[k].second, many.of_columns[k].second));
            for (std::size_t k = 0; k < one.scalars.size(); ++k)
                CHECK(same_bits(one.scalars[k], many.scalars[k]));
            CHECK(one.sum == many.sum);
            CHECK(one.max == many.max);
        }
    }
}

TEST_CASE_TEMPLATE("a particle does not depend on N", back_end, ALL_BACK_ENDS) {
    const index_t most = 1000;
    const auto equal = [](std::size_t k, const auto& a, const auto& b) {
        return is_product(k) && !back_end::column_free_products ? numbers::close(a, b, back_end::tolerance)
                                                                : same_bits(a, b);
    };
    for (const index_t rows : {1, 2, 3, 4, 5, 9, 16, 33, 64, 129, 600}) {
        CAPTURE(rows);
        const auto host = numbers::normals<typename back_end::real>(rows * most, 2);
        const auto all = run<back_end>(2, rows, most, host);
        for (const index_t columns : {1, 2, 3, 6, 10, 17, 64, 255, 257, 999}) {
            CAPTURE(columns);
            const auto some = run<back_end>(2, rows, columns, first_columns(host, rows, columns));
            for (std::size_t k = 0; k < all.of_columns.size(); ++k) {
                CAPTURE(k);
                const auto& [height, result] = all.of_columns[k];
                CHECK(equal(k, some.of_columns[k].second, first_columns(result, height, columns)));
            }
            for (std::size_t k = 0; k < all.scalars.size(); ++k) // no products
                CHECK(same_bits(some.scalars[k], first_columns(all.scalars[k], 1, columns)));
        }
    }
}

TEST_CASE_TEMPLATE("a particle does not depend on where it lies", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    for (const index_t rows : {1, 3, 5, 17, 31, 100, 1437}) {
        CAPTURE(rows);
        // The same column everywhere: at every distance from an aligned address and at every place in a
        // block.
        const index_t columns = 600;
        const auto column = numbers::normals<real>(rows, 3);
        std::vector<real> host;
        for (index_t j = 0; j < columns; ++j) host.insert(host.end(), column.begin(), column.end());
        const auto result = run<back_end>(2, rows, columns, host);
        for (std::size_t k = 0; k < result.of_columns.size(); ++k) {
            CAPTURE(k);
            if (k == 4) continue; // normals depend on the slot
            const auto& [height, values] = result.of_columns[k];
            const auto first = first_columns(values, height, 1);
            for (index_t j = 1; j < columns; ++j) {
                const std::vector<real> other(values.begin() + height * j, values.begin() + height * (j + 1));
                REQUIRE((is_product(k) && !back_end::column_free_products
                             ? numbers::close(first, other, back_end::tolerance)
                             : same_bits(first, other)));
            }
        }
        for (const auto& values : result.scalars)
            CHECK(same_bits(values, std::vector<double>(values.size(), values.front())));
    }
}

} // namespace backend_same_bits_test
