/// Reductions, scans and searches against plain loops on the host.
#include <algorithm>
#include <numeric>

#include <support/back_ends.hpp>
#include <support/numbers.hpp>

namespace backend_reductions_test {

using diamond::index_t, diamond::infinity, numbers::at;

namespace {
template <class Real>
struct element {
    const Real* x;
    index_t rows = 1;
    DIAMOND_HD double operator()(index_t j) const { return static_cast<double>(x[j]); }
    DIAMOND_HD double operator()(index_t i, index_t j) const { return static_cast<double>(x[i + rows * j]); }
};
struct equals {
    const double* x;
    double wanted;
    DIAMOND_HD bool operator()(index_t j) const { return x[j] == wanted; }
};
struct not_a_number {
    const double* x;
    DIAMOND_HD bool operator()(index_t j) const { return x[j] != x[j]; }
};
constexpr index_t sizes[] = {1, 2, 3, 255, 256, 257, 1000, 8193, 100'001};
} // namespace

TEST_CASE_TEMPLATE("column sums", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    for (const auto& [rows, columns] : {std::pair<index_t, index_t>{0, 0},
                                        {0, 9},
                                        {9, 0},
                                        {1, 1},
                                        {7, 5},
                                        {8, 5},
                                        {9, 5},
                                        {64, 1000},
                                        {30'000, 2},
                                        {2, 30'000}}) {
        CAPTURE(rows);
        CAPTURE(columns);
        const auto host = numbers::normals<real>(rows * columns, 1);
        const auto x = diamond::from_host(context, rows, columns, host);
        auto out = diamond::from_host(context, 1, columns,
                                      std::vector<double>(static_cast<std::size_t>(columns), -1.0));
        context.column_sums(rows, columns, element<real>{x.data(), rows}, out.data());
        const auto sums = diamond::to_host(out);
        for (index_t j = 0; j < columns; ++j) {
            long double exact = 0.0L, size = 0.0L;
            for (index_t i = 0; i < rows; ++i) {
                exact += static_cast<long double>(at(host, i + rows * j));
                size += std::abs(static_cast<long double>(at(host, i + rows * j)));
            }
            // Sums are in double whatever the particles are; n additions err by at most n epsilon/2 of the
            // absolute sum.
            REQUIRE(std::abs(static_cast<double>(at(sums, j) - exact)) <=
                    static_cast<double>(rows) * 1.2e-16 * static_cast<double>(size));
        }
    }
}

TEST_CASE_TEMPLATE("sum and max", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    for (const index_t n : sizes) {
        CAPTURE(n);
        const auto host = numbers::normals<double>(n, 2);
        const auto x = diamond::from_host(context, 1, n, host);
        const auto f = element<double>{x.data()};
        const double exact = static_cast<double>(std::accumulate(host.begin(), host.end(), 0.0L));
        const double size = std::accumulate(host.begin(), host.end(), 0.0,
                                            [](double a, double b) { return a + std::abs(b); });
        CHECK(std::abs(context.sum(n, f) - exact) <= static_cast<double>(n) * 1.2e-16 * size);
        CHECK(context.max(n, f) == *std::max_element(host.begin(), host.end()));
    }
}

TEST_CASE_TEMPLATE("reductions of nothing", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    CHECK(context.sum(0, element<double>{nullptr}) == 0.0);
    CHECK(context.max(0, element<double>{nullptr}) == -infinity);
    CHECK(context.find_first(0, not_a_number{nullptr}) == 0);
    context.column_sums(0, 0, element<double>{nullptr}, nullptr);
}

TEST_CASE_TEMPLATE("max shows NaN and infinities", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const index_t n : sizes)
        for (const index_t where : {index_t{0}, n / 2, n - 1}) {
            const auto with = [&](double value, double others) {
                std::vector<double> host(static_cast<std::size_t>(n), others);
                at(host, where) = value;
                const auto x = diamond::from_host(context, 1, n, host);
                return context.max(n, element<double>{x.data()});
            };
            CHECK(std::isnan(with(nan, 1.0)));
            CHECK(std::isnan(with(nan, infinity)));
            CHECK(with(infinity, -1.0) == infinity);
            CHECK(with(-3.0, -infinity) == -3.0);
            CHECK(with(-infinity, -infinity) == -infinity);
        }
}

TEST_CASE_TEMPLATE("find_first", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    for (const index_t n : sizes) {
        std::vector<double> host(static_cast<std::size_t>(n));
        std::iota(host.begin(), host.end(), 0.0);
        at(host, n - 1) = std::max(static_cast<double>(n / 2), 0.0); // a second one behind
        const auto x = diamond::from_host(context, 1, n, host);
        CHECK(context.find_first(n, equals{x.data(), static_cast<double>(n / 2)}) == n / 2);
        CHECK(context.find_first(n, equals{x.data(), 0.0}) == 0);
        CHECK(context.find_first(n, equals{x.data(), -1.0}) == n);
        CHECK(context.find_first(n, not_a_number{x.data()}) == n);
    }
}

TEST_CASE_TEMPLATE("scans, also in place", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    std::mt19937_64 generator(3);
    for (const index_t n : {0, 1, 2, 257, 100'001}) {
        CAPTURE(n);
        std::vector<std::uint64_t> weights(static_cast<std::size_t>(n)), sums(weights.size());
        std::vector<std::int32_t> marks(weights.size()), maxima(weights.size());
        for (auto& w : weights) w = generator(); // sums wrap around, as unsigned integers do
        for (auto& m : marks) m = static_cast<std::int32_t>(generator());
        std::partial_sum(weights.begin(), weights.end(), sums.begin());
        std::partial_sum(marks.begin(), marks.end(), maxima.begin(),
                         [](std::int32_t a, std::int32_t b) { return std::max(a, b); });

        auto w = diamond::from_host(context, 1, n, weights);
        auto m = diamond::from_host(context, 1, n, marks);
        auto w_out = diamond::from_host(context, 1, n, weights);
        auto m_out = diamond::from_host(context, 1, n, marks);
        context.scan_sum(w.data(), n, w_out.data());
        context.scan_max(m.data(), n, m_out.data());
        CHECK(diamond::to_host(w_out) == sums);
        CHECK(diamond::to_host(m_out) == maxima);
        context.scan_sum(w.data(), n, w.data());
        context.scan_max(m.data(), n, m.data());
        CHECK(diamond::to_host(w) == sums);
        CHECK(diamond::to_host(m) == maxima);
    }
}

TEST_CASE_TEMPLATE("gather", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    std::mt19937_64 generator(4);
    for (const auto& [rows, from, to] : {std::tuple<index_t, index_t, index_t>{0, 3, 5},
                                         {3, 1, 0},
                                         {1, 1, 1},
                                         {2, 1000, 1000},
                                         {64, 300, 1001},
                                         {5, 70'000, 3}}) {
        CAPTURE(rows);
        CAPTURE(to);
        const auto host = numbers::normals<real>(rows * from, 5);
        std::vector<std::int32_t> ancestors(static_cast<std::size_t>(to));
        for (auto& a : ancestors)
            a = static_cast<std::int32_t>(generator() % static_cast<std::uint64_t>(from));
        const auto x = diamond::from_host(context, rows, from, host);
        const auto indices = diamond::from_host(context, 1, to, ancestors);
        typename back_end::batch out(context, rows, to);
        context.template gather<real>(x, indices.data(), out);
        std::vector<real> expected;
        for (const std::int32_t a : ancestors)
            for (index_t i = 0; i < rows; ++i) expected.push_back(at(host, i + rows * a));
        CHECK(diamond::to_host(out) == expected);
    }
    const typename back_end::batch x(context, 3, 4);
    typename back_end::batch out(context, 2, 4);
    CHECK_THROWS_WITH_AS(context.template gather<real>(x, nullptr, out),
                         "gather: columns of 3 numbers into columns of 2", std::invalid_argument);
}

} // namespace backend_reductions_test
