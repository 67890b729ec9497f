/// Eigenvectors of symmetric matrices by their definition, on every back end.
#include <cmath>

#include <support/back_ends.hpp>
#include <support/numbers.hpp>

namespace backend_symmetric_eigen_test {

using diamond::index_t, numbers::at;

TEST_CASE_TEMPLATE("A u = lambda u, U orthonormal, values ascending", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    for (const index_t d : {1, 2, 3, 17, 64}) {
        CAPTURE(d);
        auto a = numbers::normals<double>(d * d, 4);
        for (index_t j = 0; j < d; ++j)
            for (index_t i = 0; i < j; ++i)
                a[static_cast<std::size_t>(i + d * j)] = a[static_cast<std::size_t>(j + d * i)];
        auto matrix = diamond::from_host(context, d, d, a);
        auto found = diamond::from_host(context, d, 1, std::vector<double>(static_cast<std::size_t>(d)));
        context.symmetric_eigen(matrix.mutable_view(), found.data());
        const auto u = diamond::to_host(matrix), values = diamond::to_host(found);
        // Backward stable: errors of a few epsilon times the norm, which is at most the sum of entries' sizes
        // in a row, below 2 d.
        const double near = 16.0 * static_cast<double>(d) * 0x1p-52;
        for (index_t k = 0; k < d; ++k) {
            if (k > 0) CHECK(at(values, k - 1) <= at(values, k));
            for (index_t i = 0; i < d; ++i) {
                double product = 0.0, along = 0.0;
                for (index_t l = 0; l < d; ++l) {
                    product += at(a, i + d * l) * at(u, l + d * k);
                    along += at(u, l + d * i) * at(u, l + d * k);
                }
                REQUIRE(std::abs(product - at(values, k) * at(u, i + d * k)) < near);
                REQUIRE(std::abs(along - (i == k ? 1.0 : 0.0)) < near);
            }
        }
    }
}

TEST_CASE_TEMPLATE("nothing is taken apart into nothing, and what are no numbers is refused", back_end,
                   ALL_BACK_ENDS) {
    const auto context = back_end::make();
    diamond::owning_batch<double, typename back_end::context> none(context, 0, 0), values(context, 2, 1);
    CHECK_NOTHROW(context.symmetric_eigen(none.mutable_view(), values.data()));
    auto matrix = diamond::from_host(
        context, 2, 2, std::vector<double>{1.0, diamond::not_a_number, diamond::not_a_number, 1.0});
    const auto apart = [&] {
        context.symmetric_eigen(matrix.mutable_view(), values.data());
        static_cast<void>(diamond::to_host(values));
    };
    CHECK_THROWS_AS(apart(), std::invalid_argument);
}

} // namespace backend_symmetric_eigen_test
