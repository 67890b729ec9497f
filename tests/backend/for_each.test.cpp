/// Elementwise work: every index once, any shape; exceptions come out and leave the context usable.
#include <stdexcept>

#include <support/back_ends.hpp>
#include <support/numbers.hpp>

namespace backend_for_each_test {

using diamond::index_t;

namespace {
struct count_element {
    std::int32_t* count;
    DIAMOND_HD void operator()(index_t j) const { ++count[j]; }
};
template <class Real>
struct write_position {
    Real* out;
    index_t rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        out[i + rows * j] = static_cast<Real>(i + 1000 * j);
    }
};
/// Throws at every multiple of `bad` but 0.
struct throw_at_multiples {
    index_t bad;
    void operator()(index_t j) const {
        if (j > 0 && j % bad == 0) throw std::runtime_error("column " + std::to_string(j));
    }
};
template <class Context>
void check_counts(const Context& context, index_t n) {
    const auto zeros = diamond::from_host(context, 1, n,
                                          std::vector<std::int32_t>(static_cast<std::size_t>(n)));
    auto* count = const_cast<std::int32_t*>(zeros.data());
    context.for_each(n, count_element{count});
    CHECK(diamond::to_host(zeros) == std::vector<std::int32_t>(static_cast<std::size_t>(n), 1));
}
} // namespace

TEST_CASE_TEMPLATE("for_each meets every element once", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    for (const index_t n : {0, 1, 2, 255, 256, 257, 8192, 8193, 100'003}) check_counts(context, n);
}

TEST_CASE_TEMPLATE("for_each over rows and columns", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    for (const auto& [rows, columns] : {std::pair<index_t, index_t>{0, 0},
                                        {0, 9},
                                        {9, 0},
                                        {1, 1},
                                        {3, 7},
                                        {17, 1001},
                                        {20'000, 3},
                                        {1, 50'000}}) {
        CAPTURE(rows);
        CAPTURE(columns);
        typename back_end::batch batch(context, rows, columns);
        context.for_each(rows, columns, write_position<real>{batch.data(), rows});
        std::vector<real> expected;
        for (index_t j = 0; j < columns; ++j)
            for (index_t i = 0; i < rows; ++i) expected.push_back(static_cast<real>(i + 1000 * j));
        CHECK(diamond::to_host(batch) == expected);
    }
}

TEST_CASE_TEMPLATE("the lowest exception comes out of for_each, and the context goes on", back_end,
                   HOST_BACK_ENDS) {
    const auto context = back_end::make();
    for (const index_t n : {300, 100'000})
        for (int again = 0; again < 20; ++again) {
            CHECK_THROWS_WITH_AS(context.for_each(n, throw_at_multiples{257}), "column 257",
                                 std::runtime_error);
            CHECK_NOTHROW(context.for_each(n, throw_at_multiples{n}));
        }
    check_counts(context, 100'000);
}

TEST_CASE_TEMPLATE("exceptions come out of reductions and searches", back_end, HOST_BACK_ENDS) {
    const auto context = back_end::make();
    const auto number = [](index_t j) {
        return j == 70'000 ? throw std::runtime_error("number 70000") : 1.0;
    };
    const auto in_column = [](index_t i, index_t j) {
        return i == 1 && j == 5'000 ? throw std::runtime_error("column 5000") : 1.0;
    };
    const auto wanted = [](index_t j) {
        return j == 70'000 ? throw std::runtime_error("found 70000") : false;
    };
    std::vector<double> sums(10'000);
    CHECK_THROWS_WITH(static_cast<void>(context.sum(100'000, number)), "number 70000");
    CHECK_THROWS_WITH(static_cast<void>(context.max(100'000, number)), "number 70000");
    CHECK_THROWS_WITH(context.column_sums(2, 10'000, in_column, sums.data()), "column 5000");
    CHECK_THROWS_WITH(static_cast<void>(context.find_first(100'000, wanted)), "found 70000");
    CHECK(context.sum(70'000, number) == 70'000.0);
}

} // namespace backend_for_each_test
