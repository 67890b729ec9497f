/// Batches own memory of their context; views, copies and the way to the host and back.
#include <numeric>
#include <stdexcept>
#include <string>
#include <type_traits>

#include <support/back_ends.hpp>
#include <support/numbers.hpp>

namespace backend_memory_test {

using diamond::index_t;

namespace {
template <class Real>
std::vector<Real> counting(index_t n) {
    std::vector<Real> result(static_cast<std::size_t>(n));
    std::iota(result.begin(), result.end(), Real{1});
    return result;
}
} // namespace

TEST_CASE_TEMPLATE("a batch goes to the device and back", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    for (const auto& [rows, columns] :
         {std::pair<index_t, index_t>{0, 0}, {0, 5}, {3, 0}, {1, 1}, {3, 5}, {64, 1000}}) {
        CAPTURE(rows);
        CAPTURE(columns);
        const auto host = counting<real>(rows * columns);
        const auto batch = diamond::from_host(context, rows, columns, host);
        CHECK(batch.rows() == rows);
        CHECK(batch.columns() == columns);
        CHECK(batch.size() == rows * columns);
        CHECK(diamond::to_host(batch) == host);
        CHECK(&batch.context() == &context);

        typename back_end::batch other(context, rows, columns);
        context.copy(batch.data(), batch.size(), other.data());
        CHECK(diamond::to_host(other) == host);
    }
}

TEST_CASE_TEMPLATE("sizes are checked on the way in", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::from_host(context, 3, 5, counting<real>(14))),
                         "from_host: 14 numbers for a batch of 3 x 5", std::invalid_argument);
    CHECK_THROWS_WITH_AS(static_cast<void>(diamond::from_host(context, -3, -5, counting<real>(15))),
                         "a batch of -3 x -5: extents must not be negative", std::invalid_argument);
    CHECK_THROWS_WITH_AS(typename back_end::batch(context, 2, -1),
                         "a batch of 2 x -1: extents must not be negative", std::invalid_argument);
    const auto batch = diamond::from_host(context, 3, 5, counting<real>(15)),
               turned = diamond::from_host(context, 5, 3, counting<real>(15));
    CHECK_NOTHROW(diamond::require_same_shape("here", batch.read(), batch.read()));
    CHECK_THROWS_WITH_AS(diamond::require_same_shape("here", batch.read(), turned.read()),
                         "here: 3 x 5 against 5 x 3", std::invalid_argument);
}

TEST_CASE_TEMPLATE("memory begins at a cache line", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make();
    const typename back_end::batch batch(context, 1, 1);
    CHECK(reinterpret_cast<std::uintptr_t>(batch.data()) % 64 == 0);
}

TEST_CASE_TEMPLATE("a batch allocates only when it grows, and keeps its room", back_end, ALL_BACK_ENDS) {
    const auto context = back_end::make(), another = back_end::make();
    typename back_end::batch batch(context, 8, 10);
    const auto* const room = batch.data();
    batch.resize(context, 3, 5);
    CHECK(batch.data() == room);
    batch.resize(context, 5, 16);
    CHECK(batch.data() == room);
    CHECK(batch.rows() == 5);
    CHECK(batch.columns() == 16);
    batch.resize(context, 0, 7);
    CHECK(batch.data() == room);

    const auto before = diamond::to_host(
        diamond::from_host(context, 1, 3, counting<typename back_end::real>(3)));
    CHECK_THROWS_AS(batch.resize(context, -1, 3), std::invalid_argument);
    CHECK(batch.columns() == 7); // a refused size leaves it as it was

    batch.resize(context, 9, 10);
    CHECK(batch.size() == 90);
    batch.resize(another, 1, 1);
    CHECK(&batch.context() == &another);
}

TEST_CASE_TEMPLATE("a batch moves and does not copy", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    using batch = typename back_end::batch;
    static_assert(!std::is_copy_constructible_v<batch> && !std::is_copy_assignable_v<batch>);
    static_assert(std::is_nothrow_move_constructible_v<batch> && std::is_nothrow_move_assignable_v<batch>);

    const auto context = back_end::make();
    const auto host = counting<real>(12);
    auto first = diamond::from_host(context, 3, 4, host);
    const auto* const place = first.data();
    batch second(std::move(first));
    CHECK(second.data() == place);
    CHECK(diamond::to_host(second) == host);
    CHECK(first.size() == 0); // NOLINT: a moved-from batch is empty
    CHECK(first.data() == nullptr);

    batch third(context, 1, 2);
    third = std::move(second);
    CHECK(third.data() == place);
    third = std::move(third); // NOLINT: to itself
    CHECK(diamond::to_host(third) == host);
    first.resize(context, 2, 2);
    CHECK(first.size() == 4);
}

TEST_CASE_TEMPLATE("scratch is not copied with its owner", back_end, ALL_BACK_ENDS) {
    using scratch = diamond::scratch<typename back_end::real, typename back_end::context>;
    const auto context = back_end::make();
    scratch own(context, 2, 3);
    scratch copy(own);
    CHECK(copy.size() == 0);
    copy.resize(context, 4, 5);
    const auto* const room = copy.data();
    copy = own;
    CHECK(copy.data() == room);
    CHECK(own.size() == 6);
    const scratch moved(std::move(own));
    CHECK(moved.size() == 6);
}

TEST_CASE_TEMPLATE("views share memory", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    auto batch = diamond::from_host(context, 3, 4, counting<real>(12));
    const auto view = batch.mutable_view();
    const diamond::const_view_t<typename back_end::batch> constant = view;
    CHECK(constant.data() == view.data());
    CHECK(diamond::to_host(view.columns(1, 2)) == std::vector<real>{4, 5, 6, 7, 8, 9});
    CHECK(view.reshaped(6, 2).column(1).begin() == view.column(2).begin());
    CHECK(view.column(2).size() == 3);
    CHECK(view.column(2).end() - view.column(2).begin() == 3);
    CHECK(&view(2, 3) == batch.data() + 11);
    CHECK(&view[11] == batch.data() + 11);
    CHECK(&view.context() == &context);
}

TEST_CASE_TEMPLATE("extents whose product or bytes an index does not hold are refused with both", back_end,
                   ALL_BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    const index_t k = 1;
    for (const auto& [rows, columns] : {std::pair{k << 31, k << 31},
                                        {k << 33, k << 31},
                                        {k << 32, k << 32},
                                        {k << 62, k << 1},
                                        {k << 61, k << 1},
                                        {k << 62, k << 62}}) {
        CAPTURE(rows);
        CAPTURE(columns);
        const std::string what = "a batch of " + std::to_string(rows) + " x " + std::to_string(columns) +
                                 " numbers of " + std::to_string(sizeof(real)) +
                                 " bytes: more bytes than 2^63 - 1";
        CHECK_THROWS_WITH_AS((typename back_end::batch(context, rows, columns)), what.c_str(),
                             std::invalid_argument);
        CHECK_THROWS_WITH_AS(
            static_cast<void>(diamond::from_host(context, rows, columns, std::vector<real>{})), what.c_str(),
            std::invalid_argument);
        typename back_end::batch kept(context, 2, 3);
        CHECK_THROWS_AS(kept.resize(context, rows, columns), std::invalid_argument);
        CHECK(kept.rows() == 2);
        CHECK(kept.columns() == 3);
    }
    CHECK_THROWS_AS(diamond::require_countable(k << 62, 4), std::invalid_argument);
    CHECK_THROWS_AS(diamond::require_countable(-1, 4), std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        static_cast<void>(diamond::extent_product("particles and samples", k << 40, k << 24)),
        "particles and samples: 1099511627776 x 16777216 is more than 2^63 - 1", std::invalid_argument);
    CHECK(diamond::extent_product("particles and samples", 3, 4) == 12);
}

} // namespace backend_memory_test
